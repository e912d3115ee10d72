import { InputError } from '../util/errors.js';
import { hashFactor } from './hash-factor.js';

/** Pretokens up to this many symbols are merged by scanning; longer ones through a heap. */
const SCAN_LIMIT = 96;
const NONE = 0x7fffffff;
const SPREAD_LEFT = hashFactor();
const SPREAD_RIGHT = hashFactor();

/** The merges of a BPE model, as parallel arrays: `left[i] + right[i]` becomes `merged[i]`; the lowest `priority` goes first. */
export interface PairRules {
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly merged: Int32Array;
  readonly priority: Int32Array;
}

/**
 * Applies BPE merges: while an adjacent pair has a rule, the pair of lowest priority is merged, the leftmost of equal
 * ones (Sennrich et al., 2016). Short sequences take `O(n²)` cheap steps, long ones `O(n log n)`.
 */
export class PairMerger {
  private readonly rules: PairRules;
  private readonly slots: Int32Array;
  private readonly mask: number;
  private readonly found = new Int32Array(SCAN_LIMIT);

  /** A pair that has two rules obeys the later one. */
  constructor(rules: PairRules) {
    this.rules = rules;
    let size = 16;
    while (size < rules.left.length * 2.5) size *= 2;
    this.slots = new Int32Array(size).fill(-1);
    this.mask = size - 1;
    for (let i = 0; i < rules.left.length; i++) this.slots[this.slotOf(rules.left[i]!, rules.right[i]!)] = i;
  }

  private slotOf(left: number, right: number): number {
    const { left: lefts, right: rights } = this.rules;
    let hash = Math.imul(left, SPREAD_LEFT) ^ Math.imul(right, SPREAD_RIGHT);
    hash ^= hash >>> 15;
    for (let slot = hash & this.mask; ; slot = (slot + 1) & this.mask) {
      const rule = this.slots[slot]!;
      if (rule < 0 || (lefts[rule] === left && rights[rule] === right)) return slot;
    }
  }

  /** Merges `symbols[0..length)` in place and returns the new length. */
  merge(symbols: Int32Array, length: number): number {
    if (length < 2) return length;
    return length <= SCAN_LIMIT ? this.mergeByScan(symbols, length) : this.mergeByHeap(symbols, length);
  }

  private ruleOf(left: number, right: number): number {
    return this.slots[this.slotOf(left, right)]!;
  }

  private mergeByScan(symbols: Int32Array, length: number): number {
    const { merged, priority } = this.rules;
    const rules = this.found;
    let count = length;
    for (let i = 0; i + 1 < count; i++) rules[i] = this.ruleOf(symbols[i]!, symbols[i + 1]!);
    while (count > 1) {
      let best = -1;
      let bestPriority = NONE;
      for (let i = 0; i + 1 < count; i++) {
        const rule = rules[i]!;
        if (rule >= 0 && priority[rule]! < bestPriority) {
          best = i;
          bestPriority = priority[rule]!;
        }
      }
      if (best < 0) break;
      symbols[best] = merged[rules[best]!]!;
      count--;
      for (let i = best + 1; i < count; i++) {
        symbols[i] = symbols[i + 1]!;
        rules[i] = rules[i + 1]!;
      }
      if (best + 1 < count) rules[best] = this.ruleOf(symbols[best]!, symbols[best + 1]!);
      if (best > 0) rules[best - 1] = this.ruleOf(symbols[best - 1]!, symbols[best]!);
    }
    return count;
  }

  private mergeByHeap(symbols: Int32Array, length: number): number {
    const { merged, priority } = this.rules;
    const next = new Int32Array(length);
    const previous = new Int32Array(length);
    // Each merge takes one entry out and puts at most two in, and there are at most length - 1 merges.
    const heap = new MinimumHeap(2 * length);
    const offer = (at: number): void => {
      const rule = this.ruleOf(symbols[at]!, symbols[next[at]!]!);
      if (rule >= 0) heap.push(priority[rule]! * 2 ** 32 + at);
    };
    for (let i = 0; i < length; i++) {
      next[i] = i + 1 < length ? i + 1 : -1;
      previous[i] = i - 1;
    }
    for (let i = 0; i + 1 < length; i++) offer(i);
    while (heap.size > 0) {
      const key = heap.pop();
      const at = key % 2 ** 32;
      const second = next[at]!;
      if (symbols[at]! < 0 || second < 0) continue;
      const rule = this.ruleOf(symbols[at]!, symbols[second]!);
      if (rule < 0 || priority[rule]! !== (key - at) / 2 ** 32) continue;
      symbols[at] = merged[rule]!;
      symbols[second] = -1;
      const third = next[second]!;
      next[at] = third;
      if (third >= 0) {
        previous[third] = at;
        offer(at);
      }
      if (previous[at]! >= 0) offer(previous[at]!);
    }
    let count = 0;
    for (let i = 0; i < length; i++) {
      if (symbols[i]! >= 0) symbols[count++] = symbols[i]!;
    }
    return count;
  }
}

/** A merge of two tokens into `left + right`. */
export interface PieceMerge {
  readonly left: string;
  readonly right: string;
  /** The lowest goes first; of equal ones the leftmost in the text. */
  readonly priority: number;
}

/** The merger of a vocabulary. @throws {InputError} if a merge names a token that the vocabulary lacks. */
export function buildMerger(vocabulary: ReadonlyMap<string, number>, merges: readonly PieceMerge[]): PairMerger {
  const id = (token: string, merge: number): number => {
    const found = vocabulary.get(token);
    if (found === undefined) {
      throw new InputError('a merge needs a token that the vocabulary lacks', {
        where: `merge ${merge}`,
        expected: `a token ${JSON.stringify(token)}`,
      });
    }
    return found;
  };
  return new PairMerger({
    left: Int32Array.from(merges, ({ left }, i) => id(left, i)),
    right: Int32Array.from(merges, ({ right }, i) => id(right, i)),
    merged: Int32Array.from(merges, ({ left, right }, i) => id(left + right, i)),
    priority: Int32Array.from(merges, ({ priority }) => priority),
  });
}

/** A binary heap of numbers, the smallest on top. */
class MinimumHeap {
  size = 0;
  private readonly keys: Float64Array;

  constructor(capacity: number) {
    this.keys = new Float64Array(capacity);
  }

  push(key: number): void {
    const { keys } = this;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      at = parent;
    }
    keys[at] = key;
  }

  pop(): number {
    const { keys } = this;
    const top = keys[0]!;
    const last = keys[--this.size]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= last) break;
      keys[at] = keys[child]!;
      at = child;
    }
    keys[at] = last;
    return top;
  }
}
