import { InputError } from '../util/errors.js';

/**
 * A hook between the model and the sampler, which constrained decoding uses: it may change the logits of the next
 * token in place, for example write `-Infinity` where a token is not allowed. It gets a copy, so the model's own
 * log-probabilities stay what they were.
 * @param logits one a token of the vocabulary, after penalties and biases, before the temperature
 * @param history ids of the prompt and of everything generated so far
 */
export type LogitsProcessor = (logits: Float32Array, history: ArrayLike<number>) => void;

/** How the next token is drawn from the logits. Applied in the order of the fields. */
export interface SamplingOptions {
  /**
   * Logits of tokens that the history (prompt included) already holds are divided by this where positive, multiplied
   * where negative; > 0, 1 is off. Keskar et al., "CTRL" (2019), section 4.1.
   */
  readonly repetitionPenalty: number;
  /** Subtracted from a token's logit once for every time it was generated; -2 to 2, 0 is off. */
  readonly frequencyPenalty: number;
  /** Subtracted from a token's logit if it was generated at all; -2 to 2, 0 is off. */
  readonly presencePenalty: number;
  /** Added to the logit of a token, by its id; `-Infinity` forbids it. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Run in turn, after the biases. */
  readonly processors: readonly LogitsProcessor[];
  /** Divides the logits; 0 is greedy: the largest logit, the lowest id of equal ones. */
  readonly temperature: number;
  /** Keep the K most probable tokens, exactly K even among equals (lowest ids first); 0 is off. */
  readonly topK: number;
  /**
   * Keep the fewest, most probable tokens that hold at least this share of what top-k left; in (0, 1], 1 is off.
   * Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020), section 3.1.
   */
  readonly topP: number;
  /**
   * Keep tokens at least this many times as probable as the most probable one; 0 to 1, 0 is off.
   * Nguyen et al., "Turning Up the Heat: Min-p Sampling" (2024), section 3.
   */
  readonly minP: number;
  /** How many of the model's most probable tokens to report with each draw, at most the vocabulary; 0 is none. */
  readonly topLogProbabilities: number;
}

/** Sampling from the model's own distribution, nothing changed and nothing left out. */
export const SAMPLING_DEFAULTS: SamplingOptions = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: new Map(),
  processors: [],
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  topLogProbabilities: 0,
};

type NumberField = {
  [K in keyof SamplingOptions]: SamplingOptions[K] extends number ? K : never;
}[keyof SamplingOptions];

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const RANGES: Readonly<Record<NumberField, readonly [expected: string, holds: (value: number) => boolean]>> = {
  repetitionPenalty: ['a finite number above 0 (1 is off)', (value) => value > 0 && value < Number.POSITIVE_INFINITY],
  frequencyPenalty: ['a number from -2 to 2 (0 is off)', (value) => value >= -2 && value <= 2],
  presencePenalty: ['a number from -2 to 2 (0 is off)', (value) => value >= -2 && value <= 2],
  temperature: ['a finite number, 0 (greedy) or above', (value) => value >= 0 && value < Number.POSITIVE_INFINITY],
  topK: ['a whole number, 0 (off) or above', isCount],
  topP: ['a number above 0, up to 1 (1 is off)', (value) => value > 0 && value <= 1],
  minP: ['a number from 0 (off) to 1', (value) => value >= 0 && value <= 1],
  topLogProbabilities: ['a whole number, 0 (none) or above', isCount],
};

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/**
 * Fills in {@link SAMPLING_DEFAULTS}, for absent and for undefined fields, and checks every field. Keys that it does
 * not know are left out of the result.
 * @throws {InputError} that names the first field out of its range, the range, and what came.
 */
export function checkSampling(
  options: { readonly [K in keyof SamplingOptions]?: SamplingOptions[K] | undefined } = {},
): SamplingOptions {
  const checked = Object.fromEntries(
    Object.entries(SAMPLING_DEFAULTS).map(([key, value]) => [key, options[key as keyof SamplingOptions] ?? value]),
  ) as unknown as SamplingOptions;
  for (const [field, [expected, holds]] of Object.entries(RANGES)) {
    const value: unknown = checked[field as NumberField];
    if (typeof value !== 'number' || !holds(value)) {
      throw new InputError('not a usable value', { where: `sampling.${field}`, expected, got: shown(value) });
    }
  }
  for (const [token, bias] of checked.logitBias) {
    const where = `sampling.logitBias, token ${shown(token)}`;
    if (!isCount(token)) {
      throw new InputError('not a token id', { where, expected: 'a whole number, 0 or above', got: shown(token) });
    }
    if (typeof bias !== 'number' || !(bias < Number.POSITIVE_INFINITY)) {
      throw new InputError('not a usable bias', { where, expected: 'a finite number, or -Infinity', got: shown(bias) });
    }
  }
  return checked;
}
