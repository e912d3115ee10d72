/**
 * What a part of a verification comes to: the same within rounding of float32; as near as the precision of the weights
 * allows; or not the same.
 */
export type Verdict = 'equal' | 'close' | 'differs';

/** How exactly numbers are kept, from the finest to the coarsest. */
export const PRECISIONS = ['float32', 'float16', 'bfloat16', '8-bit', '4-bit'] as const;

/** How exactly a model's weights are kept in its files. */
export type Precision = (typeof PRECISIONS)[number];

/** The coarser of two. */
export function coarser(a: Precision, b: Precision): Precision {
  return PRECISIONS[Math.max(PRECISIONS.indexOf(a), PRECISIONS.indexOf(b))]!;
}

/** Outputs that are nearer than this, relative to the greatest of their position, are equal: float32 in another order. */
export const EQUAL_WITHIN = 1e-4;

/** How far outputs may be apart to be called close. */
export interface Bound {
  /** Root mean square of the difference over that of the output itself, both without their means. */
  readonly relative: number;
  /** Mean Kullback-Leibler divergence of the next token, in nats. */
  readonly divergence: number;
}

/**
 * What each precision can explain. A weight that is rounded is off by about a share u of it: at most 2⁻¹¹ in float16, 2⁻⁸
 * in bfloat16; in blocks of 32 with one scale (the greatest of 32 normal numbers is about 2.5 σ, an error even over a
 * step has step/√12) 0.006 σ at 8 bits and 0.09 σ at 4. A sum keeps that share, since the errors of its terms
 * are independent, and the 2L sums that a network of L layers puts on each other let it grow by √(2L), which is 16 for 128
 * layers: the bound is 16 u. At 4 bits that says nothing (outputs that have nothing to do with each other are √2 apart), so
 * the bound is half of √2. A relative error e in logits that spread by s among the likely tokens costs about (e s)²/2
 * nats; s is about 3.
 */
export const BOUNDS: Readonly<Record<Precision, Bound>> = {
  float32: { relative: EQUAL_WITHIN, divergence: 1e-6 },
  float16: { relative: 0.008, divergence: 3e-4 },
  bfloat16: { relative: 0.0625, divergence: 0.02 },
  '8-bit': { relative: 0.1, divergence: 0.05 },
  '4-bit': { relative: 0.7, divergence: 0.5 },
};

/** The worst of some verdicts; `equal` of none. */
export function worst(verdicts: readonly (Verdict | undefined)[]): Verdict {
  if (verdicts.includes('differs')) return 'differs';
  return verdicts.includes('close') ? 'close' : 'equal';
}
