import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../util/random.js';
import { Sampler } from './sampling.js';
import type { SamplingOptions } from './sampling-options.js';

type Options = Partial<SamplingOptions>;

const logitsOf = (probabilities: readonly number[]): Float32Array => Float32Array.from(probabilities, Math.log);

/** The distribution that the options ask for, the slow and obvious way: sort everything. */
function reference(logits: Float32Array, { temperature = 1, topK = 0, topP = 1, minP = 0 }: Options): number[] {
  const max = Math.max(...logits);
  let ranked = Array.from(logits, (logit, token) => ({ token, weight: Math.exp((logit - max) / temperature) }));
  ranked.sort((a, b) => b.weight - a.weight || a.token - b.token);
  if (topK > 0) ranked = ranked.slice(0, topK);
  const total = ranked.reduce((sum, { weight }) => sum + weight, 0);
  let reached = 0;
  if (topP < 1) {
    ranked = ranked.filter(({ weight }) => {
      const before = reached;
      reached += weight;
      return before < topP * total;
    });
  }
  ranked = ranked.filter(({ weight }) => weight >= minP);
  const left = ranked.reduce((sum, { weight }) => sum + weight, 0);
  const distribution = new Array<number>(logits.length).fill(0);
  for (const { token, weight } of ranked) distribution[token] = weight / left;
  return distribution;
}

function draws(logits: Float32Array, options: Options, count: number, seed = 7): number[] {
  const sampler = new Sampler(options, new Random(seed));
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < count; i++) counts[sampler.next(logits, []).token]!++;
  return counts;
}

/** How many standard deviations Pearson's chi-square lies above its mean under the expected distribution. */
function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  const total = counts.reduce((a, b) => a + b, 0);
  let statistic = 0;
  let cells = 0;
  for (const [i, probability] of expected.entries()) {
    if (probability === 0) {
      expect(counts[i], `token ${i} is outside the filter`).toBe(0);
      continue;
    }
    statistic += (counts[i]! - total * probability) ** 2 / (total * probability);
    cells++;
  }
  const degrees = Math.max(1, cells - 1);
  return (statistic - degrees) / Math.sqrt(2 * degrees);
}

const twelve = Float32Array.from([0.3, -1, 2, 1.5, 0, -0.5, 1, 2, 0.7, -2, 1.2, 0.1]);

describe('distributions', () => {
  const cases: readonly Options[] = [
    {},
    { temperature: 0.5 },
    { temperature: 2 },
    { topK: 1 },
    { topK: 4 },
    { topK: 100 },
    { topP: 0.3 },
    { topP: 0.85 },
    { minP: 0.2 },
    { minP: 1 },
    { temperature: 1.3, topK: 8, topP: 0.9, minP: 0.15 },
  ];
  test.each(cases)('%j: draws follow the exact probabilities', (options) => {
    const excess = chiSquare(draws(twelve, options, 20_000), reference(twelve, options));
    expect(excess).toBeLessThan(4);
  });

  test('the test itself refuses a distribution that is 5% off in temperature', () => {
    const excess = chiSquare(draws(twelve, { temperature: 1.05 }, 20_000), reference(twelve, {}));
    expect(excess).toBeGreaterThan(4);
  });
});

describe('filters', () => {
  const kept = (logits: Float32Array, options: Options): number[] =>
    draws(logits, options, 2000).flatMap((count, token) => (count > 0 ? [token] : []));

  test('top-k keeps exactly K, the lowest ids of equals', () => {
    expect(kept(new Float32Array([1, 3, 2, 3, 2, 2]), { topK: 4 })).toEqual([1, 2, 3, 4]);
    expect(kept(new Float32Array(6), { topK: 2 })).toEqual([0, 1]);
  });

  test('top-p keeps the token that reaches the share, and not one more', () => {
    const logits = logitsOf([0.125, 0.5, 0.25, 0.125]);
    expect(kept(logits, { topP: 0.49 })).toEqual([1]);
    expect(kept(logits, { topP: 0.51 })).toEqual([1, 2]);
    expect(kept(logits, { topP: 0.74 })).toEqual([1, 2]);
    expect(kept(logits, { topP: 0.76 })).toEqual([0, 1, 2]);
    expect(kept(logits, { topP: 0.9 })).toEqual([0, 1, 2, 3]);
    expect(kept(logits, { topP: 1e-9 })).toEqual([1]);
  });

  test('top-p at the very border of equals, which are exact', () => {
    expect(kept(new Float32Array(4), { topP: 0.5 })).toEqual([0, 1]);
    expect(kept(new Float32Array(4), { topP: 0.5 + 1e-12 })).toEqual([0, 1, 2]);
  });

  test('top-p counts the share of what top-k left, after the temperature', () => {
    const logits = logitsOf([0.4, 0.3, 0.2, 0.1]);
    expect(kept(logits, { topP: 0.55 })).toEqual([0, 1]);
    expect(kept(logits, { topK: 2, topP: 0.55 })).toEqual([0]);
    expect(kept(logits, { temperature: 0.25, topP: 0.7 })).toEqual([0]);
  });

  test('min-p is a share of the most probable token', () => {
    const logits = logitsOf([0.4, 0.3, 0.2, 0.1]);
    expect(kept(logits, { minP: 0.49 })).toEqual([0, 1, 2]);
    expect(kept(logits, { minP: 0.51 })).toEqual([0, 1]);
  });

  test('any logits and options: the token is inside the filter, its log-probability is the model’s', () => {
    const anyLogits = fc.array(
      fc.oneof(fc.integer({ min: -3, max: 3 }), fc.float({ min: -30, max: 30, noNaN: true })),
      {
        minLength: 1,
        maxLength: 60,
      },
    );
    const anyOptions = fc.record({
      temperature: fc.double({ min: 0.05, max: 5, noNaN: true }),
      topK: fc.integer({ min: 0, max: 70 }),
      topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
      minP: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(anyLogits, anyOptions, fc.nat(), (values, options, seed) => {
        const logits = Float32Array.from(values);
        const asked = logits.slice();
        const result = new Sampler({ ...options, topLogProbabilities: 100 }, new Random(seed)).next(logits, []);
        expect(logits).toEqual(asked);
        expect(reference(logits, options)[result.token]).toBeGreaterThan(0);
        const { token, logProbability, top } = result;
        expect(top!.reduce((sum, item) => sum + Math.exp(item.logProbability), 0)).toBeCloseTo(1, 9);
        expect(top!.map((item) => item.token).sort((a, b) => a - b)).toEqual(values.map((_, i) => i));
        expect(top!.find((item) => item.token === token)!.logProbability).toBe(logProbability);
        for (let i = 1; i < top!.length; i++) {
          expect(top![i]!.logProbability).toBeLessThanOrEqual(top![i - 1]!.logProbability);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe('greedy', () => {
  test('takes the largest logit, the lowest id of equals', () => {
    expect(new Sampler({ temperature: 0 }, new Random(1)).next(new Float32Array([0, 2, 1, 2]), []).token).toBe(1);
  });

  test('is the limit of small temperatures', () => {
    expect(draws(twelve, { temperature: 1e-9, topK: 5 }, 100)[2]).toBeGreaterThan(0);
    expect(draws(new Float32Array([0, 1, 0.999]), { temperature: 1e-9 }, 100)).toEqual([0, 100, 0]);
  });
});

describe('changes to the logits', () => {
  test('log-probabilities are those of the untouched model', () => {
    const logits = logitsOf([0.5, 0.25, 0.25]);
    const bias = new Map([[0, Number.NEGATIVE_INFINITY]]);
    const sampler = new Sampler(
      { temperature: 0, logitBias: bias, repetitionPenalty: 1.5, topLogProbabilities: 2 },
      new Random(1),
    );
    const { token, logProbability, top } = sampler.next(logits, [1]);
    expect(token).toBe(2);
    expect(logProbability).toBeCloseTo(Math.log(0.25), 6);
    expect(top!.map((item) => item.token)).toEqual([0, 1]);
    expect(top![0]!.logProbability).toBeCloseTo(Math.log(0.5), 6);
  });

  test('biases come after penalties, processors after biases', () => {
    let seen: number[] = [];
    const process = (logits: Float32Array, history: ArrayLike<number>) => {
      seen = [...logits, ...Array.from(history)];
      logits.fill(Number.NEGATIVE_INFINITY, 0, 2);
    };
    const sampler = new Sampler(
      { repetitionPenalty: 2, logitBias: new Map([[0, 3]]), processors: [process] },
      new Random(1),
    );
    expect(sampler.next(new Float32Array([4, -1, -9]), [0, 1]).token).toBe(2);
    expect(seen).toEqual([5, -2, -9, 0, 1]);
  });
});

describe('reproducibility', () => {
  test('one uniform number a token, in every mode, so a resumed generation gives the same tokens', () => {
    for (const options of [{}, { temperature: 0 }, { topK: 3 }, { topP: 0.5 }, { minP: 0.5 }]) {
      const whole = new Random(3);
      const sampler = new Sampler(options, whole);
      const tokens = Array.from({ length: 20 }, () => sampler.next(twelve, []).token);
      expect(whole.position).toBe(20);
      const resumed = new Sampler(options, new Random(3, 0, 12));
      expect(Array.from({ length: 8 }, () => resumed.next(twelve, []).token)).toEqual(tokens.slice(12));
    }
  });

  test('rounding noise in the logits changes none of 1000 draws', () => {
    const logits = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i * 12.9898) * 3);
    const noisy = logits.map((logit, i) => logit + (i % 2 === 0 ? 1e-6 : -1e-6));
    const a = new Sampler({ topP: 0.9 }, new Random(5));
    const b = new Sampler({ topP: 0.9 }, new Random(5));
    for (let i = 0; i < 1000; i++) expect(a.next(logits, []).token).toBe(b.next(noisy, []).token);
  });

  test('one sampler serves models of different vocabularies', () => {
    const sampler = new Sampler({ topP: 0.9, presencePenalty: 1 }, new Random(1));
    expect(sampler.next(new Float32Array(3), []).token).toBeLessThan(3);
    expect(sampler.next(new Float32Array([0, 0, 0, 0, 99]), []).token).toBe(4);
  });
});

describe('refusals', () => {
  const next = (logits: readonly number[], options: Options = {}) =>
    new Sampler(options, new Random(1)).next(Float32Array.from(logits), []);

  test('a model that gives no numbers', () => {
    expect(() => next([1, Number.NaN, 2])).toThrow(/logit of token 1 is NaN/);
    expect(() => next([Number.NaN, 1])).toThrow(/logit of token 0 is NaN/);
    expect(() => next([1, Number.POSITIVE_INFINITY])).toThrow(/logit of token 1 is Infinity/);
    expect(() => next([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])).toThrow(/no finite logit/);
    expect(() => next([])).toThrow(/no finite logit/);
  });

  test('a token that the model masks is never chosen', () => {
    expect(draws(new Float32Array([Number.NEGATIVE_INFINITY, 0, -1]), {}, 500)[0]).toBe(0);
  });

  test('hooks that leave nothing, or no numbers', () => {
    const fill = (value: number): Options => ({ processors: [(logits) => void logits.fill(value)] });
    expect(() => next([1, 2], fill(Number.NEGATIVE_INFINITY))).toThrow(/no token is allowed/);
    expect(() => next([1, 2], fill(Number.NaN))).toThrow(/NaN after biases/);
  });

  test('a bias for an id that the model lacks', () => {
    expect(() => next([1, 2], { logitBias: new Map([[2, 1]]) })).toThrow(/logitBias, token 2[\s\S]*from 0 to 1/);
  });
});
