/**
 * A small Llama learns a text, with every part in sight: tokenizer, batches, loss, optimizer, loop, checkpoint.
 *
 *     npx tsx examples/train-tiny-llama.ts [text file] [steps] [folder]
 *
 * `athanor pretrain` does the same with held-out text, a schedule, checkpoints and resuming.
 */
import { readFileSync } from 'node:fs';
import { PackedBatches } from '../src/data/packing.js';
import { packDocuments } from '../src/data/token-store.js';
import { Llama } from '../src/models/llama.js';
import { saveModel } from '../src/models/save.js';
import { initialize } from '../src/nn/module.js';
import { AdamW } from '../src/optim/adamw.js';
import { cpu } from '../src/runtime/device.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import { END_OF_TEXT } from '../src/tokenizer/tokenizer.js';
import { batchArrays, batchWeight, languageModelLoss } from '../src/train/language-model.js';
import { TrainStep } from '../src/train/step.js';

export interface TinyRun {
  readonly text: string;
  readonly steps: number;
  /** Where the model goes, in Hugging Face layout. */
  readonly folder: string;
  readonly onStep?: (step: number, loss: number) => void;
}

/** Trains and saves; returns the loss of every step, in nats per token. */
export async function trainTinyLlama({ text, steps, folder, onStep }: TinyRun): Promise<number[]> {
  const tokenizer = await trainByteBpe([text], { vocabularySize: 384, specialTokens: [END_OF_TEXT] });
  const store = await packDocuments([{ text, origin: 'text' }], tokenizer);
  const batches = new PackedBatches(store, { rows: 8, columns: 64, seed: 1 });

  const model = initialize(
    new Llama({
      vocabularySize: tokenizer.vocabularySize,
      width: 64,
      layers: 2,
      heads: 2,
      keyHeads: 1,
      hidden: 176,
      positions: 128,
      theta: 10_000,
      epsilon: 1e-5,
      tiedHead: true,
      queryKeyNorm: false,
    }),
    1,
  );
  const step = new TrainStep({
    model,
    loss: languageModelLoss(model),
    optimizer: new AdamW(model.parameters()),
    clipNorm: 1,
    device: cpu(),
  });

  const losses: number[] = [];
  for (let i = 1; i <= steps; i++) {
    const batch = batches.next();
    const targets = batchWeight(batch);
    // The loss is a sum over the batch; the step divides it by the number of targets.
    const { lossSum } = await step.run([batchArrays(batch, { segments: false })], targets, i, 3e-3);
    losses.push(lossSum / targets);
    onStep?.(i, lossSum / targets);
  }
  await step.release();
  await saveModel(folder, { model, tokenizer });
  return losses;
}

if (process.argv[1] === import.meta.filename) {
  const [file = 'LICENSE', steps = '200', folder = 'runs/tiny-llama'] = process.argv.slice(2);
  await trainTinyLlama({
    text: readFileSync(file, 'utf8'),
    steps: Number(steps),
    folder,
    onStep: (step, loss) => {
      if (step === 1 || step % 20 === 0) console.log(`step ${step}: ${loss.toFixed(3)} nats per token`);
    },
  });
  console.log(`The model is in ${folder}. Let it write: npx tsx examples/generate-text.ts ${folder}`);
}
