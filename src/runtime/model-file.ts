import * as ort from 'onnxruntime-node';
import type { DType } from '../tensor/dtype.js';
import type { HostArray } from '../tensor/variable.js';
import { messageOf } from '../util/errors.js';
import { arrayOf, ortTensor } from './array.js';
import { cpu, type Device } from './device.js';
import { ExecutionError } from './session.js';
import { inTurn } from './turn.js';

/** An input or output of a model file. A dimension is a size or a symbol's name. */
export interface ModelFileValue {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly (number | string)[];
}

/** ONNX Runtime prints what it throws as well; only what is fatal may reach the terminal. */
const FATAL = 4;

/** An ONNX file, opened in ONNX Runtime as any program would open it; weights beside it are mapped by the runtime. */
export class ModelFile {
  readonly file: string;
  readonly inputs: readonly ModelFileValue[];
  readonly outputs: readonly ModelFileValue[];
  private readonly session: ort.InferenceSession;

  private constructor(file: string, session: ort.InferenceSession) {
    this.file = file;
    this.session = session;
    this.inputs = session.inputMetadata.flatMap(typedValue);
    this.outputs = session.outputMetadata.flatMap(typedValue);
  }

  /** @throws {ExecutionError} if ONNX Runtime does not take the file. */
  static async open(file: string, device: Device = cpu()): Promise<ModelFile> {
    try {
      const session = await ort.InferenceSession.create(file, {
        executionProviders: [device.kind],
        graphOptimizationLevel: 'all',
        logSeverityLevel: FATAL,
        ...(device.kind === 'cpu' ? { intraOpNumThreads: device.threads } : {}),
      });
      return new ModelFile(file, session);
    } catch (error) {
      throw failure(error, file, 'cannot open the model');
    }
  }

  /** @throws {ExecutionError} if an input is missing or does not fit. */
  run(inputs: Readonly<Record<string, HostArray>>): Promise<Record<string, HostArray>> {
    return inTurn(async () => {
      try {
        const feeds = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, ortTensor(value)]));
        const results = await this.session.run(feeds);
        return Object.fromEntries(
          Object.entries(results).map(([name, tensor]) => [name, arrayOf(tensor as ort.Tensor) as HostArray]),
        );
      } catch (error) {
        throw failure(error, this.file, 'the model failed');
      }
    });
  }

  release(): Promise<void> {
    return inTurn(() => this.session.release());
  }
}

function typedValue(metadata: ort.InferenceSession.ValueMetadata): ModelFileValue[] {
  if (!metadata.isTensor) return [];
  return [{ name: metadata.name, dtype: metadata.type as DType, dims: metadata.shape }];
}

function failure(error: unknown, where: string, summary: string): ExecutionError {
  const reason = messageOf(error)
    .replace(/^.*Status Message:\s*/s, '')
    .split('\n')[0]!;
  return new ExecutionError(`${summary}: ${reason}`, { where, cause: error });
}
