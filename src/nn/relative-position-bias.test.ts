import { expect, test } from 'vitest';
import { computed, randomize, weightRows } from '../../test/plain-layers.js';
import { dim } from '../tensor/shape.js';
import { InputError } from '../util/errors.js';
import { RelativePositionBias, relativeBuckets } from './relative-position-bias.js';

/** Where the bucket changes, as [distance, bucket] pairs; PyTorch's implementation gave them. */
const BORDERS = [
  {
    config: { buckets: 32, maxDistance: 128, bidirectional: false },
    before: [
      [16, 16],
      [18, 16],
      [19, 17],
      [20, 17],
      [21, 18],
      [112, 30],
      [113, 31],
      [128, 31],
    ],
  },
  {
    config: { buckets: 32, maxDistance: 128, bidirectional: true },
    before: [
      [7, 7],
      [8, 8],
      [11, 8],
      [12, 9],
      [15, 9],
      [16, 10],
      [31, 11],
      [32, 12],
      [63, 13],
      [64, 14],
      [90, 14],
      [91, 15],
      [128, 15],
    ],
  },
] as const;

test.each(BORDERS)('puts distances into the buckets of the reference: $config', ({ config, before }) => {
  const table = relativeBuckets({ heads: 1, ...config });
  const at = (distance: number): number => table[distance + config.maxDistance]!;
  for (const [distance, bucket] of before) {
    expect(at(-distance)).toBe(bucket);
    if (config.bidirectional) expect(at(distance)).toBe(bucket + 16);
  }
  expect(at(0)).toBe(0);
  expect(table).toHaveLength(config.maxDistance * (config.bidirectional ? 2 : 1) + 1);
});

const HEADS = 2;
const layer = (bidirectional: boolean): RelativePositionBias =>
  randomize(new RelativePositionBias({ heads: HEADS, buckets: 8, maxDistance: 16, bidirectional }), 4);

/** One head's bias, `[T][S]`. */
function biases(module: RelativePositionBias, queries: number, keys: number, head: number): number[][] {
  const values = computed(module.forward(queries, keys));
  const own = values.slice(head * queries * keys, (head + 1) * queries * keys);
  return Array.from({ length: queries }, (_, t) => own.slice(t * keys, (t + 1) * keys));
}

test('gives every distance the number of its bucket, however far away', () => {
  const module = layer(true);
  const weight = weightRows(module.weight);
  const table = relativeBuckets(module.config);
  for (const head of [0, 1]) {
    const rows = biases(module, 40, 40, head);
    for (const [query, row] of rows.entries()) {
      for (const [key, value] of row.entries()) {
        const distance = Math.max(-16, Math.min(16, key - query));
        expect(value).toBe(weight[table[distance + 16]!]![head]);
      }
    }
  }
});

test('hides from a decoder what follows, and continues where an answer stands', () => {
  const module = layer(false);
  const whole = biases(module, 9, 9, 1);
  for (const [query, row] of whole.entries()) {
    for (const [key, value] of row.entries()) expect(value < -1e8).toBe(key > query);
  }
  // The last three positions alone are the last three rows.
  expect(biases(module, 3, 9, 1)).toEqual(whole.slice(6));
});

test('takes sizes that are known only when it runs', () => {
  expect(layer(false).forward(dim('T'), dim('S')).shape.map(String)).toEqual(['1', '2', 'T', 'S']);
});

test.each([
  { buckets: 1, maxDistance: 16, bidirectional: false },
  { buckets: 6.5, maxDistance: 16, bidirectional: false },
  { buckets: 7, maxDistance: 16, bidirectional: true },
  { buckets: 2, maxDistance: 16, bidirectional: true },
  { buckets: 32, maxDistance: 8, bidirectional: true },
])('refuses buckets that do not fit: %o', (config) => {
  expect(() => new RelativePositionBias({ heads: 1, ...config })).toThrow(InputError);
});
