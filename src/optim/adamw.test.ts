import { expect, test } from 'vitest';
import { gradientOf, runOptimizer, SHAPES, startOf } from '../../test/optimizer-steps.js';
import { largestError } from '../../test/plain-layers.js';
import { AdamW } from './adamw.js';

// Of scripts/optimizer-reference.py, PyTorch 2.15.0: matrices decay, vectors do not.
const DEFAULT: Record<string, number[]> = {
  'embedding.weight': [0.028500533, 0.984323819, 0.528229645, -0.674439693, -0.876907515, 0.17996382],
  'layers.0.weight': [
    0.83882169, 0.73495632, -0.469360581, -0.999066737, -0.095331696, 0.925250314, 0.605437795, -0.585373496,
  ],
  'layers.1.weight': [
    0.869270982, -0.171188689, -0.985589329, -0.343921538, 0.817581435, 0.811941207, -0.353924885, -0.984312978,
  ],
  'layers.0.bias': [0.165538589, -0.882956665, -0.606387388, 0.588637327],
};

/** β₁ 0.8, β₂ 0.99, ε 0.1, weight decay 0.5: an epsilon that shows where it sits. */
const LARGE_EPSILON: Record<string, number[]> = {
  'embedding.weight': [0.018424367, 0.931650054, 0.50019002, -0.644700054, -0.841931182, 0.180622963],
  'layers.0.weight': [
    0.799713588, 0.69969786, -0.439332136, -0.947061251, -0.088324909, 0.883684422, 0.568993819, -0.567285733,
  ],
  'layers.1.weight': [
    0.837258729, -0.160210712, -0.940546489, -0.338140306, 0.771902706, 0.769968074, -0.339362622, -0.940784679,
  ],
  'layers.0.bias': [0.153094341, -0.892562888, -0.612904575, 0.586411471],
};

test.each([
  ['its defaults', {}, DEFAULT],
  ['a large epsilon', { beta1: 0.8, beta2: 0.99, epsilon: 0.1, weightDecay: 0.5 }, LARGE_EPSILON],
])('seven steps give PyTorch’s weights, with %s', (_, config, expected) => {
  const { weights } = runOptimizer((parameters) => new AdamW(parameters, config));
  for (const name of Object.keys(SHAPES)) {
    expect(largestError(weights[name]!, expected[name]!), name).toBeLessThan(1e-6);
  }
});

test('a learning rate of 0 leaves the weights as they are, and the moments go on', () => {
  const { weights, state } = runOptimizer((parameters) => new AdamW(parameters), [0, 0, 0]);
  Object.entries(SHAPES).forEach(([name, shape], k) => {
    expect(largestError(weights[name]!, [...startOf(k, shape)]), name).toBeLessThan(1e-12);
  });
  expect(state.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
});

test.each([0, 0.01])('gradients of 0 give no NaN, at a learning rate of %s', (rate) => {
  const zero = (k: number, shape: readonly number[]): Float64Array => gradientOf(k, shape, 1).fill(0);
  const { weights, state } = runOptimizer((parameters) => new AdamW(parameters), [rate, rate], zero);
  Object.entries(SHAPES).forEach(([name, shape], k) => {
    // Decay alone.
    const keep = shape.length >= 2 ? (1 - 0.1 * rate) ** 2 : 1;
    expect(
      largestError(
        weights[name]!,
        [...startOf(k, shape)].map((w) => w * keep),
      ),
      name,
    ).toBeLessThan(1e-12);
  });
  expect(state.every((value) => value === 0)).toBe(true);
});

test('the first step has the size of the learning rate, whatever the gradient’s', () => {
  const make = (parameters: ConstructorParameters<typeof AdamW>[0]) => new AdamW(parameters, { weightDecay: 0 });
  for (const size of [0.1, 1, 1e3]) {
    const { weights } = runOptimizer(make, [0.01], (k, shape) => gradientOf(k, shape, 1).map((g) => g * size));
    Object.entries(SHAPES).forEach(([name, shape], k) => {
      const signs = gradientOf(k, shape, 1).map(Math.sign);
      const expected = [...startOf(k, shape)].map((w, i) => w - 0.01 * signs[i]!);
      expect(largestError(weights[name]!, expected), name).toBeLessThan(1e-5);
    });
  }
});
