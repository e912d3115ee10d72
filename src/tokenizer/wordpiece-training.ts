import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { AddedTokenSplitter, numberSpecialTokens } from './added-tokens.js';
import type { TrainingProgress } from './byte-bpe-training.js';
import { MergeLearner } from './merge-learner.js';
import { readNormalizer } from './normalizer.js';
import { readPostProcessor } from './post-processor.js';
import { cutBy, readPreTokenizer } from './pre-tokenizer.js';
import { PretokenCounts } from './pretoken-counts.js';
import { WHOLE_TEXT } from './pretokenizer.js';
import type { TokenRoles } from './tokenizer.js';
import { breathe, readTrainingTexts } from './training-texts.js';
import { WordPiece } from './wordpiece.js';

/** The special tokens of BERT, in the usual order. */
export const BERT_SPECIAL_TOKENS: readonly string[] = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

const PREFIX = '##';

export interface WordPieceTrainingOptions {
  /** Tokens in all: special tokens, characters, merges. Fewer come out where the texts run out of pairs. */
  readonly vocabularySize: number;
  /** They get the first ids. `[UNK]`, `[CLS]` and `[SEP]` must be among them. Default: BERT's five. */
  readonly specialTokens?: readonly string[];
  /** Lower-case the text and strip accents. Default true. */
  readonly lowercase?: boolean;
  /** A pair must occur this often to be merged. Default 2. */
  readonly minimumFrequency?: number;
  /** The most frequent characters are kept, at most this many; default: all. */
  readonly alphabetLimit?: number;
  readonly onProgress?: (progress: TrainingProgress) => void;
}

const MERGES_A_BREATH = 256;

/**
 * Trains WordPiece as the `WordPieceTrainer` of Hugging Face does: byte pair encoding over characters, in which what is
 * not at the beginning of a word carries `##`; the most frequent adjacent pair is merged, again and again. (The original
 * trainer of Schuster and Nakajima, which maximises the likelihood, was never published.)
 *
 * Of pairs seen equally often the one whose tokens have the lower ids goes first. Ids: special tokens, characters by code
 * point, continuations by code point, merges. The library numbers continuations as its hash table gives them, so where
 * pairs tie its own runs may differ, and ours from them.
 *
 * @throws {InputError} for empty texts, colliding or missing special tokens, or a vocabulary without room for merges.
 */
export async function trainWordPiece(
  texts: Iterable<string> | AsyncIterable<string>,
  options: WordPieceTrainingOptions,
): Promise<WordPiece> {
  const { vocabularySize, specialTokens = BERT_SPECIAL_TOKENS, lowercase = true, onProgress } = options;
  const addedTokens = numberSpecialTokens(specialTokens, (content) => [...content].length === 1);
  const normalizer = readNormalizer({
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase,
  });
  const cuts = [readPreTokenizer({ type: 'BertPreTokenizer' })];

  const counts = new PretokenCounts(WHOLE_TEXT);
  const splitter = new AddedTokenSplitter(addedTokens, normalizer);
  let characters = 0;
  let merges = 0;
  const report = (phase: TrainingProgress['phase'], targetMerges: number): void =>
    onProgress?.({ phase, characters, distinctPretokens: counts.distinct, merges, targetMerges });
  const onWord = (word: string): void => counts.add(word);
  const onSection = (section: string): void => cutBy(cuts, section, true, onWord);
  characters = await readTrainingTexts(texts, splitter, counts, onSection, (read) => {
    characters = read;
    report('reading', 0);
  });

  const { symbols, words } = symbolsOf(counts, options.alphabetLimit ?? Number.POSITIVE_INFINITY);
  const vocabulary = new Map(addedTokens.map(({ content, id }) => [content, id]));
  for (const symbol of symbols) vocabulary.set(symbol, vocabulary.size);
  if (!Number.isSafeInteger(vocabularySize) || vocabularySize < vocabulary.size) {
    throw new InputError('too small to hold every character and the special tokens', {
      where: 'vocabularySize',
      expected: `a whole number of at least ${vocabulary.size}`,
      got: String(vocabularySize),
      hint: 'Ask for a larger vocabulary, or limit the alphabet.',
    });
  }
  const learner = new MergeLearner(words, {
    symbols,
    join: (left, right) => left + (right.startsWith(PREFIX) ? right.slice(PREFIX.length) : right),
    goesFirst: ([left, right], [otherLeft, otherRight]) => (left !== otherLeft ? left < otherLeft : right < otherRight),
  });
  const forbidden = new Set(specialTokens);
  const targetMerges = vocabularySize - vocabulary.size;
  const known = new Set(symbols);
  while (vocabulary.size < vocabularySize) {
    if (merges % MERGES_A_BREATH === 0) {
      report('merging', targetMerges);
      await breathe();
    }
    const pair = learner.learn((result) => forbidden.has(result), options.minimumFrequency ?? 2);
    if (pair === undefined) break;
    merges++;
    // Two pairs may spell the same token; the learner's list has it once.
    const token = learner.symbols.at(-1)!;
    if (!known.has(token)) {
      known.add(token);
      vocabulary.set(token, vocabulary.size);
    }
  }
  report('merging', targetMerges);
  return wordPieceOf(vocabulary, { addedTokens, normalizer, cuts });
}

/** The tokenizer of a trained vocabulary, with BERT's template. */
function wordPieceOf(
  vocabulary: ReadonlyMap<string, number>,
  parts: Pick<WordPiece['definition'], 'addedTokens' | 'normalizer' | 'cuts'>,
): WordPiece {
  const named = (content: string): Json => {
    const id = vocabulary.get(content);
    if (id === undefined) throw new InputError('is missing', { where: 'specialTokens', expected: content });
    return [content, id];
  };
  const processor = { type: 'BertProcessing', sep: named('[SEP]'), cls: named('[CLS]') };
  const roles: TokenRoles = { pad: '[PAD]' };
  return new WordPiece({
    ...parts,
    vocabulary,
    roles,
    postProcessor: readPostProcessor(processor, vocabulary),
    unknownToken: '[UNK]',
    prefix: PREFIX,
    longestWord: 100,
  });
}

/** The symbols that words are made of at the start, and the words in them. Characters beyond the limit are left out. */
function symbolsOf(
  counts: PretokenCounts,
  limit: number,
): { readonly symbols: string[]; readonly words: Iterable<readonly [Int32Array, number]> } {
  const frequency = new Map<string, number>();
  for (const [word, count] of counts.entries()) {
    for (const character of word) frequency.set(character, (frequency.get(character) ?? 0) + count);
  }
  const byCodePoint = (a: string, b: string): number => a.codePointAt(0)! - b.codePointAt(0)!;
  const kept = [...frequency].sort(([a, countA], [b, countB]) => countB - countA || byCodePoint(a, b)).slice(0, limit);
  const alphabet = kept.map(([character]) => character).sort(byCodePoint);
  const starts = new Map(alphabet.map((character, symbol) => [character, symbol]));
  const inside = new Set<string>();
  for (const [word] of counts.entries()) {
    for (const character of [...word].slice(1)) if (starts.has(character)) inside.add(character);
  }
  const continuations = new Map([...inside].sort(byCodePoint).map((character, i) => [character, alphabet.length + i]));
  function* words(): Iterable<readonly [Int32Array, number]> {
    for (const [word, count] of counts.entries()) {
      const symbols = [...word].flatMap((character, i) => (i === 0 ? starts : continuations).get(character) ?? []);
      yield [Int32Array.from(symbols), count];
    }
  }
  return {
    symbols: [...alphabet, ...[...continuations.keys()].map((character) => PREFIX + character)],
    words: words(),
  };
}
