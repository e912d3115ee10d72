import { add, addAll, minimum, mul } from '../tensor/ops/binary.js';
import { sumOfSquares } from '../tensor/ops/reduce.js';
import { reciprocal, sqrt } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import { Variable } from '../tensor/variable.js';

/** New values of variables: weights and the optimizer's own state. */
export type Updates = readonly (readonly [Variable, Tensor])[];

/**
 * An optimizer is a graph builder: it owns its state as variables and returns their new values and the weights' as
 * tensors. What changes from step to step (the learning rate, bias corrections) comes in as a small vector, so nothing
 * is compiled again.
 */
export interface Optimizer {
  /** The state, named after the weights; saved in checkpoints. */
  readonly state: readonly Variable[];
  /** How many numbers `scalars` returns. */
  readonly scalarCount: number;
  /** The numbers of step `step` (from 1) at this learning rate. */
  scalars(step: number, learningRate: number): number[];
  /**
   * @param gradients of the parameters, in order, already scaled and clipped.
   * @param scalars the numbers, as tensors of rank 0.
   */
  update(parameters: readonly Variable[], gradients: readonly Tensor[], scalars: readonly Tensor[]): Updates;
}

/** A variable of zeros shaped like a weight. */
export function stateLike(parameter: Variable, name: string): Variable {
  const { shape, size } = parameter;
  return new Variable(`${name}.${parameter.name}`, { dtype: 'float32', shape, data: new Float32Array(size) } as never);
}

/** Decay pulls matrices towards zero; norms and biases are left alone. */
export function isDecayed(parameter: Variable): boolean {
  return parameter.shape.length >= 2;
}

/** Euclidean norm over all gradients together. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  // Added from the end, so that ONNX Runtime asks for the first gradient of the list first.
  return sqrt(addAll(gradients.map(sumOfSquares).toReversed()));
}

/**
 * The factor that brings a global norm down to `maximum` where it is above (Pascanu et al. 2013): `min(1, maximum/norm)`.
 */
export function clipFactor(norm: Tensor, maximum: number): Tensor {
  return minimum(mul(reciprocal(add(norm, 1e-6)), maximum), 1);
}
