import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { readBertNormalizer } from './bert-normalizer.js';
import { listAt, mustBe, objectAt, textAt } from './json-fields.js';
import { normalizeNmt } from './nmt-normalizer.js';
import { literalPattern, translatePattern } from './pattern.js';
import { readPrecompiled } from './precompiled-charsmap.js';

type JsonObject = { [key: string]: Json };

/** Rewrites text before it is cut. */
export interface Normalizer {
  /** As `normalizer` of `tokenizer.json`. */
  readonly json: Json;
  normalize(text: string): string;
}

/** Unicode's composed form. */
export const NFC: Normalizer = { json: { type: 'NFC' }, normalize: (text) => text.normalize('NFC') };

/** How a type of normalizer is read: its settings to the function. */
export type NormalizerReader = (part: JsonObject, where: string) => (text: string) => string;

/** What reads each type. */
const READERS: ReadonlyMap<string, NormalizerReader> = new Map<string, NormalizerReader>([
  ['NFC', () => (text) => text.normalize('NFC')],
  ['NFD', () => (text) => text.normalize('NFD')],
  ['NFKC', () => (text) => text.normalize('NFKC')],
  ['NFKD', () => (text) => text.normalize('NFKD')],
  ['Lowercase', () => lowercase],
  ['StripAccents', () => (text) => text.replace(/\p{M}/gu, '')],
  ['Strip', readStrip],
  ['Prepend', readPrepend],
  ['Replace', readReplace],
  ['BertNormalizer', readBertNormalizer],
  ['Precompiled', readPrecompiled],
  ['Nmt', () => normalizeNmt],
  ['Sequence', readSequence],
]);

/** Steps inside one another, at most. */
const DEEPEST = 8;
/** Characters that a step puts in; published files have one or two. */
const LONGEST_CONTENT = 256;
/** A character becomes at most 18 by the forms of Unicode, and one or two of those by other steps. */
const GROWTH = 64;

/**
 * The `normalizer` of a `tokenizer.json`; undefined where there is none.
 *
 * @throws {InputError} naming the place, if it is damaged or of a type that is not supported.
 */
export function readNormalizer(value: Json | undefined, where = 'normalizer'): Normalizer | undefined {
  if (value === undefined || value === null) return undefined;
  return { json: value, normalize: readStep(value, where) };
}

function readStep(value: Json | undefined, where: string): (text: string) => string {
  const part = objectAt(value, where);
  const reader = typeof part.type === 'string' ? READERS.get(part.type) : undefined;
  if (reader === undefined) {
    throw new InputError('this normalizer is not supported', {
      where: `${where}.type`,
      expected: [...READERS.keys()].join(', '),
      got: JSON.stringify(part.type ?? null),
    });
  }
  return reader(part, where);
}

function readSequence(part: JsonObject, where: string): (text: string) => string {
  if (where.split('[').length > DEEPEST) throw new InputError('sequences lie too deep in one another', { where });
  const steps = listAt(part.normalizers, `${where}.normalizers`).map((step, i) =>
    readStep(step, `${where}.normalizers[${i}]`),
  );
  return (text) => {
    let result = text;
    for (const step of steps) {
      result = step(result);
      if (result.length > GROWTH * text.length + LONGEST_CONTENT) {
        throw new InputError('the normalizer makes the text many times as long', { where });
      }
    }
    return result;
  };
}

/** Lower case, each character for itself: a final sigma is a sigma like others. */
export function lowercase(text: string): string {
  return text.includes('Σ') ? text.replaceAll('Σ', 'σ').toLowerCase() : text.toLowerCase();
}

function readStrip(part: JsonObject, where: string): (text: string) => string {
  mustBe(part.strip_left, [true, false], `${where}.strip_left`);
  mustBe(part.strip_right, [true, false], `${where}.strip_right`);
  return (text) => {
    let result = text;
    if (part.strip_left === true) result = result.replace(/^\p{White_Space}+/u, '');
    if (part.strip_right === true) {
      let end = result.length;
      while (end > 0 && /\p{White_Space}/u.test(result[end - 1]!)) end--;
      result = result.slice(0, end);
    }
    return result;
  };
}

function shortTextAt(value: Json | undefined, where: string): string {
  const text = textAt(value, where);
  if (text.length <= LONGEST_CONTENT) return text;
  throw new InputError('too long to be put into texts', {
    where,
    expected: `at most ${LONGEST_CONTENT} characters`,
    got: `${text.length}`,
  });
}

function readPrepend(part: JsonObject, where: string): (text: string) => string {
  const prefix = shortTextAt(part.prepend, `${where}.prepend`);
  return (text) => (text === '' ? text : prefix + text);
}

function readReplace(part: JsonObject, where: string): (text: string) => string {
  const content = shortTextAt(part.content, `${where}.content`);
  const pattern = objectAt(part.pattern, `${where}.pattern`);
  if (typeof pattern.String === 'string' && pattern.String !== '') {
    const literal = pattern.String;
    return (text) => text.replaceAll(literal, () => content);
  }
  const expression = readPattern(part.pattern, `${where}.pattern`);
  return (text) => text.replace(expression, () => content);
}

/** A `pattern` of `tokenizer.json`, `{ String }` or `{ Regex }`. @throws {InputError} naming the place. */
export function readPattern(value: Json | undefined, where: string): RegExp {
  const pattern = objectAt(value, where);
  if (pattern.String !== undefined) return literalPattern(textAt(pattern.String, `${where}.String`), where);
  return translatePattern(textAt(pattern.Regex, `${where}.Regex`), where);
}
