import { Llama } from '../models/llama.js';
import { initialize } from '../nn/module.js';
import { AdamW } from '../optim/adamw.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import type { Device } from '../runtime/device.js';
import { matmul } from '../tensor/ops/matmul.js';
import type { Tensor } from '../tensor/tensor.js';
import { languageModelLoss } from '../train/language-model.js';
import { TrainStep } from '../train/step.js';
import { llamaConfig, type ModelShape, trainingFlopsPerToken } from './shape.js';

/** The median of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/**
 * The machine's practical peak: floating-point operations a second of the fastest of a few large matrix products,
 * within about `seconds`.
 */
export async function measurePeak(device: Device, seconds = 0.6): Promise<number> {
  let best = 0;
  for (const size of [512, 1024]) {
    const product = compile((a: Tensor, b: Tensor) => matmul(a, b), { device });
    const matrix = (): ReturnType<typeof array> =>
      array(
        Float32Array.from({ length: size * size }, (_, i) => ((i * 7919) % 13) / 13),
        [size, size],
      );
    const [a, b] = [matrix(), matrix()];
    await product(a, b);
    const end = performance.now() + (seconds * 1000) / 2;
    while (performance.now() < end) {
      const start = performance.now();
      await product(a, b);
      best = Math.max(best, (2 * size ** 3) / ((performance.now() - start) / 1000));
    }
    await product.release();
  }
  return best;
}

/** Floating-point operations a second that the real training step of a shape reaches, within about `seconds`. */
export async function measureTraining(
  shape: ModelShape,
  batch: { readonly rows: number; readonly columns: number },
  device: Device,
  seconds = 1,
): Promise<number> {
  const model = initialize(new Llama(llamaConfig(shape, batch.columns)), 1);
  const step = new TrainStep({
    model,
    loss: languageModelLoss(model),
    optimizer: new AdamW(model.parameters()),
    clipNorm: 1,
    device,
  });
  const { rows, columns } = batch;
  const ids = Int32Array.from({ length: rows * columns }, (_, i) => (i * 31) % shape.vocabularySize);
  const arrays = {
    inputs: array(ids, [rows, columns]),
    targets: array(ids, [rows, columns]),
    weights: array(new Float32Array(rows * columns).fill(1), [rows, columns]),
  };
  try {
    await step.run([arrays], rows * columns, 1, 1e-4);
    const times: number[] = [];
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end || times.length < 3) {
      const start = performance.now();
      await step.run([arrays], rows * columns, times.length + 2, 1e-4);
      times.push((performance.now() - start) / 1000);
    }
    return (trainingFlopsPerToken(shape, columns) * rows * columns) / median(times);
  } finally {
    await step.release();
  }
}
