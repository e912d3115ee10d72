import path from 'node:path';
import { AthanorError } from '../src/util/errors.js';
import type { Reader } from './readers.js';

const LONGEST_MESSAGE = 10_000;

/** What a reader made of files. */
export interface Outcome {
  /** Undefined if it took them. */
  readonly error: unknown;
  readonly seconds: number;
}

export async function outcomeOf(reader: Reader, target: string): Promise<Outcome> {
  const start = performance.now();
  let error: unknown;
  try {
    await reader.read(target);
  } catch (thrown) {
    error = thrown;
  }
  return { error, seconds: (performance.now() - start) / 1000 };
}

/** What is wrong with an error: nothing, where it is one that a user can read. */
export function faultOf(error: unknown, target: string): string | undefined {
  if (error === undefined) return undefined;
  if (!(error instanceof AthanorError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const { message } = error;
  if (message.length > LONGEST_MESSAGE) return `a message of ${message.length} characters`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  if (/[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/.test(message)) {
    return `control characters in: ${JSON.stringify(message)}`;
  }
  if (/^ {4}at /m.test(message)) return `a stack trace in: ${message}`;
  const isNamed = message.includes(path.basename(target)) || /chat template|^the tokenizer|^normalizer/.test(message);
  return isNamed ? undefined : `the file is not named in: ${message}`;
}
