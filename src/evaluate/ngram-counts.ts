import { NgramTable } from './ngram-table.js';

/** The adjusted counts of all n-grams up to an order. Index 0 of `higher` holds order 2. */
export interface NgramCounts {
  /** Adjusted count of each word id; the last entry is the start of the text. */
  readonly unigrams: Uint32Array;
  readonly higher: readonly NgramTable[];
}

/**
 * Counts n-grams as Kneser and Ney want them: the longest ones by how often they occur, a shorter one by **how many
 * different words stand before it**. (`Francisco` is frequent but follows `San` alone: a new context should not expect
 * it.) An n-gram that begins with the boundary can have nothing before it, so it keeps its plain count.
 *
 * A document sees nothing before its boundary: no n-gram has the boundary inside, only as its first word (the start of
 * a document) or its last (the end). The text itself starts after a boundary.
 *
 * One pass an order: with `above[i]` the node of the (k-1)-gram that ends at token `i`, the k-gram there is the child of
 * `above[i - 1]` by the word `tokens[i]`.
 */
export function countNgrams(
  tokens: ArrayLike<number>,
  order: number,
  vocabularySize: number,
  boundary: number,
): NgramCounts {
  const unigrams = new Uint32Array(vocabularySize + 1);
  if (order === 1) for (let i = 0; i < tokens.length; i++) unigrams[tokens[i]!]!++;
  const higher: NgramTable[] = [];
  const above = Int32Array.from(tokens);
  for (let k = 2; k <= order; k++) {
    const table = new NgramTable(vocabularySize + 1);
    countOrder(tokens, k, k === order, boundary, above, table, k === 2 ? unigrams : higher[k - 3]!.counts);
    table.trim();
    higher.push(table);
  }
  return { unigrams, higher };
}

/**
 * Adds the k-grams to `table`, and one to the count of the suffix (in `suffixCounts`) of each k-gram that is new.
 * `above` holds nodes of order k-1 before and of order k after.
 */
function countOrder(
  tokens: ArrayLike<number>,
  k: number,
  longest: boolean,
  boundary: number,
  above: Int32Array,
  table: NgramTable,
  suffixCounts: Uint32Array,
): void {
  let parent = boundary;
  /** How many words of context there are, the boundary included. */
  let reach = 1;
  for (let i = 0; i < tokens.length; i++) {
    const word = tokens[i]!;
    const suffix = above[i]!;
    if (reach >= k - 1) {
      const before = table.size;
      const node = table.add(parent, word);
      if (table.size > before) suffixCounts[suffix]!++;
      if (longest || reach === k - 1) table.counts[node]!++;
      above[i] = node;
    }
    parent = suffix;
    reach = word === boundary ? 1 : reach + 1;
  }
}
