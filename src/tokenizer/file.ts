import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { AthanorError, InputError } from '../util/errors.js';
import { writeFileAtomic } from '../util/files.js';
import { type Json, readJsonObject } from '../util/json.js';
import { readBpe } from './bpe-json.js';
import type { Tokenizer, TokenRoles } from './tokenizer.js';
import { readUnigram } from './unigram-json.js';
import { readWordPiece } from './wordpiece-json.js';

type Reader = (root: { [key: string]: Json }, roles: TokenRoles | undefined) => Tokenizer;

/** What reads each `model.type` of a `tokenizer.json`. */
const READERS: ReadonlyMap<string, Reader> = new Map([
  ['BPE', readBpe],
  ['Unigram', readUnigram],
  ['WordPiece', readWordPiece],
]);

/**
 * Reads a tokenizer from a `tokenizer.json` or from a folder that holds one. The roles of tokens (`bos_token` …) come
 * from the `tokenizer_config.json` beside it (for `X_tokenizer.json`, `X_tokenizer_config.json`).
 *
 * @throws {InputError} naming the file and the place in it, if it is damaged or of a kind that is not supported.
 */
export function loadTokenizer(fileOrFolder: string): Tokenizer {
  const isFolder = statSync(fileOrFolder, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? path.join(fileOrFolder, 'tokenizer.json') : fileOrFolder;
  const root = readJsonObject(file);
  const roles = readRoles(file.replace(/(?:\.json)?$/, '_config.json'));
  try {
    return tokenizerFromJson(root, roles);
  } catch (error) {
    if (!(error instanceof AthanorError)) throw error;
    throw new InputError(`not a usable tokenizer: ${error.message}`, { where: file, cause: error });
  }
}

/** The tokenizer that the content of a `tokenizer.json` describes. @throws {InputError} as `loadTokenizer`. */
export function tokenizerFromJson(root: { [key: string]: Json }, roles?: TokenRoles): Tokenizer {
  const model = root.model;
  if (model === null || typeof model !== 'object' || Array.isArray(model)) {
    throw new InputError('there is no model', { where: 'model', hint: 'Is this a tokenizer.json?' });
  }
  // Files written before the type was named hold BPE.
  const type = model.type ?? (Array.isArray(model.merges) ? 'BPE' : null);
  const reader = typeof type === 'string' ? READERS.get(type) : undefined;
  if (reader === undefined) {
    throw new InputError('this type of tokenizer is not supported', {
      where: 'model.type',
      expected: [...READERS.keys()].join(', '),
      got: JSON.stringify(type),
    });
  }
  return reader(root, roles);
}

function readRoles(file: string): TokenRoles | undefined {
  if (!existsSync(file)) return undefined;
  const config = readJsonObject(file);
  const role = (key: string): string | undefined => {
    let value = config[key];
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) value = value.content;
    return typeof value === 'string' ? value : undefined;
  };
  return { bos: role('bos_token'), eos: role('eos_token'), pad: role('pad_token') };
}

/**
 * Writes `tokenizer.json` and `tokenizer_config.json` as Hugging Face lays them out, each file at once or not at all.
 *
 * @param options.chatTemplate a Jinja template, kept in `tokenizer_config.json`.
 * @throws {WriteError} if the disk refuses.
 */
export function saveTokenizer(
  tokenizer: Tokenizer,
  folder: string,
  { chatTemplate }: { readonly chatTemplate?: string | undefined } = {},
): void {
  const contentOf = new Map([...tokenizer.specialTokens].map(([content, id]) => [id, content]));
  const role = (id: number | undefined): string | null => (id === undefined ? null : (contentOf.get(id) ?? null));
  const config: { [key: string]: Json } = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: role(tokenizer.bosId),
    eos_token: role(tokenizer.eosId),
    pad_token: role(tokenizer.padId),
    // Left to its default it deletes spaces before punctuation when decoding.
    clean_up_tokenization_spaces: false,
  };
  if (chatTemplate !== undefined) config.chat_template = chatTemplate;
  writeFileAtomic(path.join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizer.toJson(), null, 2)}\n`);
  writeFileAtomic(path.join(folder, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
