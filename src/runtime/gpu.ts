import type * as ort from 'onnxruntime-node';
import { IR_VERSION, OPSET } from '../onnx/lower.js';
import type { OnnxModel } from '../onnx/model.js';
import type { DType } from '../tensor/dtype.js';
import type { HostArray } from '../tensor/variable.js';
import { arrayOf, type GpuArray, ortTensor } from './array.js';
import { ExecutionError, openSession } from './session.js';

/** False for element types that ONNX Runtime cannot keep on a GPU; such arrays stay in this process's memory. */
export function fitsGpu(dtype: DType): boolean {
  return dtype !== 'float64';
}

/** Copies an array to the GPU: a program that does nothing, whose result stays there. Every bit is kept. */
export async function moveToGpu(value: HostArray | GpuArray): Promise<GpuArray> {
  if (!fitsGpu(value.dtype)) {
    throw new ExecutionError('the GPU does not hold this element type', {
      where: 'moveToGpu',
      got: value.dtype,
      hint: 'Convert to float32 first.',
    });
  }
  return (await copy(value, true)) as GpuArray;
}

/**
 * Copies an array from the GPU. Asking ONNX Runtime's tensor itself for its data aborts the process (1.30), so this too
 * is a program, whose result is on the CPU.
 */
export async function moveToHost(value: GpuArray): Promise<HostArray> {
  return (await copy(value, false)) as HostArray;
}

/**
 * One session for each element type, rank and direction, never closed: an array on the GPU lives as long as the session
 * that made it, and to use it afterwards aborts the process (1.30).
 */
const sessions = new Map<string, Promise<ort.InferenceSession>>();

async function copy(value: HostArray | GpuArray, toGpu: boolean): Promise<HostArray | GpuArray> {
  const { dtype, shape } = value;
  const key = `${dtype} ${shape.length} ${toGpu}`;
  let opening = sessions.get(key);
  if (!opening) {
    const model = copyModel(dtype, shape.length);
    opening = openSession(model, { device: { kind: 'webgpu' }, resident: toGpu ? ['y'] : [] });
    sessions.set(key, opening);
    opening.catch(() => sessions.delete(key));
  }
  const { y } = await (await opening).run({ x: ortTensor(value) });
  return arrayOf(y as ort.Tensor);
}

function copyModel(type: DType, rank: number): OnnxModel {
  const dims = Array.from({ length: rank }, (_, axis) => `d${axis}`);
  return {
    irVersion: IR_VERSION,
    opsets: { '': OPSET },
    producer: 'athanor',
    graph: {
      name: 'copy',
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      initializers: [],
      inputs: [{ name: 'x', type, dims }],
      outputs: [{ name: 'y', type, dims }],
    },
  };
}
