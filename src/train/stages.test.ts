import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  openTinyRun,
  progressThatStops,
  silentProgress,
  TINY_TRAIN,
  type TinyData,
  temporaryFolder,
  tinyData,
  tinyModel,
  weightsOfAll,
} from '../../test/tiny-training.js';
import { Llama } from '../models/llama.js';
import { loadModel } from '../models/load.js';
import { initialize } from '../nn/module.js';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import { DivergenceError } from './loop.js';
import { type PretrainInputs, type PretrainResult, pretrain } from './pretrain.js';
import type { TrainSettings } from './recipe.js';
import { type SftInputs, type SftResult, sft } from './sft.js';

const folders: string[] = [];
const newFolder = (): string => {
  folders.push(temporaryFolder());
  return folders.at(-1)!;
};
afterAll(() => {
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});

let data: TinyData;
beforeAll(async () => {
  data = await tinyData();
});

async function runPretrain(
  folder: string,
  settings: Partial<TrainSettings> = {},
  inputs: Partial<PretrainInputs> = {},
): Promise<PretrainResult> {
  const run = openTinyRun(folder);
  try {
    const config = { model: tinyModel(data.tokenizer), train: { ...TINY_TRAIN, ...settings }, seed: 3 };
    return await pretrain(config, { run, ...data, progress: silentProgress(), ...inputs });
  } finally {
    run.close('stopped');
  }
}

async function runSft(
  folder: string,
  settings: Partial<TrainSettings> = {},
  inputs: Partial<SftInputs> = {},
): Promise<SftResult & { model: Llama }> {
  const run = openTinyRun(folder);
  const model = initialize(new Llama(tinyModel(data.tokenizer)), 5);
  try {
    const given = { run, model, ...data, template: DEFAULT_CHAT_TEMPLATE, progress: silentProgress(), ...inputs };
    return { model, ...(await sft({ train: { ...TINY_TRAIN, ...settings }, seed: 3 }, given)) };
  } finally {
    run.close('stopped');
  }
}

const metricsWithoutTime = (folder: string): string[] =>
  fs
    .readFileSync(`${folder}/metrics.jsonl`, 'utf8')
    .split('\n')
    .map((line) => line.replace(/"seconds":[^,}]*/, ''));

describe('resuming', () => {
  const variants: readonly [string, Partial<TrainSettings>][] = [
    ['AdamW', {}],
    ['Muon with recomputation', { optimizer: 'muon', recompute: true }],
    ['SGD with accumulated gradients', { optimizer: 'sgd', accumulate: 3, rows: 2 }],
  ];
  it.each(variants)('pretraining ends with the same weights to the bit: %s', async (_, settings) => {
    const [whole, parted] = [newFolder(), newFolder()];
    const expected = await runPretrain(whole, settings);
    const stopped = await runPretrain(parted, settings, progressThatStops(5));
    expect(stopped.result).toMatchObject({ finished: false, step: 5 });
    await runPretrain(parted, settings, progressThatStops(7));
    const resumed = await runPretrain(parted, settings);
    expect(resumed.result).toMatchObject({ finished: true, step: 12 });
    expect(weightsOfAll(resumed.model)).toEqual(weightsOfAll(expected.model));
    expect(resumed.result.loss).toBe(expected.result.loss);
    expect(resumed.heldOutBitsPerByte).toEqual(expected.heldOutBitsPerByte);
    expect(metricsWithoutTime(parted)).toEqual(metricsWithoutTime(whole));
  });

  it('instruction tuning ends with the same weights to the bit', async () => {
    const [whole, parted] = [newFolder(), newFolder()];
    const expected = await runSft(whole, { accumulate: 2 });
    await runSft(parted, { accumulate: 2 }, progressThatStops(7));
    const resumed = await runSft(parted, { accumulate: 2 });
    expect(weightsOfAll(resumed.model)).toEqual(weightsOfAll(expected.model));
    expect(resumed.heldOutLoss).toEqual(expected.heldOutLoss);
  });

  it('goes on from the checkpoint before a damaged one, without the rows written since', async () => {
    const [whole, parted] = [newFolder(), newFolder()];
    const expected = await runPretrain(whole);
    await runPretrain(parted, {}, progressThatStops(4));
    await runPretrain(parted, {}, progressThatStops(8));
    fs.truncateSync(`${parted}/checkpoints/8/model.safetensors`, 100);
    const resumed = await runPretrain(parted);
    expect(weightsOfAll(resumed.model)).toEqual(weightsOfAll(expected.model));
    expect(metricsWithoutTime(parted)).toEqual(metricsWithoutTime(whole));
  });

  it('leaves a finished run as it is, and goes on when more steps are asked for', async () => {
    const folder = newFolder();
    const first = await runPretrain(folder);
    const metrics = fs.readFileSync(`${folder}/metrics.jsonl`, 'utf8');
    const again = await runPretrain(folder);
    expect(again.result).toEqual(first.result);
    expect(weightsOfAll(again.model)).toEqual(weightsOfAll(first.model));
    expect(fs.readFileSync(`${folder}/metrics.jsonl`, 'utf8')).toBe(metrics);
    const longer = await runPretrain(folder, { steps: 15 });
    expect(longer.result).toMatchObject({ finished: true, step: 15 });
  });

  it('refuses to go on with other data', async () => {
    const folder = newFolder();
    await runPretrain(folder, {}, progressThatStops(2));
    await expect(runPretrain(folder, {}, { training: data.heldOut })).rejects.toThrow('not what it was when');
  });
});

describe('accumulation of gradients', () => {
  it('gives the weights of one large batch', async () => {
    const large = await runPretrain(newFolder(), { rows: 8, steps: 6 });
    const small = await runPretrain(newFolder(), { rows: 2, accumulate: 4, steps: 6 });
    const expected = weightsOfAll(large.model);
    for (const [name, weights] of weightsOfAll(small.model)) {
      const other = expected.get(name)!;
      // AdamW's first steps depend on the gradient's sign alone, so that noise around 0 is seen: compare by size.
      const difference = Math.max(...weights.map((weight, i) => Math.abs(weight - other[i]!)));
      expect(difference, name).toBeLessThan(2e-4);
    }
    expect(small.result.loss).toBeCloseTo(large.result.loss, 4);
  });

  it('gives the same gradient norms with chats of different numbers of answer tokens', async () => {
    const norms = async (settings: Partial<TrainSettings>): Promise<number[]> => {
      const folder = newFolder();
      await runSft(folder, { ...settings, steps: 4, optimizer: 'sgd' });
      const rows = fs.readFileSync(`${folder}/metrics.jsonl`, 'utf8').trim().split('\n');
      return rows.flatMap((row) => (JSON.parse(row) as { gradientNorm?: number }).gradientNorm ?? []);
    };
    const large = await norms({ rows: 8 });
    const small = await norms({ rows: 2, accumulate: 4 });
    expect(large).toHaveLength(4);
    large.forEach((norm, i) => {
      expect(Math.abs(small[i]! / norm - 1)).toBeLessThan(1e-4);
    });
  });
});

describe('training', () => {
  it('moves every trainable weight and no frozen one', async () => {
    const model = initialize(new Llama({ ...tinyModel(data.tokenizer), tiedHead: false, queryKeyNorm: true }), 5);
    const frozen = new Set(['layers.0.attention.q.weight', 'norm.weight', 'head.weight']);
    for (const [name, parameter] of model.namedParameters()) parameter.trainable = !frozen.has(name);
    const before = weightsOfAll(model);
    await runPretrain(newFolder(), { steps: 3 }, { init: model });
    expect(before.size).toBe(25);
    for (const [name, weights] of weightsOfAll(model)) {
      const moved = weights.some((weight, i) => weight !== before.get(name)![i]);
      expect(moved, name).toBe(!frozen.has(name));
    }
  });

  it('learns one batch by heart', async () => {
    const { ids, starts } = data.training;
    const one = { ...data.training, ids: ids.slice(0, 25), starts: starts.slice(0, 3) };
    const settings = { steps: 100, rows: 1, learningRate: 1e-2, schedule: 'constant', weightDecay: 0 } as const;
    const { result } = await runPretrain(newFolder(), settings, { training: one });
    // What is said in context is certain; the running mean lags behind.
    expect(result.loss).toBeLessThan(0.3);
  });

  it('measures and lowers bits per byte, and the loss of chats', async () => {
    const pretrained = await runPretrain(newFolder(), { steps: 60, learningRate: 1e-2 });
    const { before, after } = pretrained.heldOutBitsPerByte;
    // At first every token is about as likely: log2(V) bits for each of the text's bytes and ends of documents.
    const { ids, textBytes } = data.heldOut;
    expect(before).toBeCloseTo((Math.log2(data.tokenizer.vocabularySize) * ids.length) / textBytes, 0);
    expect(after).toBeLessThan(before * 0.6);
    const tuned = await runSft(newFolder(), { steps: 60, learningRate: 1e-2 }, { model: pretrained.model });
    expect(tuned.heldOutLoss!.after).toBeLessThan(tuned.heldOutLoss!.before * 0.6);
  });

  it.each([
    ['adamw', { learningRate: 1e6 }, 'the loss'],
    ['sgd', { learningRate: 1e39, checkpointSeconds: 0 }, 'a weight is no longer a number'],
  ] as const)('stops when it diverges and keeps the last good checkpoint: %s', async (optimizer, bad, reason) => {
    const folder = newFolder();
    await runPretrain(folder, { optimizer }, progressThatStops(4));
    const good = weightsOfAll((await loadModel(folder)).model);
    const run = runPretrain(folder, { optimizer, warmupSteps: 0, clipNorm: 1e9, ...bad });
    await expect(run).rejects.toThrow(DivergenceError);
    await expect(run).rejects.toThrow(reason);
    expect(fs.readdirSync(`${folder}/checkpoints`)).toEqual(['4']);
    expect(weightsOfAll((await loadModel(folder)).model)).toEqual(good);
    const rescued = await runPretrain(folder, { optimizer });
    expect(rescued.result.finished).toBe(true);
  });

  it("refuses rows that are longer than the model's contexts, and tokens that it does not know", async () => {
    await expect(runPretrain(newFolder(), { columns: 33 })).rejects.toThrow('at most 32 tokens');
    await expect(runSft(newFolder(), { columns: 33 })).rejects.toThrow('at most 32 tokens');
    const small = { ...tinyModel(data.tokenizer), vocabularySize: 16 };
    await expect(runPretrain(newFolder(), {}, { init: initialize(new Llama(small), 1) })).rejects.toThrow('too small');
  });
});
