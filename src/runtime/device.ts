import { availableParallelism } from 'node:os';
import { InputError } from '../util/errors.js';

/** Where programs run. */
export type Device =
  | {
      readonly kind: 'cpu';
      /** Threads inside an operation. */
      readonly threads: number;
    }
  | { readonly kind: 'webgpu' };

/**
 * This machine's processor; by default with as many threads as it has cores.
 *
 * @throws {InputError} if the number of threads is not a positive integer.
 */
export function cpu(options: { readonly threads?: number } = {}): Device {
  const { threads = availableParallelism() } = options;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InputError('no such number of threads', { where: 'cpu', expected: '1 or more', got: `${threads}` });
  }
  return { kind: 'cpu', threads };
}

/**
 * The graphics processor, through WebGPU. Weights stay there between steps. Its sine and cosine are only good to
 * 2⁻¹¹ (WGSL, "Accuracy of built-in functions"), so drawn normals differ from the CPU's in the fourth digit.
 */
export function webgpu(): Device {
  return { kind: 'webgpu' };
}
