import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { characterTokenizer } from '../../test/bigram-model.js';
import { byteTokenizer } from '../../test/byte-tokenizer.js';
import { Llama } from '../models/llama.js';
import { saveModel } from '../models/save.js';
import { T5, type T5Config } from '../models/t5.js';
import { initialize } from '../nn/module.js';
import { projectedCrossEntropy } from '../nn/project.js';
import { AdamW } from '../optim/adamw.js';
import { array } from '../runtime/array.js';
import { compile, Updated } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { grad } from '../tensor/grad.js';
import { reshape } from '../tensor/ops/layout.js';
import { mean } from '../tensor/ops/reduce.js';
import { slice } from '../tensor/ops/slice.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { EncoderDecoderModel } from './encoder-decoder-model.js';
import { type CompletionOptions, type LanguageModel, type TextEvent, textOf } from './language-model.js';
import { LocalModel } from './local.js';

const device = cpu({ threads: 1 });
const PAIRS: readonly (readonly [string, string])[] = [
  ['one', 'eins'],
  ['two', 'zwei'],
  ['three', 'drei'],
  ['four', 'vier'],
  ['moon', '月亮'],
];

/** Bytes, with a space put before every text as SentencePiece does, and a token that closes texts. */
function spacedTokenizer(): Tokenizer {
  const bytes = byteTokenizer();
  return { ...bytes, dropsLeadingSpace: true, encode: (text) => bytes.encode(text === '' ? '' : ` ${text}`) };
}

const tokenizer = spacedTokenizer();
const config: T5Config = {
  modelType: 't5',
  vocabularySize: tokenizer.vocabularySize + 5,
  width: 32,
  layers: 1,
  decoderLayers: 1,
  heads: 2,
  headWidth: 12,
  hidden: 64,
  activation: 'geluTanh',
  gated: true,
  positions: 64,
  buckets: 8,
  maxDistance: 16,
  epsilon: 1e-6,
  decoderStartId: 256,
  tiedHead: false,
  scaledHead: false,
};

/** Trains a small T5 to translate the pairs. @returns the last loss. */
async function teach(model: T5): Promise<number> {
  const closed = (text: string): number[] => [...tokenizer.encode(text), 256];
  const rows = (texts: readonly (readonly number[])[], fill: number): HostArray => {
    const longest = Math.max(...texts.map(({ length }) => length));
    const filled = texts.flatMap((ids) => [...ids, ...new Array<number>(longest - ids.length).fill(fill)]);
    return array(Int32Array.from(filled), [texts.length, longest]);
  };
  const texts = PAIRS.map(([text]) => closed(text));
  const answers = PAIRS.map(([, answer]) => closed(answer));
  const parameters = model.parameters();
  const optimizer = new AdamW(parameters, { weightDecay: 0 });
  const step = compile(
    ({ text, mask, inputs, targets, numbers }: Readonly<Record<string, Tensor>>) => {
      const hidden = model.hidden(inputs!, { hidden: model.encode({ ids: text!, mask: mask! }), mask: mask! });
      const flat = reshape(hidden, [-1, config.width]);
      const loss = mean(projectedCrossEntropy(flat, model.headWeight, reshape(targets!, [-1])));
      const gradients = grad(
        loss,
        parameters.map(({ tensor }) => tensor),
      );
      const scalars = Array.from({ length: optimizer.scalarCount }, (_, i) =>
        reshape(slice(numbers!, 0, i, i + 1), []),
      );
      return new Updated({ loss }, optimizer.update(parameters, gradients, scalars));
    },
    { device },
  );
  let last = Number.POSITIVE_INFINITY;
  for (let i = 1; i <= 150 && last > 0.02; i++) {
    const { loss } = await step({
      text: rows(texts, 0),
      mask: rows(
        texts.map((ids) => ids.map(() => 1)),
        0,
      ),
      inputs: rows(
        answers.map((ids) => [config.decoderStartId, ...ids.slice(0, -1)]),
        256,
      ),
      targets: rows(answers, 256),
      numbers: array(Float32Array.from(optimizer.scalars(i, 0.01))),
    });
    last = (loss.data as Float32Array)[0]!;
  }
  await step.release();
  return last;
}

const model = initialize(new T5(config), 3);
const translator = new EncoderDecoderModel({ model, tokenizer }, { device, name: 'translator' });
const searcher = new EncoderDecoderModel({ model, tokenizer }, { device, beams: 3 });

async function eventsOf(of: LanguageModel, prompt: string, options?: CompletionOptions): Promise<TextEvent[]> {
  const events: TextEvent[] = [];
  for await (const event of of.complete(prompt, options)) events.push(event);
  return events;
}

beforeAll(async () => {
  expect(await teach(model)).toBeLessThan(0.05);
});
afterAll(async () => {
  await translator.release();
  await searcher.release();
});

test('answers with what it was taught, in whole characters, without the space before a text', async () => {
  for (const [text, answer] of PAIRS) {
    expect(await textOf(translator.complete(text))).toBe(answer);
    expect(await textOf(searcher.complete(text))).toBe(answer);
  }
  const events = await eventsOf(translator, 'moon');
  expect(events.flatMap((event) => (event.type === 'text' ? [event.text] : []))).toEqual(['月', '亮']);
  const usage = { promptTokens: 6, completionTokens: 7, reusedTokens: 0 };
  expect(events.at(-1)).toEqual({ type: 'end', finish: 'stop', usage });
});

test('ends where it is told', async () => {
  const [text, end] = await eventsOf(translator, 'one', { stop: ['n'] });
  expect(text).toEqual({ type: 'text', text: 'e' });
  expect((await eventsOf(translator, 'one', { stop: ['n'] })).at(-1)).toMatchObject({ finish: 'stop', stop: 'n' });
  expect(end).toBeDefined();
  expect((await eventsOf(searcher, 'one', { stop: ['n'] })).at(-1)).toMatchObject({ finish: 'stop', stop: 'n' });
  expect((await eventsOf(translator, 'one', { maxTokens: 3 })).at(-1)).toMatchObject({ finish: 'length' });
  expect(await textOf(translator.complete('one', { maxTokens: 3 }))).toBe('ei');
  const signal = AbortSignal.abort();
  expect(await eventsOf(translator, 'one', { signal })).toMatchObject([{ type: 'end', finish: 'aborted' }]);
  expect(await eventsOf(searcher, 'one', { signal })).toMatchObject([{ type: 'end', finish: 'aborted' }]);
});

test('scores an answer as it generates it, and a wrong one lower', async () => {
  const events = await eventsOf(translator, 'four', { logProbabilities: 2 });
  const generated = events.flatMap((event) => (event.type === 'token' ? [event.token] : []));
  const scored = await translator.scoreAnswer('four', 'vier');
  expect(scored.map(({ id }) => id)).toEqual([...generated.map(({ id }) => id), 256]);
  expect(generated[1]).toMatchObject({ text: 'v', top: [{ text: 'v' }, {}] });
  for (const [i, { logProbability }] of generated.entries()) {
    expect(scored[i]!.logProbability).toBeCloseTo(logProbability, 4);
  }
  const total = async (answer: string): Promise<number> =>
    (await translator.scoreAnswer('four', answer)).reduce((sum, { logProbability }) => sum + logProbability!, 0);
  expect(await total('vier')).toBeGreaterThan(-1);
  expect(await total('drei')).toBeLessThan(-5);
  const text = await translator.score('vier');
  expect(text.map((token) => token.text).join('')).toBe(' vier');
  expect(text.every(({ logProbability }) => logProbability! < 0)).toBe(true);
  expect(await translator.score('')).toEqual([]);
});

test('never writes an id that the tokenizer does not have', async () => {
  const wild = { sampling: { temperature: 50 }, maxTokens: 60 };
  for (let seed = 0; seed < 5; seed++) {
    const events = await eventsOf(translator, 'one', { ...wild, seed, logProbabilities: 0 });
    const ids = events.flatMap((event) => (event.type === 'token' ? [event.token.id] : []));
    expect(ids.every((id) => id < tokenizer.vocabularySize)).toBe(true);
  }
  const same = await Promise.all([1, 1, 2].map((seed) => eventsOf(translator, 'one', { ...wild, seed })));
  expect(same[0]).toEqual(same[1]);
  expect(same[0]).not.toEqual(same[2]);
});

test('answers one question, and refuses a conversation', async () => {
  expect(await textOf(translator.chat([{ role: 'user', content: 'two' }]))).toBe('zwei');
  const question = { role: 'user', content: 'two' } as const;
  const conversations = [[], [question, { role: 'assistant', content: 'zwei' } as const, question]];
  for (const messages of conversations) {
    await expect(textOf(translator.chat(messages))).rejects.toThrow(/one question at a time/);
  }
  const tools = [{ name: 'count', description: 'Counts.' }];
  await expect(textOf(translator.chat([question], { tools }))).rejects.toThrow(/with tools/);
});

test('says what a beam search does not do', async () => {
  await expect(textOf(searcher.complete('one', { logProbabilities: 1 }))).rejects.toThrow(/logProbabilities/);
  await expect(textOf(searcher.complete('one', { sampling: { repetitionPenalty: 2 } }))).rejects.toThrow(InputError);
  // Sampling takes the place of the search.
  expect((await eventsOf(searcher, 'one', { sampling: { temperature: 1 } })).at(-1)).toMatchObject({ type: 'end' });
});

test('is loaded from files, and other kinds of models are refused', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-t5-'));
  const characters = await characterTokenizer();
  const small = { ...config, vocabularySize: characters.vocabularySize, decoderStartId: 0 };
  try {
    const saved = initialize(new T5(small), 9);
    const [own, decoder] = [path.join(folder, 'own'), path.join(folder, 'decoder')];
    await saveModel(own, { model: saved, tokenizer: characters });
    const shape = { width: 16, layers: 1, heads: 2, keyHeads: 2, hidden: 16, positions: 32, theta: 1e4 };
    const llama = new Llama({
      ...shape,
      vocabularySize: characters.vocabularySize,
      epsilon: 1e-5,
      tiedHead: true,
      queryKeyNorm: false,
    });
    await saveModel(decoder, { model: initialize(llama, 1), tokenizer: characters });
    const loaded = await EncoderDecoderModel.load(own, { device });
    expect(loaded.name).toBe('own');
    const given = new EncoderDecoderModel({ model: saved, tokenizer: characters }, { device });
    const options = { maxTokens: 9, sampling: { temperature: 1 } };
    expect(await eventsOf(loaded, 'abc', options)).toEqual(await eventsOf(given, 'abc', options));
    await loaded.release();
    await given.release();
    await expect(LocalModel.load(own)).rejects.toThrow(/t5/);
    await expect(EncoderDecoderModel.load(decoder)).rejects.toThrow(/encoder-decoder/);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
