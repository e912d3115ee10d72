import * as ort from 'onnxruntime-node';
import { IR_VERSION, OPSET } from '../onnx/lower.js';
import { isExternal, type OnnxModel } from '../onnx/model.js';
import { encodeModel } from '../onnx/writer.js';
import { formatShape } from '../tensor/shape.js';
import type { TensorType } from '../tensor/tensor.js';
import { AthanorError, messageOf } from '../util/errors.js';
import type { Device } from './device.js';

/** ONNX Runtime refused or failed a program. */
export class ExecutionError extends AthanorError {}

/** What is known of the values in a model by their names; it makes messages more telling. */
export type ValueTypes = ReadonlyMap<string, TensorType>;

export interface SessionOptions {
  readonly device: Device;
  /** Write ONNX Runtime's profile to files with this prefix. */
  readonly profilePrefix?: string;
  /** Outputs that stay on the device. */
  readonly resident?: readonly string[];
  readonly types?: ValueTypes;
}

/** ONNX Runtime prints what it throws as well; only what is fatal may reach the terminal. */
const FATAL = 4;

/**
 * The model with its nodes listed backwards. ONNX Runtime takes them in any order and makes its own: from the results
 * back to what they need, what is listed last first. So what we recorded first comes first: a weight's gradient
 * is computed when its operands are there, and frees them. Listed forwards, it would leave all weight gradients to the
 * end and hold every activation until then (twice the memory, and recomputation would save nothing).
 */
function scheduled(model: OnnxModel): OnnxModel {
  return { ...model, graph: { ...model.graph, nodes: model.graph.nodes.toReversed() } };
}

/** Constants of at least so many bytes are handed over beside the model, not inside it. */
const LARGE_BYTES = 1 << 16;

/**
 * The model without its large constants, and those: inside the model they would be copied into the message, parsed, and
 * copied again.
 */
function apart(model: OnnxModel): {
  readonly model: OnnxModel;
  readonly externalData: { readonly path: string; readonly data: Uint8Array }[];
} {
  const externalData: { path: string; data: Uint8Array }[] = [];
  const initializers = model.graph.initializers.map((tensor) => {
    if (isExternal(tensor.data) || tensor.data.length < LARGE_BYTES) return tensor;
    const location = `constant-${externalData.length}`;
    externalData.push({ path: location, data: tensor.data });
    return { ...tensor, data: { location, offset: 0, length: tensor.data.length } };
  });
  return { model: { ...model, graph: { ...model.graph, initializers } }, externalData };
}

/** Opens a model in ONNX Runtime. @throws {ExecutionError} in our words, naming the op where it is known. */
export async function openSession(model: OnnxModel, options: SessionOptions): Promise<ort.InferenceSession> {
  const { device, profilePrefix, resident = [], types } = options;
  if (device.kind === 'webgpu') await keepGpuOpen();
  const { model: light, externalData } = apart(model);
  try {
    return await ort.InferenceSession.create(encodeModel(scheduled(light)), {
      ...(externalData.length === 0 ? {} : { externalData }),
      executionProviders: [device.kind],
      // The pattern is one block as large as the peak, beside the arena that grew to the peak in the first run.
      enableMemPattern: false,
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      logSeverityLevel: FATAL,
      interOpNumThreads: 1,
      ...(device.kind === 'cpu' ? { intraOpNumThreads: device.threads } : {}),
      ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
      ...(device.kind === 'webgpu' && resident.length > 0
        ? {
            preferredOutputLocation: Object.fromEntries(
              model.graph.outputs.map(({ name }) => [name, resident.includes(name) ? 'gpu-buffer' : 'cpu'] as const),
            ),
          }
        : {}),
    });
  } catch (error) {
    const where = device.kind === 'webgpu' ? 'opening a program on the GPU' : 'opening a program';
    throw translate(error, model, where, types);
  }
}

let anchor: Promise<ort.InferenceSession> | undefined;

/**
 * Opens a session that is never closed. ONNX Runtime gives the GPU back with its last session, and to get it again
 * takes a tenth of a second.
 */
async function keepGpuOpen(): Promise<void> {
  const value = { name: '', type: 'float32', dims: [1] } as const;
  const model: OnnxModel = {
    irVersion: IR_VERSION,
    opsets: { '': OPSET },
    producer: 'athanor',
    graph: {
      name: 'anchor',
      nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
      initializers: [],
      inputs: [{ ...value, name: 'x' }],
      outputs: [{ ...value, name: 'y' }],
    },
  };
  anchor ??= ort.InferenceSession.create(encodeModel(model), {
    executionProviders: ['webgpu'],
    logSeverityLevel: FATAL,
  });
  try {
    await anchor;
  } catch (error) {
    anchor = undefined;
    throw new ExecutionError('this machine offers no GPU to WebGPU', {
      where: 'webgpu',
      got: messageOf(error).split('\n')[0]!,
      hint: 'Run on the CPU, or install a driver for Vulkan, Metal or Direct3D 12.',
      cause: error,
    });
  }
}

/** Whether programs can run on `webgpu()` here. */
export async function hasWebGpu(): Promise<boolean> {
  try {
    await keepGpuOpen();
    return true;
  } catch {
    return false;
  }
}

/** Says what ONNX Runtime said, with the op's name and the types of its operands. */
export function translate(error: unknown, model: OnnxModel, where: string, types?: ValueTypes): ExecutionError {
  const text = messageOf(error);
  const name = /[Nn]ame:\s*'([^']+)'/.exec(text)?.[1] ?? /Node[: ]*\(([^)]+)\)/.exec(text)?.[1];
  const node = model.graph.nodes.find((candidate) => candidate.name === name);
  const reason = text.replace(/^.*Status Message:\s*/s, '').replace(/^\[ONNXRuntimeError\][^:]*:\s*/, '');
  const operands = node?.inputs.map((input) => {
    const type = types?.get(input);
    return type ? `${type.dtype}${formatShape(type.shape)}` : input;
  });
  return new ExecutionError(reason.trim().split('\n')[0] || text, {
    where: node ? `${where}, op ${node.name?.replace(/_\d+$/, '')} (ONNX ${node.op})` : where,
    ...(operands ? { got: operands.join(', ') } : {}),
    cause: error,
  });
}
