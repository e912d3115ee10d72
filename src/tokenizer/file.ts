import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { AthanorError, InputError, inFile } from '../util/errors.js';
import { writeFileAtomic } from '../util/files.js';
import { type Json, readJsonObject } from '../util/json.js';
import type { BaseTokenizer } from './base-tokenizer.js';
import { readBpe } from './bpe-json.js';
import { hasForeignPattern } from './foreign-pattern.js';
import { loadSentencePieceFolder } from './sentencepiece-folder.js';
import type { Tokenizer, TokenRoles } from './tokenizer.js';
import { rolesOf } from './tokenizer-config.js';
import { readUnigram } from './unigram-json.js';
import { findVocabularyFile } from './vocabulary-files.js';
import { readWordPiece } from './wordpiece-json.js';

type Reader = (root: { [key: string]: Json }, roles: TokenRoles | undefined) => BaseTokenizer;

/** What reads each `model.type` of a `tokenizer.json`. */
const READERS: ReadonlyMap<string, Reader> = new Map([
  ['BPE', readBpe],
  ['Unigram', readUnigram],
  ['WordPiece', readWordPiece],
]);

/**
 * Reads a tokenizer from a `tokenizer.json` or from a folder that holds one; without one, from the folder's plain
 * vocabulary: `vocab.json` with `merges.txt`, `vocab.txt`, or a SentencePiece model. The roles of tokens (`bos_token` …)
 * come from the `tokenizer_config.json` beside it (for `X_tokenizer.json`, `X_tokenizer_config.json`).
 *
 * @throws {InputError} naming the file and the place in it, if it is damaged or of a kind that is not supported.
 */
export function loadTokenizer(fileOrFolder: string): Tokenizer {
  const isFolder = statSync(fileOrFolder, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? path.join(fileOrFolder, 'tokenizer.json') : fileOrFolder;
  const read = isFolder && !existsSync(file) ? findVocabulary(fileOrFolder) : undefined;
  const root = read === undefined ? readJsonObject(file) : {};
  try {
    return read === undefined ? tokenizerFromJson(root, readRoles(file)) : read();
  } catch (error) {
    if (!(error instanceof AthanorError)) throw error;
    const where = read === undefined ? file : fileOrFolder;
    throw new InputError(`not a usable tokenizer: ${error.message}`, { where, cause: error });
  }
}

/** What reads the vocabulary of a folder without `tokenizer.json`; undefined if it has none. */
function findVocabulary(folder: string): (() => Tokenizer) | undefined {
  const found = findVocabularyFile(folder);
  if (found !== undefined) return found;
  const config = path.join(folder, 'tokenizer_config.json');
  const tokenizer = inFile(folder, 'not a usable tokenizer', () =>
    loadSentencePieceFolder(folder, existsSync(config) ? rolesOf(readJsonObject(config)) : undefined),
  );
  return tokenizer === undefined ? undefined : () => asLibrary(tokenizer);
}

/**
 * A folder's SentencePiece model as Hugging Face's library reads it: it makes a `tokenizer.json` of it. The two formats apply
 * rules of normalisation differently where marks are stacked, and a model was trained with the one or the other; what
 * is saved from here on is the same either way.
 */
function asLibrary(tokenizer: Tokenizer): Tokenizer {
  if (tokenizer.kind !== 'unigram') return tokenizer;
  const contents = new Map([...tokenizer.specialTokens].map(([content, id]) => [id, content]));
  const role = (id: number | undefined): string | undefined => (id === undefined ? undefined : contents.get(id));
  const { bosId, eosId, padId } = tokenizer;
  const roles = { bos: role(bosId), eos: role(eosId), pad: role(padId) };
  return tokenizerFromJson(tokenizer.toJson() as { [key: string]: Json }, roles);
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
  const tokenizer = reader(root, roles);
  tokenizer.isWatched = hasForeignPattern([root.normalizer ?? null, root.pre_tokenizer ?? null]);
  return tokenizer;
}

function readRoles(tokenizerFile: string): TokenRoles | undefined {
  const file = tokenizerFile.replace(/(?:\.json)?$/, '_config.json');
  return existsSync(file) ? rolesOf(readJsonObject(file)) : undefined;
}

/** What `tokenizer_config.json` says of a tokenizer, whatever the model. */
export function tokenizerSettings(tokenizer: Tokenizer, chatTemplate: string | undefined): { [key: string]: Json } {
  const contentOf = new Map([...tokenizer.specialTokens].map(([content, id]) => [id, content]));
  const role = (id: number | undefined): string | null => (id === undefined ? null : (contentOf.get(id) ?? null));
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: role(tokenizer.bosId),
    eos_token: role(tokenizer.eosId),
    pad_token: role(tokenizer.padId),
    // Left to its default it deletes spaces before punctuation when decoding.
    clean_up_tokenization_spaces: false,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  };
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
  const config = tokenizerSettings(tokenizer, chatTemplate);
  writeFileAtomic(path.join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizer.toJson(), null, 2)}\n`);
  writeFileAtomic(path.join(folder, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
