import { InputError } from '../util/errors.js';
import { AddedTokenSplitter, numberSpecialTokens } from './added-tokens.js';
import { alphabetToBytes, BYTE_ORDER, BYTE_TO_CHARACTER, bytesToAlphabet } from './byte-alphabet.js';
import { ByteBpe } from './byte-bpe.js';
import { MergeLearner } from './merge-learner.js';
import { PretokenCounts } from './pretoken-counts.js';
import { type Pretokenizer, pretokenizerOf, WORDS_AND_DIGITS_PATTERN } from './pretokenizer.js';
import type { TokenRoles } from './tokenizer.js';
import { breathe, readTrainingTexts } from './training-texts.js';

export interface TrainingProgress {
  readonly phase: 'reading' | 'merging';
  /** UTF-16 units read so far. */
  readonly characters: number;
  readonly distinctPretokens: number;
  readonly merges: number;
  readonly targetMerges: number;
}

export interface ByteBpeTrainingOptions {
  /** Tokens in all: special tokens, 256 bytes, merges. */
  readonly vocabularySize: number;
  /** They get the first ids, in this order. In the texts they are boundaries and are not learned from. */
  readonly specialTokens: readonly string[];
  /** Default: words and single digits (`WORDS_AND_DIGITS_PATTERN`). */
  readonly pretokenizer?: Pretokenizer;
  readonly roles?: TokenRoles;
  readonly onProgress?: (progress: TrainingProgress) => void;
}

/** The texts hold fewer pairs than the vocabulary asks for. */
export class VocabularyTooLargeError extends InputError {
  /** The largest vocabulary that these texts can fill. */
  readonly largestVocabulary: number;

  constructor(vocabularySize: number, merges: number, largestVocabulary: number) {
    super(`the texts allow ${merges} merges only`, {
      where: 'vocabularySize',
      expected: `at most ${largestVocabulary}`,
      got: String(vocabularySize),
      hint: 'Ask for a smaller vocabulary or give more text.',
    });
    this.largestVocabulary = largestVocabulary;
  }
}

const MERGES_A_BREATH = 256;

/**
 * Trains byte-level BPE: the most frequent adjacent pair of symbols inside pretokens is merged, again and again; of
 * pairs seen equally often the greater pair of byte strings goes first. The same texts give the same tokenizer.
 *
 * Each text stands for itself: no pretoken crosses from one to the next. Memory is that of the distinct pretokens;
 * beyond some millions of them, those seen once are forgotten.
 *
 * @throws {VocabularyTooLargeError} if the texts run out of pairs; @throws {InputError} for empty texts, a vocabulary
 * below 256 plus the special tokens, or colliding special tokens.
 */
export async function trainByteBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: ByteBpeTrainingOptions,
): Promise<ByteBpe> {
  const { vocabularySize, specialTokens, onProgress } = options;
  const pretokenizer = options.pretokenizer ?? pretokenizerOf(WORDS_AND_DIGITS_PATTERN);
  const addedTokens = numberSpecialTokens(specialTokens, (content) => BYTE_TO_CHARACTER.includes(content));
  const smallest = addedTokens.length + 256;
  if (!Number.isSafeInteger(vocabularySize) || vocabularySize < smallest) {
    throw new InputError('too small to hold every byte and the special tokens', {
      where: 'vocabularySize',
      expected: `a whole number of at least ${smallest}`,
      got: String(vocabularySize),
    });
  }

  const splitter = new AddedTokenSplitter(addedTokens);
  const counts = new PretokenCounts(pretokenizer);
  const targetMerges = vocabularySize - smallest;
  let characters = 0;
  const report = (phase: TrainingProgress['phase'], merges: number): void =>
    onProgress?.({ phase, characters, distinctPretokens: counts.distinct, merges, targetMerges });
  const onSection = (section: string): void => counts.add(section);
  characters = await readTrainingTexts(texts, splitter, counts, onSection, (read) => {
    characters = read;
    report('reading', 0);
  });

  const learner = learnerOf(counts);
  // An ordinary token must not look like a special one in the vocabulary.
  const forbidden = new Set<string>();
  for (const { content } of addedTokens) {
    const bytes = alphabetToBytes(content);
    if (bytes !== undefined) forbidden.add(Buffer.from(bytes).toString('latin1'));
  }
  const merges: [string, string][] = [];
  const vocabulary = new Map(addedTokens.map(({ content, id }) => [content, id]));
  for (const byte of BYTE_ORDER) vocabulary.set(BYTE_TO_CHARACTER[byte]!, vocabulary.size);
  const alphabet = (symbol: number): string => bytesToAlphabet(Buffer.from(learner.symbols[symbol]!, 'latin1'));
  while (vocabulary.size < vocabularySize) {
    if (merges.length % MERGES_A_BREATH === 0) {
      report('merging', vocabulary.size - smallest);
      await breathe();
    }
    const pair = learner.learn((result) => forbidden.has(result));
    if (pair === undefined) throw new VocabularyTooLargeError(vocabularySize, merges.length, vocabulary.size);
    const [left, right] = [alphabet(pair[0]), alphabet(pair[1])];
    merges.push([left, right]);
    if (!vocabulary.has(left + right)) vocabulary.set(left + right, vocabulary.size);
  }
  report('merging', targetMerges);
  return new ByteBpe({ vocabulary, merges, addedTokens, pretokenizer, roles: options.roles });
}

/** Words as bytes; a symbol's text is its bytes as Latin-1. Of pairs seen equally often the greater goes first. */
function learnerOf(counts: PretokenCounts): MergeLearner {
  const encoder = new TextEncoder();
  function* words(): Iterable<[Uint8Array, number]> {
    for (const [word, count] of counts.entries()) yield [encoder.encode(word), count];
  }
  return new MergeLearner(words(), {
    symbols: Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)),
    join: (left, right) => left + right,
    goesFirst: ([left, right], [otherLeft, otherRight], symbols) =>
      left !== otherLeft ? symbols[left]! > symbols[otherLeft]! : symbols[right]! > symbols[otherRight]!,
  });
}
