import { fileErrorReason } from '../util/files.js';
import type { Json } from '../util/json.js';
import { requestStop } from './interrupt.js';

let watchingPipes = false;
let hasFailed = false;

/** Writes one line to standard output: the result of a command, for programs as much as for people. */
export function writeLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes one JSON value on a line of its own to standard output; what every command does under `--json`. */
export function writeRecord(value: Json): void {
  writeLine(JSON.stringify(value));
}

/** Writes one line for people to standard error: progress, plans, warnings, errors. */
export function writeNote(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Whether a part of the result could not be written to standard output. */
export function outputFailed(): boolean {
  return hasFailed;
}

/**
 * Makes a closed pipe (`athanor runs | head -1`) end the program without a word, and output that cannot be written (a
 * full disk) with a message and exit code 1. A command that stops cleanly when asked to is asked; the others end at
 * once. A note that is lost on standard error ends nothing.
 */
export function endQuietlyOnClosedPipe(): void {
  if (watchingPipes) return;
  watchingPipes = true;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') {
        if (!requestStop()) process.exit(0);
        return;
      }
      if (stream === process.stderr || hasFailed) return;
      hasFailed = true;
      writeNote(`athanor: standard output: cannot write: ${fileErrorReason(error)}`);
      process.exitCode = 1;
      if (!requestStop()) process.exit(1);
    });
  }
}
