import { existsSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '../util/errors.js';
import { type Json, readJsonObject } from '../util/json.js';
import { idAt, objectAt, textAt } from './json-fields.js';
import type { AddedToken, TokenRoles } from './tokenizer.js';
import { MAXIMUM_ID, MOST_ADDED, MOST_ADDED_CHARACTERS, readFlags } from './tokenizer-json.js';

type JsonObject = { [key: string]: Json };

/** The keys under which `tokenizer_config.json` and `special_tokens_map.json` name special tokens. */
const TOKEN_KEYS: readonly string[] = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
];

/** A special token by name: a text, or an object with the way in which it is matched. */
function readToken(value: Json | undefined): Omit<AddedToken, 'id'> | undefined {
  if (typeof value === 'string') return { content: value, special: true };
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  return typeof value.content === 'string' ? { content: value.content, special: true, ...readFlags(value) } : undefined;
}

/** The tokens that open and close a document and fill a batch. */
export function rolesOf(config: JsonObject): TokenRoles {
  const role = (key: string): string | undefined => readToken(config[key])?.content;
  return { bos: role('bos_token'), eos: role('eos_token'), pad: role('pad_token') };
}

/** What the files beside a plain vocabulary say of a tokenizer: `tokenizer_config.json` and its companions. */
export interface TokenizerConfig {
  readonly settings: JsonObject;
  /** `added_tokens_decoder`, or `added_tokens.json`: tokens with their ids. */
  readonly numbered: readonly AddedToken[];
  /** Special tokens by name: `bos_token` and its like, and additional ones. */
  readonly named: ReadonlyMap<string, Omit<AddedToken, 'id'>>;
}

/** Reads the configuration of a folder's tokenizer. @throws {InputError} if a file is damaged. */
export function readTokenizerConfig(folder: string): TokenizerConfig {
  const read = (name: string): JsonObject => {
    const file = path.join(folder, name);
    return existsSync(file) ? readJsonObject(file) : {};
  };
  const settings: JsonObject = { ...read('special_tokens_map.json'), ...read('tokenizer_config.json') };
  const named = new Map<string, Omit<AddedToken, 'id'>>();
  for (const key of TOKEN_KEYS) {
    const token = readToken(settings[key]);
    if (token !== undefined) named.set(key, token);
  }
  const additional = settings.additional_special_tokens;
  (Array.isArray(additional) ? additional : []).forEach((value, i) => {
    const token = readToken(value);
    if (token !== undefined) named.set(`additional_special_tokens[${i}]`, token);
  });
  const numbered: AddedToken[] = [];
  if (settings.added_tokens_decoder !== undefined) {
    for (const [key, value] of Object.entries(objectAt(settings.added_tokens_decoder, 'added_tokens_decoder'))) {
      const where = `added_tokens_decoder[${JSON.stringify(key)}]`;
      const entry = objectAt(value, where);
      const content = textAt(entry.content, `${where}.content`);
      numbered.push({
        id: idAt(Number(key), where, MAXIMUM_ID),
        content,
        special: entry.special === true,
        ...readFlags(entry),
      });
    }
  } else {
    const specials = new Set([...named.values()].map(({ content }) => content));
    for (const [content, value] of Object.entries(read('added_tokens.json'))) {
      const id = idAt(value, `added_tokens.json[${JSON.stringify(content)}]`, MAXIMUM_ID);
      const special = specials.has(content);
      numbered.push({ id, content, special, ...(special ? {} : { isNormalized: true }) });
    }
  }
  return { settings, numbered, named };
}

/**
 * All added tokens of a plain vocabulary: the numbered ones, then the special ones by name, which get the next ids where
 * the vocabulary lacks them. They are added to the vocabulary too.
 *
 * @param defaults the special tokens that this kind has where the configuration names none, by key.
 * @throws {InputError} if a token's id belongs to another.
 */
export function addTokens(
  vocabulary: Map<string, number>,
  { settings, numbered, named }: TokenizerConfig,
  defaults: { readonly [key: string]: Omit<AddedToken, 'id'> },
): AddedToken[] {
  const tokens = new Map<string, AddedToken>();
  const owner = new Map([...vocabulary].map(([token, id]) => [id, token]));
  let next = 0;
  for (const id of vocabulary.values()) next = Math.max(next, id + 1);
  const add = (token: AddedToken): void => {
    const { content, id } = token;
    const other = owner.get(id) ?? content;
    if (content === '' || other !== content || (vocabulary.get(content) ?? id) !== id) {
      throw new InputError('an added token collides with another token', {
        where: 'the configuration of the tokenizer',
        got: `${JSON.stringify(content)} with the id ${id}, which belongs to ${JSON.stringify(other)}`,
      });
    }
    vocabulary.set(content, id);
    owner.set(id, content);
    tokens.set(content, token);
    next = Math.max(next, id + 1);
  };
  let characters = 0;
  for (const { content } of [...numbered, ...named.values()]) characters += content.length;
  if (numbered.length + named.size > MOST_ADDED || characters > MOST_ADDED_CHARACTERS) {
    throw new InputError('too many added tokens', {
      where: 'the configuration of the tokenizer',
      expected: `at most ${MOST_ADDED}, of ${MOST_ADDED_CHARACTERS} characters`,
    });
  }
  for (const token of [...numbered].sort((a, b) => a.id - b.id)) add(token);
  const wanted = new Map(named);
  for (const [key, token] of Object.entries(defaults)) {
    // null: the configuration says that there is none.
    if (!wanted.has(key) && settings[key] === undefined && vocabulary.has(token.content)) wanted.set(key, token);
  }
  for (const token of wanted.values()) {
    const known = tokens.get(token.content);
    if (known?.special === true) continue;
    add({ ...token, id: vocabulary.get(token.content) ?? next });
  }
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}
