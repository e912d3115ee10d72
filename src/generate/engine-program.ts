import { fuseProducts } from '../onnx/fuse-products.js';
import { fuseResiduals } from '../onnx/fuse-residuals.js';
import { lower } from '../onnx/lower.js';
import { arrayOf, isGpuArray, ortTensor } from '../runtime/array.js';
import type { Device } from '../runtime/device.js';
import { safeDonations } from '../runtime/donation.js';
import { moveToGpu } from '../runtime/gpu.js';
import { openSession, translate } from '../runtime/session.js';
import { runInto, withUnreadOutputs } from '../runtime/unread.js';
import { gather } from '../tensor/ops/gather.js';
import { reshape } from '../tensor/ops/layout.js';
import { dim, multiplyDims, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { type ArrayValue, type HostArray, input, isHostArray, type Variable, variableOf } from '../tensor/variable.js';
import { AthanorError } from '../util/errors.js';
import type { DecoderModel } from './contract.js';

/** What one step of B rows and T new positions reads and writes, apart from the cache. */
export interface DecodeStep {
  /** int32 `[B, T]`. */
  readonly ids: HostArray;
  /** int32 `[B]`. */
  readonly lastPositions: HostArray;
  /** int32 `[1]`. */
  readonly total: HostArray;
  /** int32 `[B]`: the places, among the B·T new positions, whose logits are wanted. */
  readonly wanted: HostArray;
  /** float32 `[B, vocabularySize]`: written. */
  readonly logits: HostArray;
}

type Session = Awaited<ReturnType<typeof openSession>>;
type Feeds = Record<string, ReturnType<typeof ortTensor>>;
type OnnxModel = ReturnType<typeof lower>['model'];

/**
 * A model's decoding step as one program for every number of rows, of new positions, and every capacity of the cache:
 * all three are symbolic. Weights are the model's own variables, looked up at each run; on the CPU the cache is updated
 * in its own memory.
 */
export class DecodeProgram {
  private readonly session: Session;
  private readonly model: OnnxModel;
  private readonly device: Device;
  private readonly weights: readonly (readonly [string, Variable])[];
  private readonly cacheNames: readonly string[];
  private readonly feeds: Feeds = {};

  private constructor(
    session: Session,
    model: OnnxModel,
    device: Device,
    weights: readonly (readonly [string, Variable])[],
    cacheNames: readonly string[],
  ) {
    this.session = session;
    this.model = model;
    this.device = device;
    this.weights = weights;
    this.cacheNames = cacheNames;
  }

  static async open(model: DecoderModel, device: Device, profilePrefix?: string): Promise<DecodeProgram> {
    const [rows, time, capacity] = [dim('B'), dim('T'), dim('P')];
    const [, heads, , width] = model.cacheShape(1, 1) as readonly [number, number, number, number];
    const cacheShape: Shape = [rows, heads, capacity, width];
    const ids = input('ids', 'int32', [rows, time]);
    const wanted = input('wanted', 'int32', [rows]);
    const layers = Array.from({ length: model.config.layers }, (_, i) => ({
      keys: input(`cache.${i}.keys`, 'float32', cacheShape),
      values: input(`cache.${i}.values`, 'float32', cacheShape),
    }));
    const lastPositions = input('lastPositions', 'int32', [rows]);
    const total = input('total', 'int32', [1]);
    const { hidden, layers: entered } = model.decode(ids, { layers, lastPositions, total });
    const vectors = reshape(hidden, [multiplyDims(rows, time), hidden.shape[2]!]);
    const outputs: { name: string; tensor: Tensor }[] = [
      { name: 'logits', tensor: model.logits(gather(vectors, wanted)) },
    ];
    const cacheNames = layers.flatMap((_, i) => [`cache.${i}.keys`, `cache.${i}.values`]);
    for (const [i, { keys, values }] of entered.entries()) {
      outputs.push({ name: `new.cache.${i}.keys`, tensor: keys }, { name: `new.cache.${i}.values`, tensor: values });
    }
    const lowered = lower(outputs, device.kind);
    const program = fuseResiduals(fuseProducts(lowered.model));
    const pairs = cacheNames.map((name) => ({ input: name, output: `new.${name}` }));
    if (safeDonations(program.graph, pairs).size < pairs.length) {
      throw new AthanorError('the cache cannot be updated in its own memory', {
        where: 'decode',
        expected: 'each layer’s cache to be read by its cachedAttention alone',
      });
    }
    const session = await openSession(device.kind === 'cpu' ? withUnreadOutputs(program) : program, {
      device,
      resident: pairs.map(({ output }) => output),
      ...(profilePrefix === undefined ? {} : { profilePrefix }),
    });
    const weights = lowered.inputs.flatMap(({ name, tensor }) => {
      const variable = variableOf(tensor);
      return variable ? [[name, variable] as const] : [];
    });
    return new DecodeProgram(session, program, device, weights, cacheNames);
  }

  /**
   * Runs one step. @param cache keys and values of each layer in turn, of as many rows as the step has.
   * @returns the cache afterwards: on the CPU the same arrays.
   */
  async run(step: DecodeStep, cache: readonly ArrayValue[]): Promise<readonly ArrayValue[]> {
    const { feeds, cacheNames } = this;
    const onCpu = this.device.kind === 'cpu';
    for (const [name, variable] of this.weights) {
      if (!onCpu && isHostArray(variable.value)) variable.value = await moveToGpu(variable.value);
      feeds[name] = ortTensor(variable.value);
    }
    feeds.ids = ortTensor(step.ids);
    feeds.lastPositions = ortTensor(step.lastPositions);
    feeds.total = ortTensor(step.total);
    feeds.wanted = ortTensor(step.wanted);
    const cacheFeeds = cache.map(ortTensor);
    cacheNames.forEach((name, i) => {
      feeds[name] = cacheFeeds[i]!;
    });
    try {
      if (!onCpu) return await this.runOnDevice(step, cache);
      const into: Feeds = { logits: ortTensor(step.logits) };
      cacheNames.forEach((name, i) => {
        into[`new.${name}`] = cacheFeeds[i]!;
      });
      await runInto(this.session, feeds, into);
      return cache;
    } catch (error) {
      throw translate(error, this.model, 'decoding');
    }
  }

  /** The device's arrays cannot be written into from here: each run makes new ones. */
  private async runOnDevice(step: DecodeStep, cache: readonly ArrayValue[]): Promise<readonly ArrayValue[]> {
    const results = await this.session.run(this.feeds);
    (step.logits.data as Float32Array).set(results.logits!.data as Float32Array);
    for (const array of cache) if (isGpuArray(array)) array.gpu.dispose();
    return this.cacheNames.map((name) => arrayOf(results[`new.${name}`] as never));
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}
