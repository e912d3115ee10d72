import { type Module, weightsOf } from '../src/nn/module.js';
import type { Parameter } from '../src/nn/parameter.js';
import type { ReferenceArray } from '../src/tensor/op.js';
import { constant } from '../src/tensor/ops/create.js';
import { interpret } from '../src/tensor/reference.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { Random } from '../src/util/random.js';

/** The layers once more, over plain numbers and written from their formulas, to hold the real ones against. */
export type Rows = readonly (readonly number[])[];

/** Standard normal numbers, exact in float32. */
export function drawNormal(seed: number, size: number, scale = 1): Float32Array {
  const random = new Random(seed, 'layers');
  return Float32Array.from({ length: size }, () => scale * random.normal());
}

export function drawTensor(seed: number, shape: readonly number[]): Tensor {
  return constant(
    drawNormal(
      seed,
      shape.reduce((p, n) => p * n, 1),
    ),
    shape,
    'float32',
  );
}

/** Puts random numbers into every weight, also where first values are zeros and ones. */
export function randomize<M extends Module>(module: M, seed: number, scale = 0.5): M {
  module.parameters().forEach((parameter, i) => {
    weightsOf(parameter).set(drawNormal(1000 * seed + i, parameter.size, scale));
  });
  return module;
}

/** What the reference interpreter computes, in float64. */
export function computed(tensor: Tensor, feeds: ReadonlyMap<Tensor, ReferenceArray> = new Map()): number[] {
  return [...interpret([tensor], feeds)[0]!.data];
}

/** Numbers cut into rows of one width. */
export function rowsOf(values: ArrayLike<number>, width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, i) =>
    Array.from({ length: width }, (_, j) => values[i * width + j]!),
  );
}

/** A matrix by rows, or a vector as one row. */
export function weightRows(parameter: Parameter): number[][] {
  return rowsOf(weightsOf(parameter), parameter.shape.at(-1)!);
}

export const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((s, x, i) => s + x * b[i]!, 0);

export function plainLinear(
  x: Rows,
  layer: { readonly weight: Parameter; readonly bias: Parameter | undefined },
): Rows {
  const weight = weightRows(layer.weight);
  const bias = layer.bias && weightRows(layer.bias)[0]!;
  return x.map((row) => weight.map((w, j) => dot(row, w) + (bias?.[j] ?? 0)));
}

export function plainRmsNorm(row: readonly number[], weight: readonly number[], epsilon: number): number[] {
  const root = Math.sqrt(dot(row, row) / row.length + epsilon);
  return row.map((x, i) => (x / root) * weight[i]!);
}

export function plainLayerNorm(row: readonly number[], weight: readonly number[], epsilon: number): number[] {
  const mean = row.reduce((s, x) => s + x, 0) / row.length;
  const variance = row.reduce((s, x) => s + (x - mean) ** 2, 0) / row.length;
  return row.map((x, i) => ((x - mean) / Math.sqrt(variance + epsilon)) * weight[i]!);
}

/** Each pair (x[i], x[i + half]) as a complex number, turned by `position · theta^(−i/half)`. */
export function plainRotary(row: readonly number[], position: number, theta: number): number[] {
  const half = row.length / 2;
  return row.map((x, i) => {
    const angle = position * theta ** (-(i % half) / half);
    const other = i < half ? -row[i + half]! : row[i - half]!;
    return x * Math.cos(angle) + other * Math.sin(angle);
  });
}

export const plainSilu = (x: number): number => x / (1 + Math.exp(-x));

/** Softmax over the entries that count; the others weigh nothing. */
export function plainSoftmax(scores: readonly number[], counts: readonly boolean[]): number[] {
  const top = Math.max(...scores.filter((_, i) => counts[i]));
  const weights = scores.map((score, i) => (counts[i] ? Math.exp(score - top) : 0));
  const total = weights.reduce((s, w) => s + w, 0);
  return weights.map((w) => w / total);
}

/** The largest difference, relative to the magnitude where that is above 1; NaN where one is NaN. */
export function largestError(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!) / Math.max(1, Math.abs(expected[i]!))));
}
