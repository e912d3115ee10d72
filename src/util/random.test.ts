import { describe, expect, test } from 'vitest';
import { hashText, philox4x32, Random } from './random.js';

type Four = readonly [number, number, number, number];

/** Of the known answers that the authors of Philox publish with their library, Random123. */
const KNOWN_ANSWERS: readonly { counter: Four; key: readonly [number, number]; words: Four }[] = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
];

test.each(KNOWN_ANSWERS)('Philox 4x32-10 gives the known answer $words', ({ counter, key, words }) => {
  const out = new Uint32Array(6);
  philox4x32(counter, key, out, 1);
  expect([...out]).toEqual([0, ...words, 0]);
});

test('a stream is the blocks 0, 1, 2 … of its key, also past 2^32 blocks', () => {
  const blocks = [0, 1, 2, 2 ** 32 + 5];
  for (const index of blocks) {
    const expected = new Uint32Array(4);
    philox4x32([index % 2 ** 32, Math.floor(index / 2 ** 32), 0, 0], [9, 4], expected);
    const random = new Random(9, 4, 4 * index);
    expect(Array.from({ length: 4 }, () => random.uint32())).toEqual([...expected]);
  }
});

test('a named stream has the number of its name; other seeds and names give other numbers', () => {
  // FNV-1a over the two bytes of each UTF-16 unit.
  expect(hashText('')).toBe(0x811c9dc5);
  expect(hashText('a')).toBe(Number(((((0x811c9dc5n ^ 0x61n) * 0x01000193n) % 2n ** 32n) * 0x01000193n) % 2n ** 32n));
  const first = (seed: number, stream: number | string): number[] => {
    const random = new Random(seed, stream);
    return Array.from({ length: 8 }, () => random.uint32());
  };
  expect(first(5, 'dropout')).toEqual(first(5, hashText('dropout')));
  const different = [first(5, 'dropout'), first(6, 'dropout'), first(5, 'data'), first(5, '火'), first(5, 0)];
  expect(new Set(different.flat()).size).toBe(40);
});

describe('position', () => {
  test('counts words, and a stream goes on from it whatever was drawn before', () => {
    const whole = new Random(11, 'resume');
    const words = Array.from({ length: 40 }, () => whole.uint32());
    expect(whole.position).toBe(40);
    for (const position of [0, 1, 3, 4, 17, 39]) {
      const resumed = new Random(11, 'resume', position);
      expect(resumed.uint32()).toBe(words[position]);
      whole.position = position;
      expect(whole.uint32()).toBe(words[position]);
    }
  });

  test('resumes mixed draws', () => {
    const draw = (random: Random): unknown[] => [
      random.uniform(),
      random.normal(),
      random.integer(1000),
      random.pick('abcdefghij'.split('')),
      random.shuffle([1, 2, 3, 4, 5, 6, 7]),
    ];
    const random = new Random(3);
    draw(random);
    const { position } = random;
    const rest = draw(random);
    expect(draw(new Random(3, 0, position))).toEqual(rest);
  });
});

const DRAWS = 100_000;

/** Mean of `values ** power`, for standard errors of about `spread / √DRAWS`. */
const moment = (values: readonly number[], power: number): number =>
  values.reduce((sum, value) => sum + value ** power, 0) / values.length;

test('uniform numbers lie in [0, 1), on 24 bits, with the moments 1/(k + 1)', () => {
  const random = new Random(1, 'uniform');
  const values = Array.from({ length: DRAWS }, () => random.uniform());
  expect(values.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24))).toBe(true);
  expect(Float32Array.from(values).every((value, i) => value === values[i])).toBe(true);
  for (const power of [1, 2, 3, 4]) expect(Math.abs(moment(values, power) - 1 / (power + 1))).toBeLessThan(0.005);
});

test('normal numbers have the moments 0, 1, 0, 3, the tails of a normal, and no memory', () => {
  const random = new Random(2, 'normal');
  const values = Array.from({ length: DRAWS }, () => random.normal());
  expect(Math.abs(moment(values, 1))).toBeLessThan(0.015);
  expect(Math.abs(moment(values, 2) - 1)).toBeLessThan(0.02);
  expect(Math.abs(moment(values, 3))).toBeLessThan(0.06);
  expect(Math.abs(moment(values, 4) - 3)).toBeLessThan(0.15);
  const beyond = (bound: number): number => values.filter((value) => Math.abs(value) > bound).length / DRAWS;
  expect(Math.abs(beyond(1) - 0.3173)).toBeLessThan(0.007);
  expect(Math.abs(beyond(2) - 0.0455)).toBeLessThan(0.003);
  expect(
    Math.abs(
      moment(
        values.slice(1).map((value, i) => value * values[i]!),
        1,
      ),
    ),
  ).toBeLessThan(0.015);
});

/** Pearson's statistic of counts that should be equal. */
function chiSquared(counts: readonly number[]): number {
  const expected = counts.reduce((sum, n) => sum + n, 0) / counts.length;
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
}

test('integers and picks are uniform, up to a bound of 2^32', () => {
  const random = new Random(4, 'integers');
  const counts = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 35_000; i++) counts[random.integer(7)]! += 1;
  expect(chiSquared(counts)).toBeLessThan(22.46); // 6 degrees of freedom, p = 0.001
  expect(Array.from({ length: 100 }, () => random.integer(1)).every((value) => value === 0)).toBe(true);
  const large = Array.from({ length: 1000 }, () => random.integer(2 ** 32));
  expect(large.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)).toBe(true);
  expect(Math.max(...large)).toBeGreaterThan(2 ** 32 * 0.99);
});

test('every order comes out of a shuffle as often', () => {
  const random = new Random(5, 'shuffle');
  const counts = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const order = random.shuffle(['a', 'b', 'c', 'd']).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  expect(chiSquared([...counts.values()])).toBeLessThan(49.73); // 23 degrees of freedom, p = 0.001
});

test('a shuffle keeps every item, in place, also in a typed array', () => {
  const items = Int32Array.from({ length: 100 }, (_, i) => i);
  expect(new Random(6).shuffle(items)).toBe(items);
  expect([...items]).not.toEqual([...items].sort((a, b) => a - b));
  expect([...items].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(new Random(6).shuffle([])).toEqual([]);
});
