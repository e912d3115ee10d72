import type { Module } from '../nn/module.js';
import type { Parameter } from '../nn/parameter.js';
import { clipFactor, globalNorm, type Optimizer, stateLike } from '../optim/optimizer.js';
import { array } from '../runtime/array.js';
import { type CompiledFunction, compile, Updated } from '../runtime/compile.js';
import type { Device } from '../runtime/device.js';
import { grad } from '../tensor/grad.js';
import { add, mul } from '../tensor/ops/binary.js';
import { reshape } from '../tensor/ops/layout.js';
import { slice } from '../tensor/ops/slice.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Tree } from '../tensor/tree.js';
import type { ArrayValue, HostArray, Variable } from '../tensor/variable.js';

/** The arrays of one batch, by name. */
export type BatchArrays = Readonly<Record<string, ArrayValue>>;
export type BatchTensors = Readonly<Record<string, Tensor>>;

/**
 * What a training method minimises: the SUM of its terms over a batch. The step divides by `weight`, so several
 * micro-batches give exactly the gradient of one large batch.
 */
export type LossFunction = (batch: BatchTensors) => Tensor;

export interface TrainStepConfig {
  readonly model: Module;
  readonly loss: LossFunction;
  readonly optimizer: Optimizer;
  /** Gradients with a larger global norm are scaled down to it. */
  readonly clipNorm: number;
  readonly device: Device;
  readonly donate?: boolean;
  readonly profilePrefix?: string;
}

export interface StepResult {
  /** Sum of the loss's terms over all micro-batches. */
  readonly lossSum: number;
  /** Global norm of the gradient of the mean loss, before clipping. */
  readonly gradientNorm: number;
}

/** One optimizer step, compiled: forward, backward, clipping and the update of every weight in one program. */
export class TrainStep {
  readonly config: TrainStepConfig;
  readonly parameters: readonly Parameter[];
  private readonly last: CompiledFunction<Updated<Tensor[]>>;
  private accumulator: { readonly sums: Variable[]; readonly add: CompiledFunction<Updated<Tensor[]>> } | undefined;
  private lastWithSums: CompiledFunction<Updated<Tensor[]>> | undefined;

  constructor(config: TrainStepConfig) {
    this.config = config;
    // Last layer first: ONNX Runtime then makes each gradient as soon as the backward pass gets there, and frees what it
    // was made from. The other way round it walks back to the first layer before it makes any.
    this.parameters = config.model.trainableParameters().toReversed();
    this.last = this.compileLast([]);
  }

  private compileLast(sums: readonly Variable[]): CompiledFunction<Updated<Tensor[]>> {
    const { loss, optimizer, clipNorm, device, donate = true, profilePrefix } = this.config;
    const options = { device, donate, ...(profilePrefix === undefined ? {} : { profilePrefix }) };
    return compile((batch: BatchTensors, scalars: Tensor) => {
      const lossSum = loss(batch);
      const tensors = this.parameters.map(({ tensor }) => tensor);
      const raw = grad(lossSum, tensors).map((g, i) => (sums[i] ? add(sums[i].tensor, g) : g));
      const numbers = Array.from({ length: optimizer.scalarCount + 1 }, (_, i) =>
        reshape(slice(scalars, 0, i, i + 1), []),
      );
      // The first number is 1/weight: it and clipping make one factor, so the gradients are passed over once.
      const [perWeight, ...rest] = numbers as [Tensor, ...Tensor[]];
      const norm = mul(globalNorm(raw), perWeight);
      const factor = mul(clipFactor(norm, clipNorm), perWeight);
      const updates = optimizer.update(
        this.parameters,
        raw.map((g) => mul(g, factor)),
        rest,
      );
      const cleared = sums.map((variable) => [variable, mul(variable.tensor, 0)] as const);
      return new Updated([lossSum, norm], [...updates, ...cleared]);
    }, options);
  }

  /** The program that adds one micro-batch's gradients to the sums. */
  private accumulate(): { readonly sums: Variable[]; readonly add: CompiledFunction<Updated<Tensor[]>> } {
    if (!this.accumulator) {
      const { loss, device } = this.config;
      const sums = this.parameters.map((parameter) => stateLike(parameter, 'gradient'));
      const program = compile(
        (batch: BatchTensors) => {
          const lossSum = loss(batch);
          const gradients = grad(
            lossSum,
            this.parameters.map(({ tensor }) => tensor),
          );
          return new Updated(
            [lossSum],
            gradients.map((g, i) => [sums[i]!, add(sums[i]!.tensor, g)] as const),
          );
        },
        { device },
      );
      this.accumulator = { sums, add: program };
      this.lastWithSums = this.compileLast(sums);
    }
    return this.accumulator;
  }

  /**
   * @param batches micro-batches of one step. @param weight what the summed loss is divided by (tokens, mostly).
   * @param step from 1.
   */
  async run(batches: readonly BatchArrays[], weight: number, step: number, learningRate: number): Promise<StepResult> {
    const scalars = array(Float32Array.of(1 / weight, ...this.config.optimizer.scalars(step, learningRate)));
    let lossSum = 0;
    let program = this.last;
    if (batches.length > 1) {
      const { add: addGradients } = this.accumulate();
      for (const batch of batches.slice(0, -1)) {
        const [partial] = (await addGradients(batch as Tree<ArrayValue>)) as readonly HostArray[];
        lossSum += Number(partial!.data[0]);
      }
      program = this.lastWithSums!;
    }
    const [final, norm] = (await program(batches.at(-1)! as Tree<ArrayValue>, scalars)) as readonly HostArray[];
    return { lossSum: lossSum + Number(final!.data[0]), gradientNorm: Number(norm!.data[0]) };
  }

  /** Compiles without running; returns the seconds that it took. */
  async prepare(batch: BatchArrays): Promise<number> {
    const start = performance.now();
    await this.last.prepare(batch as Tree<ArrayValue>, array(new Float32Array(this.config.optimizer.scalarCount + 1)));
    return (performance.now() - start) / 1000;
  }

  async release(): Promise<void> {
    await this.last.release();
    await this.accumulator?.add.release();
    await this.lastWithSums?.release();
  }
}
