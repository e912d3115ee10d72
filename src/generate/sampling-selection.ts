/** The border of the largest values: all those above `value` belong, and the first `equals` of those equal to it. */
export interface Border {
  readonly value: number;
  readonly equals: number;
}

/**
 * Finds the fewest largest values whose count, or whose sum, reaches a target: the border of top-k, or of top-p.
 * Partial selection in expected linear time, without a sort (Hoare, "Algorithm 65: Find", 1961, on weighted items).
 *
 * @param values reordered in place; no NaN; not negative where sums are asked for
 * @param length how many of the values count, at least 1
 * @param target above 0; where all values together do not reach it, all of them belong
 * @param by what a value adds towards the target: 1, or itself
 */
export function borderOfLargest(values: Float64Array, length: number, target: number, by: 'count' | 'sum'): Border {
  const byCount = by === 'count';
  let low = 0;
  let high = length - 1;
  let before = 0;
  let seed = length;
  for (;;) {
    // A pivot from a middling place by chance: no order of the logits that a model could have makes this slow.
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const span = high - low + 1;
    const a = values[low + (seed % span)]!;
    const b = values[low + (span >> 1)]!;
    const c = values[high]!;
    const pivot = a < b ? (b < c ? b : a < c ? c : a) : a < c ? a : b < c ? c : b;

    // [low, above) > pivot, [above, i) = pivot, (below, high] < pivot
    let above = low;
    let below = high;
    let sumAbove = 0;
    for (let i = low; i <= below; ) {
      const value = values[i]!;
      if (value > pivot) {
        values[i++] = values[above]!;
        values[above++] = value;
        sumAbove += value;
      } else if (value < pivot) {
        values[i] = values[below]!;
        values[below--] = value;
      } else i++;
    }

    const reachedAbove = before + (byCount ? above - low : sumAbove);
    if (above > low && reachedAbove >= target) {
      high = above - 1;
      continue;
    }
    const equals = below - above + 1;
    const share = byCount ? 1 : pivot;
    const reached = reachedAbove + share * equals;
    if (reached >= target || below === high) {
      const needed = share > 0 ? Math.ceil((target - reachedAbove) / share) : equals;
      return { value: pivot, equals: Math.max(1, Math.min(equals, needed)) };
    }
    before = reached;
    low = below + 1;
  }
}

const BUCKETS = 1024;
const BUCKETS_PER_LOGIT = 16;
/** The upper half of the float64 1, and the bits of an upper half below one 32nd of a power of two. */
const ONE = 0x3ff00000;
const FINE_BITS = 15;
const UPPER_HALF = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

/**
 * Finds borders as {@link borderOfLargest} does, faster where the vocabulary is large: one pass sorts the values into
 * buckets of falling value, and the exact selection then looks into a single bucket.
 */
export class BorderFinder {
  private readonly buckets: Uint16Array;
  private readonly scratch: Float64Array;
  private readonly shares = new Float64Array(BUCKETS);

  /** @param size the largest number of values */
  constructor(size: number) {
    this.buckets = new Uint16Array(size);
    this.scratch = new Float64Array(size);
  }

  /**
   * The border of the `count` largest logits.
   * @param max the largest logit, finite
   */
  byCount(logits: Float32Array, max: number, count: number): Border {
    const { buckets, shares } = this;
    shares.fill(0);
    for (let i = 0; i < logits.length; i++) {
      const distance = (max - logits[i]!) * BUCKETS_PER_LOGIT;
      const bucket = distance < BUCKETS ? Math.trunc(distance) : BUCKETS - 1;
      buckets[i] = bucket;
      shares[bucket]!++;
    }
    return this.within(logits, logits.length, count, 'count');
  }

  /**
   * The border of the fewest largest weights that sum to a target.
   * @param weights from 0 to 1; the first `length` of them count
   */
  bySum(weights: Float64Array, length: number, target: number): Border {
    const { buckets, shares } = this;
    // A float64 that is not negative rises with its bits: exponent first, then the mantissa.
    const halves = new Int32Array(weights.buffer, weights.byteOffset, 2 * length);
    shares.fill(0);
    for (let i = 0; i < length; i++) {
      const bucket = Math.min((ONE - halves[2 * i + UPPER_HALF]!) >> FINE_BITS, BUCKETS - 1);
      buckets[i] = bucket;
      shares[bucket]! += weights[i]!;
    }
    return this.within(weights, length, target, 'sum');
  }

  private within(values: Float32Array | Float64Array, length: number, target: number, by: 'count' | 'sum'): Border {
    const { buckets, scratch, shares } = this;
    let border = 0;
    let reached = 0;
    let before = 0;
    for (let bucket = 0; bucket < BUCKETS && reached < target; bucket++) {
      if (shares[bucket] === 0) continue;
      border = bucket;
      before = reached;
      reached += shares[bucket]!;
    }
    let found = 0;
    for (let i = 0; i < length; i++) if (buckets[i] === border) scratch[found++] = values[i]!;
    return borderOfLargest(scratch, found, target - before, by);
  }
}
