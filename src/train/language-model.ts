import type { TokenBatch } from '../data/batch.js';
import type { Decoder } from '../models/architecture.js';
import { projectedCrossEntropy } from '../nn/project.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import type { Device } from '../runtime/device.js';
import { mul } from '../tensor/ops/binary.js';
import { reshape } from '../tensor/ops/layout.js';
import { sum } from '../tensor/ops/reduce.js';
import { multiplyDims } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import type { BatchArrays, LossFunction } from './step.js';

/** What a training batch looks like to a program: ids `[B, T]`, and weights of the targets `[B, T]`. */
export function batchArrays(batch: TokenBatch, options: { readonly segments: boolean }): BatchArrays {
  const shape = [batch.rows, batch.columns];
  return {
    inputs: array(batch.inputs, shape),
    targets: array(batch.targets, shape),
    weights: array(batch.weights, shape),
    ...(options.segments ? { segments: array(batch.segments, shape) } : {}),
  };
}

/** How many targets of a batch count. */
export function batchWeight({ weights }: TokenBatch): number {
  let total = 0;
  for (const weight of weights) total += weight;
  return total;
}

export interface LanguageModelLossOptions {
  /** Keep less in memory and compute it again in the backward pass. */
  readonly recompute?: boolean;
}

/**
 * Weighted next-token cross-entropy, in nats, token by token: `−log p(targetₜ | inputs≤ₜ) · weightₜ`; `[B·T]`. Where the
 * batch has `segments`, documents that share a row do not see each other.
 */
export function tokenLosses(
  model: Decoder,
  batch: Readonly<Record<string, Tensor>>,
  { recompute = false }: LanguageModelLossOptions = {},
): Tensor {
  const { inputs, targets, weights, segments } = batch;
  const hidden = model.hidden(inputs!, { recompute, ...(segments ? { segments } : {}) });
  const rows = inputs!.shape.reduce(multiplyDims, 1);
  const flat = reshape(hidden, [rows, model.config.width]);
  const losses = projectedCrossEntropy(flat, model.headWeight, reshape(targets!, [rows]));
  return mul(losses, reshape(weights!, [rows]));
}

/** The sum of `tokenLosses`, which training minimises. */
export function languageModelLoss(model: Decoder, options?: LanguageModelLossOptions): LossFunction {
  return (batch) => sum(tokenLosses(model, batch, options));
}

/** Total loss of a model over batches, without learning: nats, and the number of targets that they are over. */
export class LossMeter {
  private readonly program: ReturnType<typeof compile<Tensor>>;

  constructor(model: Decoder, device: Device) {
    const loss = languageModelLoss(model);
    this.program = compile((batch: Readonly<Record<string, Tensor>>) => loss(batch), { device });
  }

  async measure(
    batches: Iterable<TokenBatch>,
    options: { readonly segments: boolean },
  ): Promise<{ readonly nats: number; readonly targets: number }> {
    let nats = 0;
    let targets = 0;
    for (const batch of batches) {
      const result = (await this.program(batchArrays(batch, options))) as unknown as HostArray;
      nats += Number(result.data[0]);
      targets += batchWeight(batch);
    }
    return { nats, targets };
  }

  async release(): Promise<void> {
    await this.program.release();
  }
}
