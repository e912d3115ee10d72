import { statSync } from 'node:fs';
import { InputError, messageOf } from './errors.js';
import { readText } from './files.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Parses JSON. @throws {InputError} that names the place it came from. */
export function parseJson(text: string, where: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new InputError(`not valid JSON (${messageOf(error)})`, { where, cause: error });
  }
}

/** A larger file is no configuration; reading it would cost the memory that a stranger asks for. */
const MOST_BYTES = 2 ** 27;

/** Reads a JSON file that must hold an object. @throws {InputError} also if it is larger than any such file is. */
export function readJsonObject(file: string): { [key: string]: Json } {
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes > MOST_BYTES) {
    throw new InputError('too large for a file of this kind', {
      where: file,
      expected: `at most ${MOST_BYTES} bytes`,
      got: `${bytes} bytes`,
    });
  }
  const value = parseJson(readText(file), file);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new InputError('not a JSON object', { where: file });
  }
  return value;
}
