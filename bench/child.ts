import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Json } from '../src/util/json.js';

export const ROOT: string = path.resolve(import.meta.dirname, '..');

/** A program to run, with what is added to the environment. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 300_000;

/** The command as one would type it in the root of the project. */
export function commandText({ program, args, environment = {} }: Command): string {
  const name = program === process.execPath ? 'node' : program;
  const settings = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
  return [...settings, name, ...args].join(' ');
}

/** Runs a program to its end and returns what it printed. @throws {Error} with the end of its errors if it fails. */
export async function outputOf({ program, args, environment = {} }: Command): Promise<string> {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const texts = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.err += text;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return texts.out;
  const last = (texts.out + texts.err).trim().split('\n').at(-1) ?? '';
  throw new Error(`ended with ${signal ?? `code ${code}`}: ${last.slice(0, 300)}`);
}

/** The JSON object that a program prints on its last line. */
export async function resultOf(command: Command): Promise<{ readonly [key: string]: Json }> {
  const lines = (await outputOf(command)).trim().split('\n');
  return JSON.parse(lines.at(-1) ?? '') as { [key: string]: Json };
}

/** Whether a program runs and ends well. */
export async function works(command: Command): Promise<boolean> {
  try {
    await outputOf(command);
    return true;
  } catch {
    return false;
  }
}
