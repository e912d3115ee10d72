import { expect, test } from 'vitest';
import {
  computed,
  drawNormal,
  drawTensor,
  largestError,
  plainLayerNorm,
  plainRmsNorm,
  randomize,
  rowsOf,
  weightRows,
} from '../../test/plain-layers.js';
import { constant } from '../tensor/ops/create.js';
import { initialize } from './module.js';
import { LayerNorm, RmsNorm } from './norm.js';

const rows = rowsOf(drawNormal(3, 30), 5);

test.each([undefined, 0.1])('RmsNorm with epsilon %s', (epsilon) => {
  const layer = randomize(new RmsNorm({ width: 5, ...(epsilon === undefined ? {} : { epsilon }) }), 1);
  const expected = rows.flatMap((row) => plainRmsNorm(row, weightRows(layer.weight)[0]!, epsilon ?? 1e-5));
  expect(largestError(computed(layer.forward(drawTensor(3, [2, 3, 5]))), expected)).toBeLessThan(1e-7);
});

test.each([
  [undefined, true],
  [0.1, true],
  [undefined, false],
] as const)('LayerNorm with epsilon %s and bias: %s', (epsilon, bias) => {
  const layer = randomize(new LayerNorm({ width: 5, bias, ...(epsilon === undefined ? {} : { epsilon }) }), 2);
  const shift = layer.bias ? weightRows(layer.bias)[0]! : [0, 0, 0, 0, 0];
  const expected = rows.flatMap((row) =>
    plainLayerNorm(row, weightRows(layer.weight)[0]!, epsilon ?? 1e-5).map((x, i) => x + shift[i]!),
  );
  expect(largestError(computed(layer.forward(drawTensor(3, [2, 3, 5]))), expected)).toBeLessThan(1e-7);
  expect(layer.parameters()).toHaveLength(bias ? 2 : 1);
});

test('a row of zeros, and a row of one value, give no NaN', () => {
  const flat = constant(Float32Array.of(0, 0, 0, 7, 7, 7), [2, 3], 'float32');
  for (const layer of [new RmsNorm({ width: 3 }), new LayerNorm({ width: 3 })]) {
    initialize(layer, 1);
    expect(computed(layer.forward(flat)).every(Number.isFinite)).toBe(true);
  }
});
