import { PairCounts, PairHeap } from './pair-counts.js';

type SymbolPair = readonly [left: number, right: number];

/** How merges are learned: what symbols there are at the start and how two become one. */
export interface MergeRules {
  /** The text of each symbol at the start; texts are distinct. */
  readonly symbols: readonly string[];
  /** The text of a merged pair. */
  readonly join: (left: string, right: string) => string;
  /** Of two pairs of symbols seen equally often, whether the first is merged before the other. */
  readonly goesFirst: (pair: SymbolPair, other: SymbolPair, symbols: readonly string[]) => boolean;
}

/**
 * Learns BPE merges over weighted words, one merge at a time. After each merge only the counts of the pairs
 * beside it change, so the whole takes time in proportion to the symbols that are merged, not merges times corpus.
 */
export class MergeLearner {
  /** The text of each symbol: those of the start, then the merged ones. */
  readonly symbols: string[];
  private readonly join: MergeRules['join'];
  private readonly text: Int32Array;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly weight: Float64Array;
  private readonly word: Int32Array;
  private readonly symbolOf: Map<string, number>;
  private readonly pairs = new PairCounts();
  private readonly heap: PairHeap;
  /** The result of each pair that has been learned. */
  private readonly learned = new Map<number, number>();

  /** @param words each as its symbols, with how often it occurs. */
  constructor(words: Iterable<readonly [symbols: ArrayLike<number>, count: number]>, rules: MergeRules) {
    this.symbols = [...rules.symbols];
    this.join = rules.join;
    this.symbolOf = new Map(this.symbols.map((text, symbol) => [text, symbol]));
    const encoded: ArrayLike<number>[] = [];
    const weights: number[] = [];
    let length = 0;
    for (const [word, count] of words) {
      // A single symbol has no pairs.
      if (word.length < 2) continue;
      encoded.push(word);
      weights.push(count);
      length += word.length;
    }
    this.text = new Int32Array(length);
    this.next = new Int32Array(length);
    this.previous = new Int32Array(length);
    this.word = new Int32Array(length);
    this.weight = Float64Array.from(weights);
    const { pairs } = this;
    this.heap = new PairHeap(pairs, (pair, other) =>
      rules.goesFirst([pairs.left[pair]!, pairs.right[pair]!], [pairs.left[other]!, pairs.right[other]!], this.symbols),
    );
    let at = 0;
    encoded.forEach((symbols, word) => {
      for (let i = 0; i < symbols.length; i++, at++) {
        this.text[at] = symbols[i]!;
        this.word[at] = word;
        this.previous[at] = i > 0 ? at - 1 : -1;
        this.next[at] = i + 1 < symbols.length ? at + 1 : -1;
        if (i > 0) this.pairs.add(this.pairs.pairOf(symbols[i - 1]!, symbols[i]!), at - 1, weights[word]!);
      }
    });
    for (let pair = 0; pair < this.pairs.size; pair++) this.heap.push(pair);
  }

  /**
   * Merges the most frequent pair everywhere and returns its two symbols; undefined when no pair is left.
   *
   * @param isForbidden a merge whose result is forbidden is passed over.
   * @param least pairs that occur less often are left.
   */
  learn(isForbidden: (result: string) => boolean, least = 1): [left: number, right: number] | undefined {
    for (;;) {
      const pair = this.heap.pop();
      if (pair === undefined || this.pairs.count[pair]! < least) return undefined;
      const left = this.pairs.left[pair]!;
      const right = this.pairs.right[pair]!;
      const text = this.join(this.symbols[left]!, this.symbols[right]!);
      if (isForbidden(text)) continue;
      this.apply(pair, this.symbolFor(text));
      return [left, right];
    }
  }

  /** Two pairs may spell the same text (`ab + c`, `a + bc`): they share the symbol, as they share the token. */
  private symbolFor(text: string): number {
    const known = this.symbolOf.get(text);
    if (known !== undefined) return known;
    this.symbolOf.set(text, this.symbols.length);
    return this.symbols.push(text) - 1;
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
