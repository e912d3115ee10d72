import { lower } from '../onnx/lower.js';
import { add } from '../tensor/ops/binary.js';
import { reshape } from '../tensor/ops/layout.js';
import { type HostArray, input } from '../tensor/variable.js';
import { arrayOf, type GpuArray, ortTensor } from './array.js';
import { openSession } from './session.js';

/** Copies an array to the GPU: a program that adds zero, whose result stays there. */
export async function moveToGpu(value: HostArray): Promise<GpuArray> {
  return (await copy(value, true)) as GpuArray;
}

/**
 * Copies an array from the GPU. Asking ONNX Runtime's tensor itself for its data aborts the process (1.30), so this too
 * is a program, whose result is on the CPU.
 */
export async function moveToHost(value: GpuArray): Promise<HostArray> {
  return (await copy(value, false)) as HostArray;
}

async function copy(value: HostArray | GpuArray, toGpu: boolean): Promise<HostArray | GpuArray> {
  const size = value.shape.reduce((product, n) => product * n, 1);
  const x = input('x', value.dtype, value.shape);
  const y = reshape(add(reshape(x, [size]), 0), value.shape);
  const { model } = lower([{ name: 'y', tensor: y }], 'webgpu');
  const session = await openSession(model, { device: { kind: 'webgpu' }, resident: toGpu ? ['y'] : [] });
  try {
    const { y: result } = await session.run({ x: ortTensor(value) });
    return arrayOf(result as never);
  } finally {
    await session.release();
  }
}
