import type { Json } from '../util/json.js';
import { requestStop } from './interrupt.js';

let watchingPipes = false;

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

/**
 * Makes a closed pipe (`athanor runs | head -1`) end the program without a word. A command that stops cleanly when
 * asked to is asked; the others end at once.
 */
export function endQuietlyOnClosedPipe(): void {
  if (watchingPipes) return;
  watchingPipes = true;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (!requestStop()) process.exit(0);
    });
  }
}
