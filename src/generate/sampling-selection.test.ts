import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BorderFinder, borderOfLargest } from './sampling-selection.js';

// Small whole numbers: many equals, and sums that are exact in any order.
const values = fc.array(fc.nat(9), { minLength: 1, maxLength: 80 });

function sorted(items: readonly number[], target: number, share: (value: number) => number) {
  const ranked = [...items].sort((a, b) => b - a);
  let kept = 0;
  for (let reached = 0; kept < ranked.length && reached < target; kept++) reached += share(ranked[kept]!);
  const value = ranked[kept - 1]!;
  return { value, equals: ranked.slice(0, kept).filter((item) => item === value).length };
}

test('the border by count is that of a sorted list', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 80 }), (items, target) => {
      const border = borderOfLargest(Float64Array.from(items), items.length, target, 'count');
      expect(border).toEqual(sorted(items, target, () => 1));
    }),
    { numRuns: 500 },
  );
});

test('the border by sum is that of a sorted list', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 400 }), (items, target) => {
      const border = borderOfLargest(Float64Array.from(items), items.length, target, 'sum');
      expect(border).toEqual(sorted(items, target, (value) => value));
    }),
    { numRuns: 500 },
  );
});

test('values after the length do not count', () => {
  expect(borderOfLargest(new Float64Array([1, 2, 9]), 2, 1, 'count')).toEqual({ value: 2, equals: 1 });
});

test.each([
  ['rising', (i: number) => i],
  ['falling', (i: number) => -i],
  ['up and down', (i: number) => Math.min(i, 200_000 - i)],
  ['all equal', () => 1],
  ['two values', (i: number) => i % 2],
])(
  '200,000 values, %s: no quadratic time',
  (_, value) => {
    const items = Float64Array.from({ length: 200_000 }, (_, i) => value(i));
    const expected = items.toSorted().at(-50_000)!;
    expect(borderOfLargest(items, items.length, 50_000, 'count').value).toBe(expected);
  },
  2000,
);

const logits = fc.array(
  fc.oneof(
    fc.integer({ min: -4, max: 4 }),
    fc.float({ min: -200, max: 200, noNaN: true }),
    fc.constant(Number.NEGATIVE_INFINITY),
  ),
  { minLength: 1, maxLength: 80 },
);

test('buckets give the same border by count, for logits near, far and masked', () => {
  fc.assert(
    fc.property(logits, fc.integer({ min: 1, max: 80 }), (drawn, count) => {
      const items = Float32Array.from([1, ...drawn]);
      const target = Math.min(count, items.length);
      const border = new BorderFinder(100).byCount(items, Math.max(...items), target);
      expect(border).toEqual(borderOfLargest(Float64Array.from(items), items.length, target, 'count'));
    }),
    { numRuns: 500 },
  );
});

test('buckets give the same border by sum, for weights from 1 to 0', () => {
  // Powers of two, so that sums are exact in any order.
  const weights = fc.array(
    fc.oneof(
      fc.nat(50).map((power) => 2 ** -power),
      fc.constant(0),
    ),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 2 ** 20 }), (drawn, part) => {
      const items = Float64Array.from([1, ...drawn]);
      const target = (items.reduce((a, b) => a + b) * part) / 2 ** 20;
      const border = new BorderFinder(100).bySum(items, items.length, target);
      expect(border).toEqual(borderOfLargest(items.slice(), items.length, target, 'sum'));
    }),
    { numRuns: 500 },
  );
});
