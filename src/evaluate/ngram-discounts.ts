/** What is taken off the counts 1, 2, and 3 or more. */
export type Discounts = readonly [number, number, number];

/** What is used where the counts of counts say nothing, as on a text of a few words. */
export const FALLBACK_DISCOUNTS: Discounts = [0.5, 1, 1.5];

/**
 * The three discounts of modified Kneser-Ney smoothing from `n_j`, the number of n-grams whose count is `j`:
 * `Y = n1 / (n1 + 2 n2)` and `D_j = j − (j + 1) · Y · n_{j+1} / n_j`
 * (Chen and Goodman, "An empirical study of smoothing techniques for language modeling", 1999, equation 17).
 *
 * A discount must lie between 0 and its count, or probabilities would turn negative or unseen words impossible. Where an
 * estimate does not (tiny or artificial data), all three are `FALLBACK_DISCOUNTS`.
 */
export function estimateDiscounts(counts: Uint32Array): Discounts {
  const n = [0, 0, 0, 0, 0];
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i]!;
    if (count > 0 && count <= 4) n[count]!++;
  }
  const y = n[1]! / (n[1]! + 2 * n[2]!);
  const estimate = (j: number): number => j - ((j + 1) * y * n[j + 1]!) / n[j]!;
  const discounts: Discounts = [estimate(1), estimate(2), estimate(3)];
  return discounts.every((d, i) => d > 0 && d < i + 1) ? discounts : FALLBACK_DISCOUNTS;
}
