import { expect, test } from 'vitest';
import { normalInit, onesInit, zerosInit } from './parameter.js';

function filled(size: number, deviation = 1, seed = 1, stream = 'weight'): Float32Array {
  const data = new Float32Array(size);
  normalInit(deviation)(data, seed, stream);
  return data;
}

test('normal weights have mean 0, the deviation, the tails of a normal, and no memory', () => {
  const size = 60_000;
  const data = filled(size, 0.02);
  const mean = (f: (x: number, i: number) => number): number => data.reduce((s, x, i) => s + f(x / 0.02, i), 0) / size;
  expect(Math.abs(mean((x) => x))).toBeLessThan(0.02);
  expect(Math.abs(mean((x) => x * x) - 1)).toBeLessThan(0.03);
  expect(Math.abs(mean((x) => x ** 3))).toBeLessThan(0.08);
  expect(Math.abs(mean((x) => x ** 4) - 3)).toBeLessThan(0.2);
  expect(Math.abs(mean((x) => (Math.abs(x) > 2 ? 1 : 0)) - 0.0455)).toBeLessThan(0.004);
  // The four numbers of a block, and numbers of neighbouring blocks, know nothing of each other.
  for (const lag of [1, 2, 3, 4]) {
    expect(Math.abs(mean((x, i) => (i >= lag ? (x * data[i - lag]!) / 0.02 : 0)))).toBeLessThan(0.02);
  }
});

test('seed and name decide the weights; a longer array begins as a shorter one does', () => {
  expect(filled(10)).toEqual(filled(10));
  for (const size of [1, 2, 3, 5, 9]) expect(filled(size)).toEqual(filled(10).slice(0, size));
  const all = [filled(8), filled(8, 1, 2), filled(8, 1, 1, 'bias')].flatMap((data) => [...data]);
  expect(new Set(all).size).toBe(24);
});

test('zeros and ones', () => {
  const data = Float32Array.of(5, 6);
  zerosInit(data, 1, 'a');
  expect([...data]).toEqual([0, 0]);
  onesInit(data, 1, 'a');
  expect([...data]).toEqual([1, 1]);
});
