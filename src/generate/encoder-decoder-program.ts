import type { EncoderDecoder } from '../models/encoder-decoder.js';
import type { KeysAndValues } from '../nn/attention.js';
import { lower } from '../onnx/lower.js';
import { ortTensor } from '../runtime/array.js';
import type { Device } from '../runtime/device.js';
import { moveToGpu } from '../runtime/gpu.js';
import { openSession, translate } from '../runtime/session.js';
import { runInto, withUnreadOutputs } from '../runtime/unread.js';
import { reshape } from '../tensor/ops/layout.js';
import { slice } from '../tensor/ops/slice.js';
import { addDims, dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { type HostArray, input, isHostArray, type Variable, variableOf } from '../tensor/variable.js';

type Arrays = Readonly<Record<string, HostArray>>;
type Session = Awaited<ReturnType<typeof openSession>>;
type OnnxModel = ReturnType<typeof lower>['model'];

/** A recorded program whose results go into arrays that the caller holds; weights are looked up at each run. */
class HostProgram {
  private readonly session: Session;
  private readonly model: OnnxModel;
  private readonly device: Device;
  private readonly weights: readonly (readonly [string, Variable])[];

  private constructor(session: Session, lowered: ReturnType<typeof lower>, device: Device) {
    this.session = session;
    this.model = lowered.model;
    this.device = device;
    this.weights = lowered.inputs.flatMap(({ name, tensor }) => {
      const variable = variableOf(tensor);
      return variable ? [[name, variable] as const] : [];
    });
  }

  static async open(outputs: Readonly<Record<string, Tensor>>, device: Device): Promise<HostProgram> {
    const named = Object.entries(outputs).map(([name, tensor]) => ({ name, tensor }));
    const lowered = lower(named, device.kind);
    const model = device.kind === 'cpu' ? withUnreadOutputs(lowered.model) : lowered.model;
    return new HostProgram(await openSession(model, { device }), lowered, device);
  }

  /** @param into an array for every result; what it holds is written over. */
  async run(inputs: Arrays, into: Arrays): Promise<void> {
    const onCpu = this.device.kind === 'cpu';
    const feeds: Record<string, ReturnType<typeof ortTensor>> = {};
    for (const [name, variable] of this.weights) {
      if (!onCpu && isHostArray(variable.value)) variable.value = await moveToGpu(variable.value);
      feeds[name] = ortTensor(variable.value);
    }
    for (const [name, value] of Object.entries(inputs)) feeds[name] = ortTensor(value);
    try {
      if (onCpu) {
        await runInto(
          this.session,
          feeds,
          Object.fromEntries(Object.entries(into).map(([name, value]) => [name, ortTensor(value)])),
        );
        return;
      }
      const results = await this.session.run(feeds);
      for (const [name, value] of Object.entries(into)) value.data.set(results[name]!.data as never);
    } catch (error) {
      throw translate(error, this.model, 'generating');
    }
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

/** Arrays of keys and values, each layer's keys before its values. */
export type LayerArrays = readonly HostArray[];

/** One step of R rows: T new positions behind P, and a memory of S. */
export interface EncoderDecoderStep {
  /** int32 `[R, T]`. */
  readonly ids: HostArray;
  /** int32 `[R, S]`. */
  readonly mask: HostArray;
  /** `[R, heads, S, headWidth]` each. */
  readonly memory: LayerArrays;
  /** `[R, heads, P, headWidth]` each. */
  readonly past: LayerArrays;
  /** `[R, heads, P + T, headWidth]` each: written. */
  readonly next: LayerArrays;
  /** float32 `[R, vocabularySize]`, of the last position: written. */
  readonly logits: HostArray;
}

/**
 * An encoder-decoder as two programs for all sizes: one reads a batch of texts and gives what the decoder attends to, one
 * decodes new positions. Weights are the model's own variables.
 */
export class EncoderDecoderProgram {
  private readonly encoder: HostProgram;
  private readonly decoder: HostProgram;

  private constructor(encoder: HostProgram, decoder: HostProgram) {
    this.encoder = encoder;
    this.decoder = decoder;
  }

  static async open(model: EncoderDecoder, device: Device): Promise<EncoderDecoderProgram> {
    const encoder = await HostProgram.open(recordEncoder(model), device);
    try {
      return new EncoderDecoderProgram(encoder, await HostProgram.open(recordDecoder(model), device));
    } catch (error) {
      await encoder.release();
      throw error;
    }
  }

  /**
   * Reads texts. @param ids int32 `[B, S]`. @param mask int32 `[B, S]`, 0 for what fills a row.
   * @param memory `[B, heads, S, headWidth]` each: written.
   */
  async encode(ids: HostArray, mask: HostArray, memory: LayerArrays): Promise<void> {
    await this.encoder.run({ ids, mask }, named('memory', memory));
  }

  async step({ ids, mask, memory, past, next, logits }: EncoderDecoderStep): Promise<void> {
    const inputs = { ids, mask, ...named('memory', memory), ...named('past', past) };
    await this.decoder.run(inputs, { logits, ...named('next', next) });
  }

  async release(): Promise<void> {
    await this.encoder.release();
    await this.decoder.release();
  }
}

function recordEncoder(model: EncoderDecoder): Record<string, Tensor> {
  const [rows, length] = [dim('B'), dim('S')];
  const ids = input('ids', 'int32', [rows, length]);
  const mask = input('mask', 'int32', [rows, length]);
  const { layers } = model.remember({ hidden: model.encode({ ids, mask }), mask });
  return named('memory', flat(layers));
}

function recordDecoder(model: EncoderDecoder): Record<string, Tensor> {
  const [rows, time, positions, length] = [dim('R'), dim('T'), dim('P'), dim('S')];
  const ids = input('ids', 'int32', [rows, time]);
  const mask = input('mask', 'int32', [rows, length]);
  const layersOf = (name: string, size: typeof length): KeysAndValues[] => {
    const array = (index: number): Tensor => input(`${name}.${index}`, 'float32', model.keyShape(rows, size));
    return Array.from({ length: model.config.decoderLayers }, (_, i) => ({
      keys: array(2 * i),
      values: array(2 * i + 1),
    }));
  };
  const past = { layers: layersOf('past', positions), memory: { layers: layersOf('memory', length), mask } };
  const { hidden, layers } = model.extend(ids, past);
  const last = reshape(slice(hidden, 1, addDims(time, -1), time), [rows, hidden.shape[2]!]);
  return { logits: model.logits(last), ...named('next', flat(layers)) };
}

function flat(layers: readonly KeysAndValues[]): Tensor[] {
  return layers.flatMap(({ keys, values }) => [keys, values]);
}

function named<T>(name: string, values: readonly T[]): Record<string, T> {
  return Object.fromEntries(values.map((value, i) => [`${name}.${i}`, value]));
}
