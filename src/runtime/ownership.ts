import type { ArrayValue, HostArray, Variable } from '../tensor/variable.js';
import { isGpuArray } from './array.js';
import { moveToGpu, moveToHost } from './gpu.js';

/** Which variable an array was made for. Programs write over, and give back, such arrays alone. */
const owners = new WeakMap<ArrayValue, Variable>();

export function owns(variable: Variable, value: ArrayValue): boolean {
  return owners.get(value) === variable;
}

/** Enters an array as made for this variable. */
export function adopt<A extends ArrayValue>(variable: Variable, value: A): A {
  owners.set(value, variable);
  return value;
}

/**
 * Makes a variable's value one that may be overwritten: an array that came from outside, or that another variable
 * holds, is copied once. So the array that a variable was made from keeps its contents.
 */
export function claim(variable: Variable): void {
  const value = variable.value as HostArray;
  if (!owns(variable, value)) variable.value = adopt(variable, { ...value, data: value.data.slice() });
}

/** Gives an array's memory on the GPU back, if it was made for this variable. */
export function discard(variable: Variable, value: ArrayValue): void {
  if (isGpuArray(value) && owns(variable, value)) value.gpu.dispose();
}

/** Moves a variable's value to the GPU or from it, unless it is there. */
export async function place(variable: Variable, onGpu: boolean): Promise<void> {
  const { value } = variable;
  const foreign = owners.has(value) && !owns(variable, value);
  if (onGpu) {
    // What another variable made is copied: that one gives it back at its next update.
    if (isGpuArray(value) && !foreign) return;
    variable.value = adopt(variable, await moveToGpu(value as HostArray));
  } else if (isGpuArray(value)) {
    variable.value = adopt(variable, await moveToHost(value));
    discard(variable, value);
  }
}
