import type { Optimizer } from '../src/optim/optimizer.js';
import type { ReferenceArray } from '../src/tensor/op.js';
import { interpret } from '../src/tensor/reference.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { input, Variable } from '../src/tensor/variable.js';

/** What `scripts/optimizer-reference.py` does in PyTorch: the same weights, gradients and learning rates. */
export const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'embedding.weight': [3, 2],
  'layers.0.weight': [2, 4],
  'layers.1.weight': [4, 2],
  'layers.0.bias': [4],
};
export const RATES: readonly number[] = [0.01, 0.02, 0.03, 0.03, 0.02, 0, 0.005];

const sizeOf = (shape: readonly number[]): number => shape.reduce((p, n) => p * n, 1);

/** The weights that all start with, the k-th in order. */
export function startOf(k: number, shape: readonly number[]): Float64Array {
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.3 * i + k));
}

/** The gradient of the k-th weight at a step from 1. */
export function gradientOf(k: number, shape: readonly number[], step: number): Float64Array {
  return Float64Array.from(
    { length: sizeOf(shape) },
    (_, i) => Math.cos(0.7 * i + 2 * k + 1.9 * step) * (0.5 + 0.1 * step),
  );
}

export function makeWeights(): Variable[] {
  return Object.entries(SHAPES).map(
    ([name, shape], k) =>
      new Variable(name, { dtype: 'float32', shape, data: Float32Array.from(startOf(k, shape)) } as never),
  );
}

export interface Reached {
  /** Weights by name. */
  readonly weights: Record<string, number[]>;
  /** All of the optimizer's state. */
  readonly state: number[];
}

/**
 * Runs an optimizer in float64, by the reference interpreter.
 * @param gradient by weight and step (from 1).
 */
export function runOptimizer(
  make: (weights: readonly Variable[]) => Optimizer,
  rates: readonly number[] = RATES,
  gradient: (k: number, shape: readonly number[], step: number) => Float64Array = gradientOf,
): Reached {
  const weights = makeWeights();
  const optimizer = make(weights);
  const scalars = Array.from({ length: optimizer.scalarCount }, (_, i) => input(`scalar${i}`, 'float32', []));
  const gradients = weights.map(({ name, shape }) => input(`gradient ${name}`, 'float32', shape));
  const updates = optimizer.update(weights, gradients, scalars);
  const array = (shape: readonly number[], data: Float64Array): ReferenceArray => ({ dtype: 'float32', shape, data });
  const values = new Map<Tensor, ReferenceArray>(
    weights.map(({ tensor, shape }, k) => [tensor, array(shape, startOf(k, shape))]),
  );
  for (const { tensor, shape } of optimizer.state) values.set(tensor, array(shape, new Float64Array(sizeOf(shape))));
  rates.forEach((rate, at) => {
    const feeds = new Map(values);
    optimizer.scalars(at + 1, rate).forEach((number, i) => {
      feeds.set(scalars[i]!, array([], Float64Array.of(number)));
    });
    gradients.forEach((placeholder, k) => {
      const { shape } = weights[k]!;
      feeds.set(placeholder, array(shape, gradient(k, shape, at + 1)));
    });
    const results = interpret(
      updates.map(([, next]) => next),
      feeds,
    );
    updates.forEach(([variable], i) => {
      values.set(variable.tensor, results[i]!);
    });
  });
  const numbers = ({ tensor }: Variable): number[] => [...values.get(tensor)!.data];
  return {
    weights: Object.fromEntries(weights.map((weight) => [weight.name, numbers(weight)])),
    state: optimizer.state.flatMap(numbers),
  };
}
