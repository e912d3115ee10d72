import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { GPT2_PATTERN, WORDS_AND_DIGITS_PATTERN } from './pretokenizer.js';

/** What a value of `tokenizer.ggml.pre` stands for: how byte-level BPE cuts a text. */
export interface GgufCut {
  /** What is written. */
  readonly name: string;
  /** Names that stand for the same. */
  readonly otherNames: readonly string[];
  /** Cuts before the last one, as steps of `pre_tokenizer`. */
  readonly cuts: readonly Json[];
  /** The last cut. */
  readonly pattern: string;
  /** Patterns that cut every text alike. */
  readonly otherPatterns: readonly string[];
  readonly ignoreMerges: boolean;
  /** Whether the models of this name normalise to NFC, which llama.cpp does not do. */
  readonly isNfc: boolean;
  /** Whether a text is opened with a token unless the file says otherwise. */
  readonly addsBos: boolean;
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const REST = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Llama 3: as GPT-4, three digits at most. */
export const LLAMA3_PATTERN: string = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}${REST}`;

/** Qwen 2 and 3: each digit alone. */
export const QWEN2_PATTERN: string = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${REST}`;

/** Later Qwen: combining marks belong to their word. Cuts every text as `WORDS_AND_DIGITS_PATTERN` does. */
export const QWEN35_PATTERN: string = QWEN2_PATTERN.replace('?\\p{L}+', '?[\\p{L}\\p{M}]+').replace(
  '[^\\s\\p{L}\\p{N}]',
  '[^\\s\\p{L}\\p{M}\\p{N}]',
);

const EACH_DIGIT: Json = { type: 'Digits', individual_digits: true };

const splitAt = (pattern: string): Json => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});

const PLAIN = { otherNames: [], cuts: [], otherPatterns: [], ignoreMerges: false, isNfc: false, addsBos: false };

const GGUF_CUTS: readonly GgufCut[] = [
  { ...PLAIN, name: 'gpt-2', otherNames: ['phi-2'], pattern: GPT2_PATTERN },
  { ...PLAIN, name: 'olmo', otherNames: ['mpt'], pattern: GPT2_PATTERN, isNfc: true },
  { ...PLAIN, name: 'smollm', otherNames: ['starcoder', 'refact'], cuts: [EACH_DIGIT], pattern: GPT2_PATTERN },
  { ...PLAIN, name: 'command-r', cuts: [EACH_DIGIT], pattern: GPT2_PATTERN, isNfc: true },
  { ...PLAIN, name: 'qwen2', otherNames: ['deepseek-r1-qwen'], pattern: QWEN2_PATTERN, isNfc: true },
  {
    ...PLAIN,
    name: 'qwen35',
    pattern: WORDS_AND_DIGITS_PATTERN,
    otherPatterns: [QWEN35_PATTERN],
    isNfc: true,
  },
  {
    ...PLAIN,
    name: 'llama-bpe',
    otherNames: ['llama3', 'llama-v3'],
    pattern: LLAMA3_PATTERN,
    ignoreMerges: true,
    addsBos: true,
  },
  { ...PLAIN, name: 'dbrx', otherNames: ['smaug-bpe'], pattern: LLAMA3_PATTERN },
  {
    ...PLAIN,
    name: 'default',
    cuts: [splitAt('[\\p{P}$+<=>^~|]+'), splitAt(GPT2_PATTERN), splitAt('\\p{N}+')],
    pattern: '[0-9]{3}',
  },
];

const names = (): string => GGUF_CUTS.flatMap(({ name, otherNames }) => [name, ...otherNames]).join(', ');

/** What a name stands for; files without one mean `default`. @throws {InputError} listing the names, if it is not known. */
export function ggufCutOf(name: string | undefined, where: string): GgufCut {
  const found = GGUF_CUTS.find((cut) => cut.name === (name ?? 'default') || cut.otherNames.includes(name ?? ''));
  if (found !== undefined) return found;
  throw new InputError('the way in which this tokenizer cuts text is not supported', {
    where,
    expected: names(),
    got: String(name).slice(0, 80),
    hint: 'Import the model from its safetensors files instead: their tokenizer.json says how text is cut.',
  });
}

/** How a byte-level tokenizer cuts text. */
export interface ByteLevelCut {
  readonly cuts: readonly Json[];
  readonly pattern: string;
  readonly ignoreMerges: boolean;
  readonly isNfc: boolean;
}

/**
 * The row that cuts text in this way; of several the one that agrees on NFC.
 *
 * @throws {InputError} if llama.cpp has no name for it.
 */
export function ggufCutFor({ cuts, pattern, ignoreMerges, isNfc }: ByteLevelCut): GgufCut {
  const key = JSON.stringify(sorted(cuts));
  const rows = GGUF_CUTS.filter(
    (row) =>
      (row.pattern === pattern || row.otherPatterns.includes(pattern)) &&
      row.ignoreMerges === ignoreMerges &&
      JSON.stringify(sorted(row.cuts)) === key,
  );
  const found = rows.find((row) => row.isNfc === isNfc) ?? rows[0];
  if (found !== undefined) return found;
  throw new InputError('llama.cpp cannot cut text as this tokenizer does', {
    where: 'pre_tokenizer',
    expected: `what one of these names stands for: ${names()}`,
    got: [...cuts.map((cut) => JSON.stringify(cut)), pattern, ...(ignoreMerges ? ['ignore_merges'] : [])]
      .join(', then ')
      .slice(0, 300),
    hint: 'It would give other tokens than the model was trained on. Export the model as safetensors or ONNX.',
  });
}

/** The same JSON with its keys in order, so that equal things are written alike. */
function sorted(value: Json | readonly Json[]): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value as Json;
  return Object.fromEntries(
    Object.entries(value as { [key: string]: Json })
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => [key, sorted(entry)]),
  );
}
