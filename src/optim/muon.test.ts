import { describe, expect, test } from 'vitest';
import { gradientOf, runOptimizer, SHAPES, startOf } from '../../test/optimizer-steps.js';
import { computed, dot, drawTensor, largestError, rowsOf } from '../../test/plain-layers.js';
import { tensor } from '../tensor/ops/create.js';
import type { Tensor } from '../tensor/tensor.js';
import { Variable } from '../tensor/variable.js';
import { AdamW } from './adamw.js';
import { Muon, orthogonalize } from './muon.js';

// Of scripts/optimizer-reference.py, PyTorch 2.15.0: weight decay 0.2; the embedding and the bias by AdamW.
const EXPECTED: Record<string, number[]> = {
  'embedding.weight': [0.028500533, 0.984323819, 0.528229645, -0.674439693, -0.876907515, 0.17996382],
  'layers.0.weight': [
    0.82232705, 0.725882363, -0.436794173, -0.963902257, -0.085539603, 0.912825554, 0.570122807, -0.609266972,
  ],
  'layers.1.weight': [
    0.885099656, -0.156294177, -0.975164003, -0.3610701, 0.77765283, 0.78388929, -0.353301718, -0.974947412,
  ],
  'layers.0.bias': [0.165538589, -0.882956665, -0.606387388, 0.588637327],
};

/** Eigenvalues of a symmetric matrix, by Jacobi's rotations. */
function eigenvalues(symmetric: number[][]): number[] {
  const a = symmetric.map((row) => [...row]);
  for (let sweep = 0; sweep < 10; sweep++) {
    for (let p = 0; p < a.length; p++) {
      for (let q = p + 1; q < a.length; q++) {
        const angle = 0.5 * Math.atan2(2 * a[p]![q]!, a[q]![q]! - a[p]![p]!);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (const row of a) [row[p], row[q]] = [c * row[p]! - s * row[q]!, s * row[p]! + c * row[q]!];
        const [up, uq] = [a[p]!, a[q]!];
        a[p] = up.map((x, i) => c * x - s * uq[i]!);
        a[q] = up.map((x, i) => s * x + c * uq[i]!);
      }
    }
  }
  return a.map((row, i) => row[i]!);
}

/** Singular values of a matrix, `min(rows, columns)` of them. */
function singularValues(values: readonly number[], rows: number, columns: number): number[] {
  const byRows = rowsOf(values, columns);
  const short = rows <= columns ? byRows : byRows[0]!.map((_, j) => byRows.map((row) => row[j]!));
  return eigenvalues(short.map((a) => short.map((b) => dot(a, b)))).map((x) => Math.sqrt(Math.max(x, 0)));
}

/** A matrix with these numbers on its diagonal. */
function diagonal(values: readonly number[]): Tensor {
  return tensor(values.map((value, i) => values.map((_, j) => (i === j ? value : 0))));
}

test('the test’s own singular values', () => {
  const sorted = singularValues([3, 0, 4, 5], 2, 2).sort((a, b) => a - b);
  expect(largestError(sorted, [Math.sqrt(5), Math.sqrt(45)])).toBeLessThan(1e-12);
  expect(largestError(singularValues([2, 0, 0, 3, 0, 0], 3, 2).sort(), [2, 3])).toBeLessThan(1e-12);
});

describe('orthogonalize', () => {
  test.each([
    [4, 4],
    [16, 16],
    [6, 20],
    [20, 6],
    [1, 9],
    [9, 1],
    [24, 32],
  ])('a random %i × %i matrix gets singular values near 1', (rows, columns) => {
    for (const seed of [1, 2, 3]) {
      const x = drawTensor(seed, [rows, columns]);
      const y = orthogonalize(x, 5);
      expect(y.shape).toEqual([rows, columns]);
      const values = singularValues(computed(y), rows, columns);
      // What is far below the rest has less far to go than five iterations take it: square matrices have such values.
      const inputs = singularValues(computed(x), rows, columns);
      const norm = Math.hypot(...inputs);
      expect(Math.max(...values)).toBeLessThan(1.3);
      expect(Math.min(...values)).toBeGreaterThan(Math.min(...inputs) / norm > 0.005 ? 0.6 : 0);
    }
  });

  test('the directions stay: a diagonal matrix stays diagonal, with its signs', () => {
    const y = rowsOf(computed(orthogonalize(diagonal([5, -2, 0.5]), 5)), 3);
    for (const [i, row] of y.entries()) {
      for (const [j, value] of row.entries()) {
        if (i !== j) expect(Math.abs(value)).toBeLessThan(1e-12);
      }
    }
    const signs = y.map((row, i) => row[i]!);
    expect(signs.map(Math.sign)).toEqual([1, -1, 1]);
    expect(signs.every((value) => Math.abs(value) > 0.6 && Math.abs(value) < 1.3)).toBe(true);
  });

  test('zeros stay zeros, and the size of the matrix does not matter', () => {
    expect(computed(orthogonalize(diagonal([0, 0]), 5))).toEqual([0, 0, 0, 0]);
    const [small, large] = [1e-3, 1e3].map((size) => computed(orthogonalize(diagonal([2 * size, size]), 5)));
    expect(largestError(small!, large!)).toBeLessThan(1e-3);
  });
});

test('seven steps give PyTorch’s weights; what is no hidden matrix goes with AdamW', () => {
  const { weights } = runOptimizer((parameters) => new Muon(parameters, { weightDecay: 0.2 }));
  for (const name of Object.keys(SHAPES))
    expect(largestError(weights[name]!, EXPECTED[name]!), name).toBeLessThan(1e-5);
  const plain = runOptimizer((parameters) => new AdamW(parameters)).weights;
  for (const name of ['embedding.weight', 'layers.0.bias']) expect(weights[name]).toEqual(plain[name]);
});

test('momentum by hand: the velocity keeps its share and adds the gradient', () => {
  const rates = [0.01, 0.01, 0.01];
  const { state } = runOptimizer((parameters) => new Muon(parameters, { momentum: 0.9 }), rates);
  const [g1, g2, g3] = [1, 2, 3].map((step) => gradientOf(1, SHAPES['layers.0.weight']!, step)) as Float64Array[];
  const expected = [...g1!].map((g, i) => 0.81 * g + 0.9 * g2![i]! + g3![i]!);
  expect(largestError(state.slice(0, 8), expected)).toBeLessThan(1e-6);
});

test('a learning rate of 0 leaves the weights, gradients of 0 give no NaN', () => {
  const make = (parameters: readonly Variable[]) => new Muon(parameters);
  const still = runOptimizer(make, [0, 0]);
  Object.entries(SHAPES).forEach(([name, shape], k) => {
    expect(largestError(still.weights[name]!, [...startOf(k, shape)]), name).toBeLessThan(1e-12);
  });
  const idle = runOptimizer(make, [0.1], (k, shape) => gradientOf(k, shape, 1).fill(0));
  expect(Object.values(idle.weights).flat().every(Number.isFinite)).toBe(true);
});

test('hidden matrices have a velocity; embeddings, heads and vectors two moments', () => {
  const variable = (name: string, shape: readonly number[]): Variable =>
    new Variable(name, { dtype: 'float32', shape, data: new Float32Array(shape.reduce((p, n) => p * n, 1)) } as never);
  const parameters = [
    variable('embedding.weight', [4, 2]),
    variable('layers.0.head.weight', [2, 2]),
    variable('layers.0.norm.weight', [2]),
    variable('head.weight', [4, 2]),
  ];
  expect(new Muon(parameters).state.map(({ name }) => name)).toEqual([
    'muon.velocity.layers.0.head.weight',
    ...['embedding.weight', 'layers.0.norm.weight', 'head.weight'].flatMap((name) => [
      `adamw.first.${name}`,
      `adamw.second.${name}`,
    ]),
  ]);
});
