import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';

type JsonObject = { [key: string]: Json };

/** A short picture of a value for an error message. */
export function pictureOf(value: Json | undefined): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function wrong(where: string, expected: string, value: Json | undefined): InputError {
  return new InputError('not what a tokenizer.json holds here', { where, expected, got: pictureOf(value) });
}

/** The value as an object. @throws {InputError} naming the place. */
export function objectAt(value: Json | undefined, where: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw wrong(where, 'an object', value);
  return value;
}

/** The value as a list. @throws {InputError} naming the place. */
export function listAt(value: Json | undefined, where: string): Json[] {
  if (!Array.isArray(value)) throw wrong(where, 'a list', value);
  return value;
}

/** The value as a text. @throws {InputError} naming the place. */
export function textAt(value: Json | undefined, where: string): string {
  if (typeof value !== 'string') throw wrong(where, 'a text', value);
  return value;
}

/** The value as a token id. @throws {InputError} naming the place. */
export function idAt(value: Json | undefined, where: string, bound: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= bound) {
    throw wrong(where, `a whole number from 0 to ${bound - 1}`, value);
  }
  return value;
}

/** Refuses a setting that would change the ids and that nothing here obeys. */
export function mustBe(value: Json | undefined, allowed: readonly (Json | undefined)[], where: string): void {
  if (!allowed.includes(value)) {
    throw new InputError('this setting is not supported', {
      where,
      expected: allowed.map((one) => (one === undefined ? 'nothing' : JSON.stringify(one))).join(' or '),
      got: pictureOf(value),
    });
  }
}
