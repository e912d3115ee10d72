import { expect, test } from 'vitest';
import {
  computed,
  drawNormal,
  drawTensor,
  largestError,
  plainLinear,
  randomize,
  rowsOf,
} from '../../test/plain-layers.js';
import { Linear } from './linear.js';

test.each([true, false])('x · weightᵀ + bias, with bias: %s', (bias) => {
  const layer = randomize(new Linear({ inputs: 5, outputs: 3, bias }), 1);
  expect(layer.size).toBe(bias ? 18 : 15);
  const expected = plainLinear(rowsOf(drawNormal(7, 40), 5), layer).flat();
  for (const shape of [
    [8, 5],
    [2, 4, 5],
    [2, 2, 2, 5],
  ] as const) {
    const y = layer.forward(drawTensor(7, shape));
    expect(y.shape).toEqual([...shape.slice(0, -1), 3]);
    expect(largestError(computed(y), expected)).toBeLessThan(1e-12);
  }
});

test('a width that does not fit is refused', () => {
  expect(() => new Linear({ inputs: 5, outputs: 3 }).forward(drawTensor(1, [4, 6]))).toThrow(/5/);
});
