import { InputError } from '../util/errors.js';
import { AddedTokenSplitter, numberSpecialTokens } from './added-tokens.js';
import { byteToken, isByteToken } from './byte-fallback.js';
import { wellFormed } from './encoding-buffers.js';
import { readNormalizer } from './normalizer.js';
import { PretokenCounts } from './pretoken-counts.js';
import { SCRIPT_RUNS } from './script-runs.js';
import { readSpaceMarks } from './space-marks.js';
import type { TokenRoles } from './tokenizer.js';
import { Unigram, type UnigramPiece } from './unigram.js';
import { numberCharacters } from './unigram-corpus.js';
import { SPACE_BEFORE } from './unigram-json.js';
import { UnigramLearner } from './unigram-learner.js';

const UNKNOWN = '<unk>';
/** With bytes to fall back on, the rarest characters need no token of their own. */
const COVERAGE_WITH_BYTES = 0.9995;
/** Turns of expectation maximisation between two prunings. */
const TURNS = 2;
const CHARACTERS_A_BREATH = 1 << 20;
/** Byte tokens stand in no text. With 0, as SentencePiece writes, the Hugging Face library would find them in `<0x41>`. */
const BYTE_SCORE = -1000;

export interface UnigramTrainingProgress {
  readonly phase: 'reading' | 'pruning';
  /** UTF-16 units read so far. */
  readonly characters: number;
  readonly distinctWords: number;
  /** Pieces that are left; learning ends near `targetPieces`. */
  readonly pieces: number;
  readonly targetPieces: number;
}

export interface UnigramTrainingOptions {
  /** Tokens in all: special tokens, `<unk>`, bytes, pieces. */
  readonly vocabularySize: number;
  /** They get the first ids, in this order. `<unk>` is added behind them where it is not among them. Default: none. */
  readonly specialTokens?: readonly string[];
  /** Rare and new characters become bytes, so that every text comes back. Default true; else they become `<unk>`. */
  readonly byteFallback?: boolean;
  readonly roles?: TokenRoles;
  readonly onProgress?: (progress: UnigramTrainingProgress) => void;
}

function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Trains a Unigram tokenizer (Kudo, 2018) as SentencePiece does by default: pieces lie within words, a space belongs to the
 * word behind it, no piece mixes scripts. Text is not normalised. The same texts give the same tokenizer.
 *
 * Memory is that of the distinct words, of which the most frequent million are learned from.
 *
 * @throws {InputError} for empty texts, colliding special tokens, or a vocabulary that the characters do not fit into
 * or that the texts cannot fill.
 */
export async function trainUnigram(
  texts: Iterable<string> | AsyncIterable<string>,
  options: UnigramTrainingOptions,
): Promise<Unigram> {
  const { vocabularySize, specialTokens = [], byteFallback = true, roles, onProgress } = options;
  const contents = specialTokens.includes(UNKNOWN) ? specialTokens : [...specialTokens, UNKNOWN];
  const addedTokens = numberSpecialTokens(
    contents,
    (content) => (byteFallback && isByteToken(content)) || [...content].length === 1,
  );
  const reserved = addedTokens.length + (byteFallback ? 256 : 0);
  checkSize(vocabularySize, reserved + 1);
  const wanted = vocabularySize - reserved;

  const counts = new PretokenCounts(SCRIPT_RUNS);
  const splitter = new AddedTokenSplitter(addedTokens, readNormalizer(SPACE_BEFORE));
  let characters = 0;
  let breath = 0;
  const report = (phase: UnigramTrainingProgress['phase'], pieces: number): void =>
    onProgress?.({ phase, characters, distinctWords: counts.distinct, pieces, targetPieces: wanted });
  for await (const text of texts) {
    splitter.split(
      wellFormed(text),
      true,
      (section) => counts.add(section),
      () => {},
    );
    characters += text.length;
    if (characters >= breath) {
      report('reading', 0);
      await breathe();
      breath = characters + CHARACTERS_A_BREATH;
    }
  }
  if (counts.distinct === 0) {
    throw new InputError('there is no text to learn from', { where: 'texts', hint: 'Is the file or folder empty?' });
  }

  const corpus = numberCharacters(counts.entries(), byteFallback ? COVERAGE_WITH_BYTES : 1);
  checkSize(vocabularySize, reserved + corpus.alphabet.length);
  const learner = new UnigramLearner(corpus);
  for (;;) {
    for (let turn = 0; turn < TURNS; turn++) {
      learner.maximize();
      report('pruning', learner.size);
      await breathe();
    }
    if (learner.isSmallEnough(wanted)) break;
    const before = learner.size;
    learner.prune(wanted);
    // Only characters and pieces without another way to be cut are left.
    if (learner.size === before) break;
  }
  const learned = learner.pieces(wanted).filter(({ text }) => !contents.includes(text));
  if (learned.length < wanted) {
    throw new InputError('the texts hold fewer useful pieces than asked for', {
      where: 'vocabularySize',
      expected: `at most ${reserved + learned.length}`,
      got: String(vocabularySize),
      hint: 'Ask for a smaller vocabulary or give more text.',
    });
  }
  const pieces: UnigramPiece[] = addedTokens.map(({ content }) => ({ text: content, score: 0 }));
  for (let byte = 0; byteFallback && byte < 256; byte++) pieces.push({ text: byteToken(byte), score: BYTE_SCORE });
  pieces.push(...learned);
  const words = { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'never', split: true };
  return new Unigram({
    pieces,
    unknownId: contents.indexOf(UNKNOWN),
    byteFallback,
    cuts: [readSpaceMarks(words, 'pre_tokenizer')],
    addedTokens,
    roles,
    normalizer: readNormalizer(SPACE_BEFORE),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        ...(byteFallback ? [{ type: 'ByteFallback' }] : []),
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    isLossy: !byteFallback,
  });
}

function checkSize(vocabularySize: number, smallest: number): void {
  if (Number.isSafeInteger(vocabularySize) && vocabularySize >= smallest) return;
  throw new InputError('too small to hold the characters, the bytes and the special tokens', {
    where: 'vocabularySize',
    expected: `a whole number of at least ${smallest}`,
    got: String(vocabularySize),
  });
}
