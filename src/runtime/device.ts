import { availableParallelism } from 'node:os';

/** Where programs run. */
export type Device =
  | {
      readonly kind: 'cpu';
      /** Threads inside an operation. */
      readonly threads: number;
    }
  | { readonly kind: 'webgpu' };

/** This machine's processor; by default with as many threads as it has cores. */
export function cpu(options: { readonly threads?: number } = {}): Device {
  return { kind: 'cpu', threads: options.threads ?? availableParallelism() };
}

/** The graphics processor, through WebGPU. Weights stay there between steps. */
export function webgpu(): Device {
  return { kind: 'webgpu' };
}
