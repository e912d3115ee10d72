import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import path from 'node:path';
import { releaseInterrupt } from '../src/cli/interrupt.js';
import { main } from '../src/cli/program.js';
import { repositoryRoot } from './source-files.js';

const MAIN = path.join(repositoryRoot, 'dist', 'cli', 'main.js');
/** Tells the most memory that the process had, in KiB, on its fourth stream. */
const TELL_MEMORY = `data:text/javascript,import { writeSync } from 'node:fs';
process.on('exit', () => writeSync(3, String(process.resourceUsage().maxRSS)));`;

/** How a command of the built program ended. */
export interface Ended {
  /** Null where it was killed because it took too long. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
  readonly memoryBytes: number;
}

/** Runs a command of the built program as a user does, in a process of its own. */
export function athanor(
  args: readonly string[],
  options: { readonly input?: string | Uint8Array; readonly timeoutSeconds?: number; readonly stdout?: string } = {},
): Ended {
  const { input = '', timeoutSeconds = 20, stdout } = options;
  const begun = performance.now();
  const handle = stdout === undefined ? undefined : fs.openSync(stdout, 'w');
  try {
    const { status, output } = spawnSync(process.execPath, ['--import', TELL_MEMORY, MAIN, ...args], {
      stdio: ['pipe', handle ?? 'pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
      input,
      timeout: timeoutSeconds * 1000,
      killSignal: 'SIGKILL',
    });
    const [, out, err, memory] = output;
    return {
      code: status,
      out: out ?? '',
      err: err ?? '',
      seconds: (performance.now() - begun) / 1000,
      memoryBytes: Number(memory) * 1024,
    };
  } finally {
    if (handle !== undefined) fs.closeSync(handle);
  }
}

/** The same within this process, which takes a tenth of the time; memory is not told. */
export async function athanorHere(args: readonly string[]): Promise<Ended> {
  const texts = { out: '', err: '' };
  const begun = performance.now();
  const held = { out: process.stdout.write, err: process.stderr.write };
  const into = (name: 'out' | 'err') => (text: string | Uint8Array) => {
    texts[name] += text;
    return true;
  };
  process.stdout.write = into('out') as typeof process.stdout.write;
  process.stderr.write = into('err') as typeof process.stderr.write;
  try {
    const code = await main(args);
    return { ...texts, code, seconds: (performance.now() - begun) / 1000, memoryBytes: 0 };
  } finally {
    process.stdout.write = held.out;
    process.stderr.write = held.err;
    releaseInterrupt();
  }
}

/** A command that runs while the test goes on. */
export class Running {
  readonly child: ChildProcess;
  /** Its exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
  err = '';

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => resolve(code));
    });
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until a condition holds; false where the command ended before. */
  async until(condition: () => boolean): Promise<boolean> {
    while (!condition()) {
      if (!this.isAlive) return false;
      await pause(2);
    }
    return this.isAlive;
  }

  /** SIGKILL. @returns whether it was that which ended the command. */
  async kill(): Promise<boolean> {
    this.child.kill('SIGKILL');
    await this.ended;
    return this.child.signalCode === 'SIGKILL';
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Whole lines of a file that may grow while it is read; none where there is no file. */
export function linesOf(file: string): string[] {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}
