import { PairCounts, PairHeap } from './pair-counts.js';

/**
 * Learns BPE merges over weighted byte strings, one merge at a time. After each merge only the counts of the pairs
 * beside it change, so the whole takes time in proportion to the symbols that are merged, not merges times corpus.
 */
export class MergeLearner {
  /** The bytes of each symbol as a Latin-1 string: `symbols[0..256)` are the bytes. */
  readonly symbols: string[] = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  private readonly text: Int32Array;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly weight: Float64Array;
  private readonly word: Int32Array;
  private readonly symbolOf = new Map(this.symbols.map((bytes, symbol) => [bytes, symbol]));
  private readonly pairs = new PairCounts();
  private readonly heap: PairHeap;
  /** The result of each pair that has been learned. */
  private readonly learned = new Map<number, number>();

  constructor(words: Iterable<[word: string, count: number]>) {
    const encoder = new TextEncoder();
    const encoded: Uint8Array[] = [];
    const weights: number[] = [];
    let length = 0;
    for (const [word, count] of words) {
      const bytes = encoder.encode(word);
      // A single byte has no pairs.
      if (bytes.length < 2) continue;
      encoded.push(bytes);
      weights.push(count);
      length += bytes.length;
    }
    this.text = new Int32Array(length);
    this.next = new Int32Array(length);
    this.previous = new Int32Array(length);
    this.word = new Int32Array(length);
    this.weight = Float64Array.from(weights);
    this.heap = new PairHeap(this.pairs, (pair, other) => this.isGreater(pair, other));
    let at = 0;
    encoded.forEach((bytes, word) => {
      for (let i = 0; i < bytes.length; i++, at++) {
        this.text[at] = bytes[i]!;
        this.word[at] = word;
        this.previous[at] = i > 0 ? at - 1 : -1;
        this.next[at] = i + 1 < bytes.length ? at + 1 : -1;
        if (i > 0) this.pairs.add(this.pairs.pairOf(bytes[i - 1]!, bytes[i]!), at - 1, weights[word]!);
      }
    });
    for (let pair = 0; pair < this.pairs.size; pair++) this.heap.push(pair);
  }

  /** Of two pairs seen equally often the greater pair of byte strings wins. */
  private isGreater(pair: number, other: number): boolean {
    const { left, right } = this.pairs;
    const first = this.symbols[left[pair]!]!;
    const otherFirst = this.symbols[left[other]!]!;
    return first !== otherFirst ? first > otherFirst : this.symbols[right[pair]!]! > this.symbols[right[other]!]!;
  }

  /**
   * Merges the most frequent pair everywhere and returns its two symbols; undefined when no pair is left.
   *
   * @param isForbidden a merge whose result (a Latin-1 string of its bytes) is forbidden is passed over.
   */
  learn(isForbidden: (result: string) => boolean): [left: number, right: number] | undefined {
    for (;;) {
      const pair = this.heap.pop();
      if (pair === undefined) return undefined;
      const left = this.pairs.left[pair]!;
      const right = this.pairs.right[pair]!;
      const bytes = this.symbols[left]! + this.symbols[right]!;
      if (isForbidden(bytes)) continue;
      this.apply(pair, this.symbolFor(bytes));
      return [left, right];
    }
  }

  /** Two pairs may spell the same bytes (`ab + c`, `a + bc`): they share the symbol, as they share the token. */
  private symbolFor(bytes: string): number {
    const known = this.symbolOf.get(bytes);
    if (known !== undefined) return known;
    this.symbolOf.set(bytes, this.symbols.length);
    return this.symbols.push(bytes) - 1;
  }

  private apply(pair: number, result: number): void {
    this.learned.set(pair, result);
    // Where a symbol came up a second time, pairs that were learned earlier may be back: encoding would merge them at
    // once, so they are merged here too.
    const due = [pair];
    for (let i = 0; i < due.length; i++) {
      for (const touched of this.replace(due[i]!, this.learned.get(due[i]!)!)) {
        if (this.learned.has(touched)) due.push(touched);
        else this.heap.push(touched);
      }
    }
  }

  /** Replaces a pair everywhere and returns the pairs that became more frequent. */
  private replace(pair: number, result: number): Set<number> {
    const { text, next, previous, pairs } = this;
    const left = pairs.left[pair]!;
    const right = pairs.right[pair]!;
    const touched = new Set<number>();
    let lastTouched = -1;
    const add = (first: number, second: number, place: number, weight: number): void => {
      const fresh = pairs.pairOf(first, second);
      pairs.add(fresh, place, weight);
      if (fresh !== lastTouched) touched.add(fresh);
      lastTouched = fresh;
    };
    for (const at of pairs.takePlaces(pair)) {
      const second = next[at]!;
      if (text[at] !== left || second < 0 || text[second] !== right) continue;
      const weight = this.weight[this.word[at]!]!;
      const before = previous[at]!;
      const after = next[second]!;
      text[at] = result;
      text[second] = -1;
      next[at] = after;
      if (before >= 0) {
        pairs.count[pairs.pairOf(text[before]!, left)]! -= weight;
        add(text[before]!, result, before, weight);
      }
      if (after >= 0) {
        previous[after] = at;
        pairs.count[pairs.pairOf(right, text[after]!)]! -= weight;
        add(result, text[after]!, at, weight);
      }
    }
    pairs.count[pair] = 0;
    return touched;
  }
}
