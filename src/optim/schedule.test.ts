import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ScheduleConfig, schedule } from './schedule.js';

const STEPS = 100;

function shares(config: Partial<ScheduleConfig> & { kind: ScheduleConfig['kind'] }, steps = STEPS): number[] {
  const share = schedule({ warmupSteps: 10, finalShare: 0.1, decayShare: 0.2, ...config });
  return Array.from({ length: steps }, (_, step) => share(step, steps));
}

const falls = (values: readonly number[]): boolean => values.every((x, i) => i === 0 || x <= values[i - 1]!);

describe.each(['cosine', 'wsd', 'constant'] as const)('%s', (kind) => {
  test('rises linearly to the peak, never from 0', () => {
    const values = shares({ kind });
    for (let step = 0; step <= 10; step++) expect(values[step]).toBeCloseTo((step + 1) / 11, 12);
    expect(values[0]).toBeGreaterThan(0);
  });

  test('without warm-up starts at the peak', () => {
    expect(shares({ kind, warmupSteps: 0 })[0]).toBe(1);
  });

  test('falls after the peak, stays within its bounds, whatever the sizes', () => {
    const sizes = fc.record({
      warmupSteps: fc.integer({ min: 0, max: 60 }),
      finalShare: fc.double({ min: 0, max: 1, noNaN: true }),
      decayShare: fc.double({ min: 0, max: 1, noNaN: true }),
      steps: fc.integer({ min: 1, max: 80 }),
    });
    fc.assert(
      fc.property(sizes, ({ steps, ...config }) => {
        const values = shares({ kind, ...config }, steps);
        expect(values.every((x) => x > 0 || (x === 0 && config.finalShare === 0))).toBe(true);
        expect(Math.max(...values)).toBeLessThanOrEqual(1 + 1e-12);
        expect(falls(values.slice(config.warmupSteps).map((x) => x - 1e-12 * x))).toBe(true);
        const lowest = Math.min(...values.slice(config.warmupSteps), 1);
        expect(lowest).toBeGreaterThanOrEqual(config.finalShare - 1e-12);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});

test('cosine is half-way down in the middle, and at its end after the last step', () => {
  const share = schedule({ kind: 'cosine', warmupSteps: 10, finalShare: 0.1, decayShare: 0 });
  expect(share(10, STEPS)).toBe(1);
  expect(share(55, STEPS)).toBeCloseTo(0.55, 12);
  expect(share(32.5, STEPS)).toBeCloseTo(0.1 + 0.9 * 0.5 * (1 + Math.SQRT1_2), 12);
  expect(share(100, STEPS)).toBeCloseTo(0.1, 12);
  expect(share(1000, STEPS)).toBeCloseTo(0.1, 12);
});

test('wsd is flat until the last share of the steps, and then falls in a line', () => {
  const values = shares({ kind: 'wsd' });
  expect(values.slice(10, 81).every((value) => value === 1)).toBe(true);
  for (let step = 80; step < 100; step++) expect(values[step]).toBeCloseTo(0.1 + 0.9 * ((100 - step) / 20), 12);
  const share = schedule({ kind: 'wsd', warmupSteps: 0, finalShare: 0, decayShare: 1 });
  expect([share(0, 4), share(1, 4), share(2, 4), share(3, 4), share(4, 4), share(9, 4)]).toEqual([
    1, 0.75, 0.5, 0.25, 0, 0,
  ]);
  expect(shares({ kind: 'wsd', decayShare: 0 }).slice(10)).toEqual(Array(90).fill(1));
});

test('constant stays', () => {
  expect(shares({ kind: 'constant' }).slice(10)).toEqual(Array(90).fill(1));
});

test('a warm-up as long as the run, or longer, only rises', () => {
  for (const warmupSteps of [100, 150]) {
    const values = shares({ kind: 'cosine', warmupSteps });
    expect(falls([...values].reverse())).toBe(true);
    expect(values.every(Number.isFinite)).toBe(true);
  }
});

test.each([
  { warmupSteps: -1 },
  { finalShare: 1.1 },
  { finalShare: Number.NaN },
  { decayShare: -0.1 },
  { warmupSteps: Number.NaN },
])('out of range: %o', (part) => {
  expect(() => shares({ kind: 'wsd', ...part })).toThrow(/out of range/);
});
