import { expect, test } from 'vitest';
import {
  computed,
  drawNormal,
  drawTensor,
  largestError,
  plainLinear,
  plainSilu,
  randomize,
  rowsOf,
} from '../../test/plain-layers.js';
import { gelu, geluTanh, reluSquared, silu } from '../tensor/ops/activation.js';
import { tensor } from '../tensor/ops/create.js';
import { FeedForward, type FeedForwardConfig, SwiGlu } from './feed-forward.js';

/** The normal distribution's `Φ(x)`, by Simpson's rule. */
function normalBelow(x: number): number {
  const steps = 400;
  const width = x / steps;
  const density = (i: number): number => Math.exp(-0.5 * (i * width) ** 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(steps);
  for (let i = 1; i < steps; i++) sum += density(i) * (i % 2 === 1 ? 4 : 2);
  return 0.5 + (sum * width) / 3;
}

const PLAIN: Record<FeedForwardConfig['activation'], (x: number) => number> = {
  gelu: (x) => x * normalBelow(x),
  // tanh(u) = 1 − 2/(e²ᵘ + 1)
  geluTanh: (x) => x * (1 - 1 / (Math.exp(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)) + 1)),
  relu: (x) => Math.max(x, 0),
  reluSquared: (x) => (x > 0 ? x * x : 0),
  silu: plainSilu,
};

const POINTS = [-6, -2.5, -1, -0.3, 0, 0.2, 1, 1.7, 3, 8];

test.each([
  ['gelu', gelu, PLAIN.gelu],
  ['geluTanh', geluTanh, PLAIN.geluTanh],
  ['reluSquared', reluSquared, PLAIN.reluSquared],
  ['silu', silu, plainSilu],
] as const)('%s at points on both sides', (_, activation, plain) => {
  expect(largestError(computed(activation(tensor(POINTS))), [...Float32Array.from(POINTS)].map(plain))).toBeLessThan(
    1e-6,
  );
});

test.each([
  ['gelu', true],
  ['geluTanh', false],
  ['relu', true],
  ['reluSquared', true],
  ['silu', false],
] as const)('FeedForward with %s and bias: %s', (activation, bias) => {
  const layer = randomize(new FeedForward({ width: 4, hidden: 7, activation, bias }), 1);
  expect(layer.size).toBe(2 * 28 + (bias ? 11 : 0));
  const inner = plainLinear(rowsOf(drawNormal(5, 24), 4), layer.up).map((row) => row.map(PLAIN[activation]));
  const y = layer.forward(drawTensor(5, [2, 3, 4]));
  expect(y.shape).toEqual([2, 3, 4]);
  expect(largestError(computed(y), plainLinear(inner, layer.down).flat())).toBeLessThan(1e-6);
});

test('SwiGlu gates one projection by another', () => {
  const layer = randomize(new SwiGlu({ width: 4, hidden: 7 }), 2);
  expect(layer.size).toBe(3 * 28);
  const rows = rowsOf(drawNormal(6, 24), 4);
  const up = plainLinear(rows, layer.up);
  const inner = plainLinear(rows, layer.gate).map((row, i) => row.map((g, j) => plainSilu(g) * up[i]![j]!));
  const y = layer.forward(drawTensor(6, [6, 4]));
  expect(largestError(computed(y), plainLinear(inner, layer.down).flat())).toBeLessThan(1e-9);
});
