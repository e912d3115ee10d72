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

/** Reads a JSON file that must hold an object. */
export function readJsonObject(file: string): { [key: string]: Json } {
  const value = parseJson(readText(file), file);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new InputError('not a JSON object', { where: file });
  }
  return value;
}
