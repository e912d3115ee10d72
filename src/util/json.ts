import { InputError, messageOf } from './errors.js';
import { readTextUpTo } from './file-parts.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Values inside one another, beyond which a text is refused: who walks through them would run out of stack. */
const DEEPEST = 128;
/** Lists, objects and entries; a vocabulary of a million tokens with their scores has three million. */
const MOST_VALUES = 2 ** 23;

/**
 * Parses JSON.
 *
 * @throws {InputError} that names the place it came from; also if values lie too deep in one another, or there are so many
 * that they would take a hundred times the text's memory.
 */
export function parseJson(text: string, where: string): Json {
  try {
    checkStructure(text);
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new InputError(`not valid JSON (${messageOf(error)})`, { where, cause: error });
  }
}

/** Counts brackets and commas outside of strings. @throws {Error} */
function checkStructure(text: string): void {
  let depth = 0;
  let values = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        if (++depth > DEEPEST) throw new Error(`more than ${DEEPEST} values inside one another`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        if (++values > MOST_VALUES) throw new Error(`more than ${MOST_VALUES} values`);
        break;
    }
  }
}

/** How often a key stands in the outermost object of a text that is valid JSON; `JSON.parse` keeps the last of equal ones. */
export function countKeys(text: string): number {
  let depth = 0;
  let keys = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) {
      for (i++; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
    } else if (code === 0x5b || code === 0x7b) depth++;
    else if (code === 0x5d || code === 0x7d) depth--;
    else if (code === 0x3a && depth === 1) keys++;
  }
  return keys;
}

/** A larger file is no configuration; reading it would cost the memory that a stranger asks for. */
const MOST_BYTES = 2 ** 27;

/** Reads a JSON file that must hold an object. @throws {InputError} also if it is larger than any such file is. */
export function readJsonObject(file: string): { [key: string]: Json } {
  const value = parseJson(readTextUpTo(file, MOST_BYTES, 'a file of this kind'), file);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new InputError('not a JSON object', { where: file });
  }
  return value;
}
