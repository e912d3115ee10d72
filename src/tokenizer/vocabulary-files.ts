import { existsSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '../util/errors.js';
import { readTextUpTo } from '../util/file-parts.js';
import { type Json, readJsonObject } from '../util/json.js';
import { ByteBpe } from './byte-bpe.js';
import { NFC, readNormalizer } from './normalizer.js';
import { readPostProcessor } from './post-processor.js';
import { readPreTokenizer } from './pre-tokenizer.js';
import { GPT2_PATTERN, pretokenizerOf, QWEN2_PATTERN } from './pretokenizer.js';
import { type AddedToken, END_OF_TEXT, type TokenRoles } from './tokenizer.js';
import { addTokens, readTokenizerConfig, type TokenizerConfig } from './tokenizer-config.js';
import { readVocabulary } from './tokenizer-json.js';
import { WordPiece } from './wordpiece.js';

/** A larger file is no vocabulary. */
const MOST_BYTES = 2 ** 27;

function readLines(file: string): string[] {
  const lines = readTextUpTo(file, MOST_BYTES, 'a vocabulary')
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

const special = (content: string): Omit<AddedToken, 'id'> => ({ content, special: true });

/** The contents of special tokens, for the roles; a kind's defaults where the configuration names none. */
function rolesWith(
  { settings, named }: TokenizerConfig,
  defaults: { [key: string]: Omit<AddedToken, 'id'> },
): TokenRoles {
  const role = (key: string): string | undefined =>
    named.get(key)?.content ?? (settings[key] === undefined ? defaults[key]?.content : undefined);
  return { bos: role('bos_token'), eos: role('eos_token'), pad: role('pad_token') };
}

const BERT_TOKENS: { [key: string]: Omit<AddedToken, 'id'> } = {
  unk_token: special('[UNK]'),
  sep_token: special('[SEP]'),
  pad_token: special('[PAD]'),
  cls_token: special('[CLS]'),
  mask_token: special('[MASK]'),
};

/**
 * BERT's tokenizer from `vocab.txt`, a token a line, with what the `tokenizer_config.json` beside it says:
 * `do_lower_case`, `strip_accents`, `tokenize_chinese_chars`.
 *
 * @throws {InputError} if a file is damaged or a token is missing.
 */
export function loadWordPieceVocabulary(file: string): WordPiece {
  const config = readTokenizerConfig(path.dirname(file));
  const vocabulary = new Map(readLines(file).map((token, id) => [token, id]));
  vocabulary.delete('');
  const { settings } = config;
  const addedTokens = addTokens(vocabulary, config, BERT_TOKENS);
  const token = (key: string): string => config.named.get(key)?.content ?? BERT_TOKENS[key]!.content;
  const flag = (key: string, fallback: boolean): boolean => (settings[key] ?? fallback) === true;
  const pair = (key: string): Json => {
    const id = vocabulary.get(token(key));
    if (id === undefined) {
      throw new InputError('the vocabulary lacks a token', { where: file, expected: `a line ${token(key)}` });
    }
    return [token(key), id];
  };
  return new WordPiece({
    vocabulary,
    addedTokens,
    roles: rolesWith(config, BERT_TOKENS),
    normalizer: readNormalizer({
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: flag('tokenize_chinese_chars', true),
      strip_accents: typeof settings.strip_accents === 'boolean' ? settings.strip_accents : null,
      lowercase: flag('do_lower_case', true),
    }),
    cuts: [readPreTokenizer({ type: 'BertPreTokenizer' })],
    postProcessor: readPostProcessor(
      { type: 'BertProcessing', sep: pair('sep_token'), cls: pair('cls_token') },
      vocabulary,
    ),
    unknownToken: token('unk_token'),
    prefix: '##',
    longestWord: 100,
  });
}

interface BytePairFamily {
  readonly tokens: { [key: string]: Omit<AddedToken, 'id'> };
  readonly pattern: string;
  readonly isNfc: boolean;
  readonly isRoberta: boolean;
}

const GPT2_FAMILY: BytePairFamily = {
  tokens: { bos_token: special(END_OF_TEXT), eos_token: special(END_OF_TEXT), unk_token: special(END_OF_TEXT) },
  pattern: GPT2_PATTERN,
  isNfc: false,
  isRoberta: false,
};

/** By `tokenizer_class`, without its `Fast`. */
const FAMILIES: ReadonlyMap<string, BytePairFamily> = new Map([
  ['GPT2Tokenizer', GPT2_FAMILY],
  [
    'RobertaTokenizer',
    {
      tokens: {
        bos_token: special('<s>'),
        eos_token: special('</s>'),
        unk_token: special('<unk>'),
        sep_token: special('</s>'),
        pad_token: special('<pad>'),
        cls_token: special('<s>'),
        mask_token: { ...special('<mask>'), stripsLeft: true },
      },
      pattern: GPT2_PATTERN,
      isNfc: false,
      isRoberta: true,
    },
  ],
  [
    'Qwen2Tokenizer',
    {
      tokens: { eos_token: special(END_OF_TEXT), unk_token: special(END_OF_TEXT), pad_token: special(END_OF_TEXT) },
      pattern: QWEN2_PATTERN,
      isNfc: true,
      isRoberta: false,
    },
  ],
]);

/**
 * Byte-level BPE from `vocab.json` and the `merges.txt` beside it: GPT-2, RoBERTa or Qwen2, by `tokenizer_class` in
 * `tokenizer_config.json` (GPT-2 where that says nothing).
 *
 * @throws {InputError} if a file is missing or damaged, or the class is another.
 */
export function loadBytePairVocabulary(file: string): ByteBpe {
  const folder = path.dirname(file);
  const config = readTokenizerConfig(folder);
  const named = config.settings.tokenizer_class;
  const family =
    typeof named === 'string' && named !== 'PreTrainedTokenizerFast'
      ? FAMILIES.get(named.replace(/Fast$/, ''))
      : GPT2_FAMILY;
  if (family === undefined) {
    throw new InputError('this kind of tokenizer is not read from vocab.json', {
      where: path.join(folder, 'tokenizer_config.json'),
      expected: [...FAMILIES.keys()].join(', '),
      got: JSON.stringify(named),
      hint: 'Convert it to a tokenizer.json with the library that it was made for.',
    });
  }
  const vocabulary = readVocabulary(readJsonObject(file), file);
  const mergesFile = path.join(folder, 'merges.txt');
  const merges = readLines(mergesFile).flatMap((line, i): [string, string][] => {
    if (line === '' || (i === 0 && line.startsWith('#version'))) return [];
    const [left, right, ...rest] = line.split(' ');
    if (!left || !right || rest.length > 0) {
      throw new InputError('not a merge', {
        where: `${mergesFile}:${i + 1}`,
        expected: 'LEFT RIGHT',
        got: JSON.stringify(line.slice(0, 80)),
      });
    }
    return [[left, right]];
  });
  const addedTokens = addTokens(vocabulary, config, family.tokens);
  const roles = rolesWith(config, family.tokens);
  return new ByteBpe({
    vocabulary,
    merges,
    addedTokens,
    roles,
    pretokenizer: pretokenizerOf(family.pattern),
    addPrefixSpace: config.settings.add_prefix_space === true,
    normalizer: family.isNfc ? NFC : undefined,
    postProcessor: family.isRoberta ? robertaProcessor(vocabulary, config, family) : undefined,
  });
}

function robertaProcessor(
  vocabulary: ReadonlyMap<string, number>,
  { named, settings }: TokenizerConfig,
  { tokens }: BytePairFamily,
): ReturnType<typeof readPostProcessor> {
  const pair = (key: string): Json => {
    const content = named.get(key)?.content ?? tokens[key]!.content;
    return [content, vocabulary.get(content) ?? null];
  };
  const json: Json = {
    type: 'RobertaProcessing',
    sep: pair('sep_token'),
    cls: pair('cls_token'),
    trim_offsets: true,
    add_prefix_space: settings.add_prefix_space === true,
  };
  return readPostProcessor(json, vocabulary);
}

/** The vocabulary file of a folder that has no `tokenizer.json`: its path, and what reads it. */
export function findVocabularyFile(folder: string): (() => WordPiece | ByteBpe) | undefined {
  const bytePairs = path.join(folder, 'vocab.json');
  if (existsSync(bytePairs) && existsSync(path.join(folder, 'merges.txt'))) {
    return () => loadBytePairVocabulary(bytePairs);
  }
  const words = path.join(folder, 'vocab.txt');
  return existsSync(words) ? () => loadWordPieceVocabulary(words) : undefined;
}
