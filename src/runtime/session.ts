import * as ort from 'onnxruntime-node';
import type { OnnxModel } from '../onnx/model.js';
import { encodeModel } from '../onnx/writer.js';
import { AthanorError, messageOf } from '../util/errors.js';
import type { Device } from './device.js';

/** ONNX Runtime refused or failed a program. */
export class ExecutionError extends AthanorError {}

export interface SessionOptions {
  readonly device: Device;
  /** Write ONNX Runtime's profile to files with this prefix. */
  readonly profilePrefix?: string;
  /** Outputs that stay on the device. */
  readonly resident?: readonly string[];
}

/** Opens a model in ONNX Runtime. @throws {ExecutionError} in our words, naming the op where it is known. */
export async function openSession(model: OnnxModel, options: SessionOptions): Promise<ort.InferenceSession> {
  const { device, profilePrefix, resident = [] } = options;
  const onGpu = device.kind === 'webgpu';
  try {
    return await ort.InferenceSession.create(encodeModel(model), {
      executionProviders: [device.kind],
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      logSeverityLevel: 3,
      interOpNumThreads: 1,
      ...(device.kind === 'cpu' ? { intraOpNumThreads: device.threads } : {}),
      ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
      ...(onGpu && resident.length > 0
        ? {
            preferredOutputLocation: Object.fromEntries(
              model.graph.outputs.map(({ name }) => [name, resident.includes(name) ? 'gpu-buffer' : 'cpu'] as const),
            ),
          }
        : {}),
    });
  } catch (error) {
    throw translate(error, model, onGpu ? 'opening a program on the GPU' : 'opening a program');
  }
}

/** Says what ONNX Runtime said, with the op's name and the shapes that the graph declares around it. */
export function translate(error: unknown, model: OnnxModel, where: string): ExecutionError {
  const text = messageOf(error);
  const name = /[Nn]ame:\s*'([^']+)'/.exec(text)?.[1] ?? /Node[: ]*\(([^)]+)\)/.exec(text)?.[1];
  const node = model.graph.nodes.find((candidate) => candidate.name === name);
  const values = new Map([...model.graph.inputs, ...model.graph.outputs].map((value) => [value.name, value]));
  const reason = text.replace(/^.*Status Message:\s*/s, '').replace(/^\[ONNXRuntimeError\][^:]*:\s*/, '');
  const operands = node?.inputs.map((input) => {
    const value = values.get(input);
    return value ? `${input} ${value.type}[${value.dims.join(', ')}]` : input;
  });
  return new ExecutionError(reason.trim().split('\n')[0] ?? text, {
    where: node ? `${where}, op ${node.name?.replace(/_\d+$/, '')} (${node.op})` : where,
    ...(operands ? { got: operands.join('; ') } : {}),
    cause: error,
  });
}
