import type { UnigramCorpus } from './unigram-corpus.js';

/** Pieces have at most this many characters. */
export const LONGEST_SEED = 16;
/** The frequent substrings that learning begins with, at most. */
const MOST_SEEDS = 1_000_000;
/** Parts of at most this size are sorted by insertion. */
const SMALL = 12;

/** Substrings of a corpus: where one occurrence starts in its symbols, how long they are, how often they occur. */
export interface Seeds {
  readonly starts: Int32Array;
  readonly lengths: Uint8Array;
  readonly counts: Float64Array;
}

/**
 * The substrings of two to 16 characters that occur at least twice and are not always followed by the same character
 * (then the longer one says it all): the inner nodes of the corpus's suffix tree. The suffixes are sorted character by
 * character (Bentley and Sedgewick, 1997), each group of equal beginnings being one node, so memory is linear. Beyond a
 * million those with the greatest `count · length` are kept.
 */
export function frequentSubstrings(corpus: UnigramCorpus): Seeds {
  const { symbols, starts, counts } = corpus;
  const wordOf = new Int32Array(symbols.length);
  for (let word = 0; word < counts.length; word++) wordOf.fill(word, starts[word]!, starts[word + 1]!);
  const suffixes = Int32Array.from(symbols, (_, i) => i);
  // The symbol at a depth of a suffix; the end of a word is like no other end.
  const symbolAt = (suffix: number, depth: number): number => {
    const at = suffix + depth;
    return at < starts[wordOf[suffix]! + 1]! ? symbols[at]! : -1;
  };
  const found = new Candidates();
  const stack: number[] = [0, suffixes.length, 0];
  while (stack.length > 0) {
    const depth = stack.pop()!;
    const end = stack.pop()!;
    const start = stack.pop()!;
    for (let from = start; from < end; ) {
      // Sorted by the symbol at this depth, equal ones are one group.
      if (from === start) sortBy(suffixes, start, end, (suffix) => symbolAt(suffix, depth));
      const symbol = symbolAt(suffixes[from]!, depth);
      let to = from + 1;
      while (to < end && symbolAt(suffixes[to]!, depth) === symbol) to++;
      if (symbol >= 0) {
        const length = depth + 1;
        let count = 0;
        let isBranching = false;
        const following = symbolAt(suffixes[from]!, length);
        for (let i = from; i < to; i++) {
          count += counts[wordOf[suffixes[i]!]!]!;
          if (following < 0 || symbolAt(suffixes[i]!, length) !== following) isBranching = true;
        }
        if (count >= 2) {
          if (isBranching && length >= 2) found.add(suffixes[from]!, length, count);
          if (length < LONGEST_SEED) stack.push(from, to, length);
        }
      }
      from = to;
    }
  }
  return found.seeds(MOST_SEEDS);
}

/** Sorts `list[start..end)` by a key: three-way quicksort, the middle one of three as pivot. */
function sortBy(list: Int32Array, start: number, end: number, keyOf: (value: number) => number): void {
  const stack: number[] = [start, end];
  while (stack.length > 0) {
    let high = stack.pop()!;
    let low = stack.pop()!;
    while (high - low > SMALL) {
      const [a, b, c] = [keyOf(list[low]!), keyOf(list[(low + high) >>> 1]!), keyOf(list[high - 1]!)];
      const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
      let less = low;
      let greater = high;
      for (let i = low; i < greater; ) {
        const value = list[i]!;
        const key = keyOf(value);
        if (key < pivot) {
          list[i++] = list[less]!;
          list[less++] = value;
        } else if (key > pivot) {
          list[i] = list[--greater]!;
          list[greater] = value;
        } else i++;
      }
      // The larger side waits, so that the stack stays short.
      if (less - low < high - greater) {
        stack.push(greater, high);
        high = less;
      } else {
        stack.push(low, less);
        low = greater;
      }
    }
    for (let i = low + 1; i < high; i++) {
      const value = list[i]!;
      const key = keyOf(value);
      let at = i;
      for (; at > low && keyOf(list[at - 1]!) > key; at--) list[at] = list[at - 1]!;
      list[at] = value;
    }
  }
}

class Candidates {
  private starts: number[] = [];
  private lengths: number[] = [];
  private counts: number[] = [];

  add(start: number, length: number, count: number): void {
    this.starts.push(start);
    this.lengths.push(length);
    this.counts.push(count);
    if (this.starts.length >= 4 * MOST_SEEDS) this.keep(MOST_SEEDS);
  }

  private keep(most: number): void {
    const { starts, lengths, counts } = this;
    const order = Int32Array.from(starts, (_, i) => i);
    if (order.length > most) {
      const gain = (i: number): number => counts[i]! * lengths[i]!;
      order.sort((a, b) => gain(b) - gain(a) || a - b);
    }
    const kept = order.subarray(0, most);
    this.starts = Array.from(kept, (i) => starts[i]!);
    this.lengths = Array.from(kept, (i) => lengths[i]!);
    this.counts = Array.from(kept, (i) => counts[i]!);
  }

  seeds(most: number): Seeds {
    this.keep(most);
    return {
      starts: Int32Array.from(this.starts),
      lengths: Uint8Array.from(this.lengths),
      counts: Float64Array.from(this.counts),
    };
  }
}
