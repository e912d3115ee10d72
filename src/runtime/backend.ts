import { type Backend, setBackend } from '../tensor/backend.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import { compile } from './compile.js';
import { cpu, type Device } from './device.js';

/** Computes what `evaluate` asks for with ONNX Runtime. */
export function onnxBackend(device: Device = cpu()): Backend {
  return {
    async evaluate(tensors: readonly Tensor[]): Promise<readonly HostArray[]> {
      const program = compile(() => tensors, { device });
      try {
        return (await program()) as readonly HostArray[];
      } finally {
        await program.release();
      }
    },
  };
}

/** Makes ONNX Runtime the one that computes values on request. */
export function installBackend(device?: Device): void {
  setBackend(onnxBackend(device));
}
