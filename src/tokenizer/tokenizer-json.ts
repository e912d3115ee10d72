import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { idAt, listAt, objectAt, pictureOf, textAt } from './json-fields.js';
import type { AddedToken } from './tokenizer.js';

type JsonObject = { [key: string]: Json };

/** As many as are looked for in a text at once, and the characters of all of them; published files have 6,400. */
export const MOST_ADDED: number = 1 << 15;
export const MOST_ADDED_CHARACTERS: number = 1 << 20;

/** More ids than any vocabulary has; a file must not make us allocate for more. */
export const MAXIMUM_ID: number = 1 << 22;

/** The type of a part of a `tokenizer.json`; undefined where the part is absent or null. */
export function typeOf(part: Json | undefined): Json | undefined {
  return part !== null && typeof part === 'object' && !Array.isArray(part) ? (part.type ?? null) : undefined;
}

/** A type as a word; what is no text has no name. */
export function nameOf(type: Json | undefined): string {
  return typeof type === 'string' ? type : pictureOf(type);
}

/** The `vocab` object of a model: each token to its id. @throws {InputError} if an id is impossible or there twice. */
export function readVocabulary(vocab: Json | undefined, where = 'model.vocab'): Map<string, number> {
  const vocabulary = new Map<string, number>();
  const seen = new Map<number, string>();
  for (const [token, value] of Object.entries(objectAt(vocab, where))) {
    const place = `${where}[${JSON.stringify(token)}]`;
    const id = idAt(value, place, MAXIMUM_ID);
    const other = seen.get(id);
    if (other !== undefined) {
      throw new InputError(`id ${id} belongs to ${JSON.stringify(other)} already`, { where: place });
    }
    seen.set(id, token);
    vocabulary.set(token, id);
  }
  return vocabulary;
}

/**
 * The `added_tokens` of a `tokenizer.json`, which are added to the vocabulary too.
 *
 * @throws {InputError} if one is damaged or collides with another token.
 */
export function readAddedTokens(root: JsonObject, vocabulary: Map<string, number>): AddedToken[] {
  const tokenOf = new Map([...vocabulary].map(([token, id]) => [id, token]));
  const list = listAt(root.added_tokens ?? [], 'added_tokens');
  let characters = 0;
  return list.map((value, i) => {
    const where = `added_tokens[${i}]`;
    const entry = objectAt(value, where);
    const id = idAt(entry.id, `${where}.id`, MAXIMUM_ID);
    const content = textAt(entry.content, `${where}.content`);
    characters += content.length;
    if (i >= MOST_ADDED || characters > MOST_ADDED_CHARACTERS) {
      throw new InputError('too many added tokens', {
        where,
        expected: `at most ${MOST_ADDED}, of ${MOST_ADDED_CHARACTERS} characters`,
        got: `${list.length}`,
      });
    }
    const known = vocabulary.get(content);
    const other = tokenOf.get(id);
    if (content === '' || (known ?? id) !== id || (other ?? content) !== content) {
      throw new InputError('an added token collides with another token', {
        where,
        expected: `${JSON.stringify(content)} and ${id} to belong together alone`,
        got: `id ${known ?? id} and the text ${JSON.stringify(other ?? content)}`,
      });
    }
    vocabulary.set(content, id);
    tokenOf.set(id, content);
    return { id, content, special: entry.special === true, ...readFlags(entry) };
  });
}

/** How an added token is matched, as `tokenizer.json` and `tokenizer_config.json` say it; a flag left out is false. */
export function readFlags(entry: JsonObject): Omit<AddedToken, 'id' | 'content' | 'special'> {
  return {
    ...(entry.lstrip === true ? { stripsLeft: true } : {}),
    ...(entry.rstrip === true ? { stripsRight: true } : {}),
    ...(entry.single_word === true ? { isSingleWord: true } : {}),
    ...(entry.normalized === true ? { isNormalized: true } : {}),
  };
}
