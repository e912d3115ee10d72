import { hostArray, interpret } from './reference.js';
import type { Tensor } from './tensor.js';
import type { HostArray } from './variable.js';

/** What computes the values of tensors that someone asks for. */
export interface Backend {
  evaluate(tensors: readonly Tensor[]): Promise<readonly HostArray[]>;
}

const interpreter: Backend = {
  evaluate: async (tensors) => interpret(tensors).map(hostArray),
};

let current: Backend = interpreter;

/** Chooses what computes; `runtime` puts ONNX Runtime here. Without it, the reference interpreter does. */
export function setBackend(backend: Backend): void {
  current = backend;
}

/** The values of tensors that depend on constants and variables alone. */
export async function evaluate(...tensors: readonly Tensor[]): Promise<readonly HostArray[]> {
  return current.evaluate(tensors);
}

/** The elements of one tensor as numbers, for small results. */
export async function numbers(tensor: Tensor): Promise<number[]> {
  const [array] = await evaluate(tensor);
  return Array.from(array!.data as ArrayLike<number | bigint>, Number);
}
