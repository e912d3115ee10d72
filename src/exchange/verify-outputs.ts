import { InputError } from '../util/errors.js';
import type { Candidate } from './candidate.js';
import { BOUNDS, EQUAL_WITHIN, type Precision, type Verdict } from './verify-verdict.js';

/** Numbers of a position compared, worst and mean over all of them. */
export interface OutputComparison {
  readonly verdict: Verdict;
  readonly prompts: number;
  readonly positions: number;
  /** Tokens of the shortest and the longest prompt. */
  readonly lengths: readonly [number, number];
  /** max |a − b| */
  readonly largestDifference: number;
  /** The greatest of max |a − b| / max |a| over the positions. */
  readonly largestRelative: number;
  /** The mean over positions of ‖a − b‖ / ‖a‖, both without their means: a logit's zero means nothing. */
  readonly meanRelative: number;
  /** Mean of Σ pₐ (ln pₐ − ln p_b), in nats. Undefined for an encoder. */
  readonly divergence: number | undefined;
  /** Share of positions with the same likeliest token. Undefined for an encoder. */
  readonly topAgreement: number | undefined;
  /** Why nothing could be compared, where that is so. */
  readonly reason?: string;
}

/** A text as ids, and for an encoder-decoder what its decoder is given. */
export interface IdPrompt {
  readonly ids: readonly number[];
  readonly decoderIds?: readonly number[];
}

/** Compares the outputs of two models for the same ids, at every position. @throws {InputError} if there are none. */
export async function compareOutputs(
  a: Candidate,
  b: Candidate,
  prompts: readonly IdPrompt[],
  precision: Precision,
): Promise<OutputComparison> {
  if (prompts.length === 0) throw new InputError('there is nothing to compare', { where: 'verify', got: 'no prompts' });
  const sums = new Sums(a.kind !== 'encoder');
  const counts = prompts.map(({ ids }) => ids.length);
  const common = {
    prompts: prompts.length,
    lengths: [Math.min(...counts), Math.max(...counts)] as const,
  };
  for (const { ids, decoderIds } of prompts) {
    const [left, right] = [await a.outputs(ids, decoderIds), await b.outputs(ids, decoderIds)];
    const rows = rowsOf(left.length, (decoderIds ?? ids).length);
    if (left.length !== right.length) {
      const reason = `${left.length / rows} numbers a position against ${right.length / rows}`;
      return { ...common, ...sums.result(), verdict: 'differs', reason };
    }
    const width = left.length / rows;
    for (let row = 0; row < rows; row++) {
      sums.add(left.subarray(row * width, (row + 1) * width), right.subarray(row * width, (row + 1) * width));
    }
  }
  const result = sums.result();
  return { ...common, ...result, verdict: verdictOf(result, precision) };
}

/** Positions that outputs are of; a classifier of texts gives one row, however long the text is. */
function rowsOf(numbers: number, tokens: number): number {
  return numbers % tokens === 0 && numbers >= 2 * tokens ? tokens : 1;
}

type Measured = Pick<
  OutputComparison,
  'positions' | 'largestDifference' | 'largestRelative' | 'meanRelative' | 'divergence' | 'topAgreement'
>;

function verdictOf({ largestRelative, meanRelative, divergence = 0 }: Measured, precision: Precision): Verdict {
  // Written so that NaN differs.
  if (largestRelative <= EQUAL_WITHIN) return 'equal';
  if (precision === 'float32') return 'differs';
  const bound = BOUNDS[precision];
  return meanRelative <= bound.relative && divergence <= bound.divergence ? 'close' : 'differs';
}

/** Differences of many positions. */
class Sums {
  private readonly areLogits: boolean;
  private positions = 0;
  private largestDifference = 0;
  private largestRelative = 0;
  private relative = 0;
  private divergence = 0;
  private agreed = 0;

  constructor(areLogits: boolean) {
    this.areLogits = areLogits;
  }

  add(a: Float32Array, b: Float32Array): void {
    this.positions++;
    let [difference, greatest, sumA, sumB] = [0, 0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      difference = worse(difference, Math.abs(a[i]! - b[i]!));
      greatest = worse(greatest, Math.abs(a[i]!));
      sumA += a[i]!;
      sumB += b[i]!;
    }
    const [meanA, meanB] = [sumA / a.length, sumB / a.length];
    let [squares, whole] = [0, 0];
    for (let i = 0; i < a.length; i++) {
      squares += (a[i]! - meanA - (b[i]! - meanB)) ** 2;
      whole += (a[i]! - meanA) ** 2;
    }
    this.largestDifference = worse(this.largestDifference, difference);
    this.largestRelative = worse(this.largestRelative, ratio(difference, greatest));
    this.relative += ratio(Math.sqrt(squares), Math.sqrt(whole));
    if (!this.areLogits) return;
    this.divergence += divergenceOf(a, b);
    if (likeliest(a) === likeliest(b)) this.agreed++;
  }

  result(): Measured {
    const { positions, areLogits } = this;
    const mean = (sum: number): number => (positions === 0 ? 0 : sum / positions);
    return {
      positions,
      largestDifference: this.largestDifference,
      largestRelative: this.largestRelative,
      meanRelative: mean(this.relative),
      divergence: areLogits ? mean(this.divergence) : undefined,
      topAgreement: areLogits ? mean(this.agreed) : undefined,
    };
  }
}

/** The greater of two; what is not a number is worse than any. */
function worse(a: number, b: number): number {
  return b <= a ? a : b;
}

function ratio(part: number, whole: number): number {
  return part === 0 ? 0 : part / whole;
}

/** Index of the greatest, the first of several. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** Σ pₐ (ln pₐ − ln p_b) of two rows of logits; never below 0. */
export function divergenceOf(a: Float32Array, b: Float32Array): number {
  const [normA, normB] = [logSumExp(a), logSumExp(b)];
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const logA = a[i]! - normA;
    const p = Math.exp(logA);
    if (p > 0) sum += p * (logA - (b[i]! - normB));
  }
  return sum < 0 ? 0 : sum;
}

function logSumExp(logits: Float32Array): number {
  const greatest = logits[likeliest(logits)]!;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - greatest);
  return greatest + Math.log(sum);
}
