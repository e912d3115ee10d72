import { median } from '../evaluate/bench-machine.js';
import { Llama } from '../models/llama.js';
import { initialize } from '../nn/module.js';
import { AdamW } from '../optim/adamw.js';
import { array } from '../runtime/array.js';
import type { Device } from '../runtime/device.js';
import { languageModelLoss } from '../train/language-model.js';
import { TrainStep } from '../train/step.js';
import { llamaConfig, type ModelShape, trainingFlopsPerToken } from './shape.js';

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
