import { expect, test } from 'vitest';
import { computed, dot, drawNormal, largestError, plainRotary, rowsOf } from '../../test/plain-layers.js';
import { constant, tensor } from '../tensor/ops/create.js';
import { rotary } from '../tensor/ops/rotary.js';
import { type HostArray, numbersOf } from '../tensor/variable.js';
import { rotaryTables } from './rope.js';

const WIDTH = 8;

function rotated(values: ArrayLike<number>, positions: number[][], heads: number, theta?: number): number[][] {
  const { cosines, sines } = rotaryTables(32, WIDTH, theta);
  const [batch, time] = [positions.length, positions[0]!.length];
  const x = constant(Float32Array.from(values), [batch, heads, time, WIDTH], 'float32');
  return rowsOf(computed(rotary(x, tensor(positions, 'int64'), cosines.tensor, sines.tensor)), WIDTH);
}

test.each([undefined, 500_000])('each pair turns by its position and wavelength, theta %s', (theta) => {
  const positions = [
    [0, 1, 31],
    [7, 7, 2],
  ];
  const values = drawNormal(1, 2 * 2 * 3 * WIDTH);
  const rows = rowsOf(values, WIDTH);
  const expected = rows.flatMap((row, i) => {
    const [batch, time] = [Math.floor(i / 6), i % 3];
    return plainRotary(row, positions[batch]![time]!, theta ?? 10_000);
  });
  expect(largestError(rotated(values, positions, 2, theta).flat(), expected)).toBeLessThan(1e-6);
});

test('position 0 changes nothing, and lengths stay', () => {
  const values = drawNormal(2, 2 * WIDTH);
  const [first, second] = rotated(values, [[0, 19]], 1) as [number[], number[]];
  const [a, b] = rowsOf(values, WIDTH) as [number[], number[]];
  expect(first).toEqual(a);
  expect(largestError([dot(second, second)], [dot(b, b)])).toBeLessThan(1e-6);
});

test('the product of two turned vectors depends on the distance of their positions alone', () => {
  const values = drawNormal(3, 2 * WIDTH);
  const product = (p: number, q: number): number => {
    const [a, b] = rotated(values, [[p, q]], 1) as [number[], number[]];
    return dot(a, b);
  };
  expect(product(3, 8)).toBeCloseTo(product(20, 25), 5);
  expect(Math.abs(product(3, 8) - product(3, 9))).toBeGreaterThan(0.01);
});

test('tables hold a row for each position and a column for each pair; an odd width is refused', () => {
  const { cosines, sines } = rotaryTables(4, 6, 100);
  expect([cosines.shape, sines.shape]).toEqual([
    [4, 3],
    [4, 3],
  ]);
  const [c, s] = [cosines, sines].map(({ value }) => numbersOf(value as HostArray)) as [number[], number[]];
  expect(
    largestError(c.slice(9), [Math.cos(3), Math.cos(3 * 100 ** (-1 / 3)), Math.cos(3 * 100 ** (-2 / 3))]),
  ).toBeLessThan(1e-7);
  expect(largestError(s.slice(0, 3), [0, 0, 0])).toBe(0);
  expect(() => rotaryTables(4, 7)).toThrow(/even width/);
});
