import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, describe, expect, it } from 'vitest';
import { Llama, type LlamaConfig } from '../models/llama.js';
import { initialize, weightsOf } from '../nn/module.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { InputError, messageOf } from '../util/errors.js';
import { Random } from '../util/random.js';
import { type EngineOptions, GenerationEngine } from './engine.js';
import type { GeneratedToken, Generation } from './engine-options.js';

const CONFIG: LlamaConfig = {
  vocabularySize: 61,
  width: 32,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  hidden: 48,
  positions: 96,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};
const device = cpu({ threads: 1 });
const GREEDY = { temperature: 0 };
const opened: GenerationEngine[] = [];

function modelOf(config: Partial<LlamaConfig> = {}): Llama {
  const model = initialize(new Llama({ ...CONFIG, ...config }), 7);
  // Larger weights than training starts from: the distribution is far from uniform and depends on the whole context.
  for (const parameter of model.parameters()) {
    const weights = weightsOf(parameter);
    if (parameter.shape.length > 1) weights.set(weights.map((weight) => 4 * weight));
  }
  return model;
}

function engineOf(model: Llama, options: EngineOptions = {}): GenerationEngine {
  const engine = new GenerationEngine(model, { device, ...options });
  opened.push(engine);
  return engine;
}

function promptOf(length: number, seed = 0): number[] {
  const random = new Random(seed, 'prompt');
  return Array.from({ length }, () => random.integer(CONFIG.vocabularySize));
}

const idsOf = ({ tokens }: Generation): number[] => tokens.map(({ token }) => token);

async function collect(stream: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of stream) tokens.push(token);
  return tokens;
}

/** Log-probabilities of every next token, `[T][V]`, by the full forward pass. */
async function uncached(model: Llama, ids: readonly number[]): Promise<number[][]> {
  const forward = compile((x: Tensor) => model.forward(x), { device });
  const { data } = await forward(array(BigInt64Array.from(ids, BigInt), [1, ids.length]));
  await forward.release();
  const { vocabularySize } = model.config;
  return ids.map((_, t) => {
    const logits = Array.from((data as Float32Array).subarray(t * vocabularySize, (t + 1) * vocabularySize));
    const logSum = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    return logits.map((logit) => logit - logSum);
  });
}

async function expectUncached(model: Llama, prompt: readonly number[], tokens: readonly GeneratedToken[]) {
  const ids = [...prompt, ...tokens.map(({ token }) => token)];
  const expected = await uncached(model, ids);
  for (const [i, { token, logProbability, top }] of tokens.entries()) {
    const row = expected[prompt.length - 1 + i]!;
    expect(Math.abs(logProbability - row[token]!)).toBeLessThan(1e-4);
    for (const other of top ?? []) {
      expect(Math.abs(other.logProbability - row[other.token]!)).toBeLessThan(1e-4);
    }
  }
}

function expectClose(actual: readonly GeneratedToken[], expected: readonly GeneratedToken[]): void {
  expect(actual.map(({ token }) => token)).toEqual(expected.map(({ token }) => token));
  actual.forEach(({ logProbability }, i) => {
    expect(Math.abs(logProbability - expected[i]!.logProbability)).toBeLessThan(1e-4);
  });
}

afterAll(async () => {
  for (const engine of opened) await engine.release();
});

describe('a cached step equals the full forward pass', () => {
  it.each([
    ['grouped heads', {}],
    ['heads of a width that is no multiple of 8', { heads: 4, keyHeads: 4, width: 24 }],
    ['as many key heads', { keyHeads: 4, tiedHead: false }],
    ['one key head', { keyHeads: 1 }],
    ['query and key norms', { queryKeyNorm: true }],
  ])('%s', async (_, config) => {
    const model = modelOf(config);
    for (const length of [1, 13]) {
      const options = { maxTokens: 20, sampling: { temperature: 1 }, logProbabilities: CONFIG.vocabularySize };
      const tokens = await collect(engineOf(model).stream(promptOf(length), options));
      expect(tokens).toHaveLength(20);
      expect(new Set(tokens.map(({ token }) => token)).size).toBeGreaterThan(3);
      await expectUncached(model, promptOf(length), tokens);
    }
  });

  it('a prompt that is read in several parts', async () => {
    const model = modelOf({ positions: 1200 });
    const prompt = promptOf(1100);
    const { tokens } = await engineOf(model).generate(prompt, { maxTokens: 2, logProbabilities: 5 });
    await expectUncached(model, prompt, tokens);
  });

  it('after the weights changed, without opening the engine again', async () => {
    const model = modelOf();
    const engine = engineOf(model);
    const prompt = promptOf(6);
    const before = await engine.generate(prompt, { maxTokens: 8 });
    weightsOf(model.layers[1]!.feedForward.parameters()[0]!).fill(0.1);
    const after = await engine.generate(prompt, { maxTokens: 8 });
    expect(after.tokens[0]!.logProbability).not.toBe(before.tokens[0]!.logProbability);
    await expectUncached(model, prompt, after.tokens);
  });
});

describe('batches', () => {
  it('a row gives what its prompt gives alone, however many wait for a row', async () => {
    const model = modelOf();
    const alone = engineOf(model);
    const lengths = [1, 9, 30, 4, 17, 2, 25];
    const prompts = lengths.map((length, i) => promptOf(length, i));
    const stopIds = [1, 2, 3, 4, 5];
    const options = { maxTokens: 24, sampling: GREEDY, stopIds };
    const expected = await Promise.all(prompts.map((prompt) => alone.generate(prompt, options)));
    expect(new Set(expected.map(({ tokens }) => tokens.length)).size).toBeGreaterThan(2);
    for (const batch of [1, 3, 16]) {
      const actual = await engineOf(model, { batch, capacity: 4 }).generateBatch(prompts, options);
      actual.forEach((row, i) => {
        expectClose(row.tokens, expected[i]!.tokens);
        expect(row.finish).toBe(expected[i]!.finish);
      });
    }
  });

  it('prompt i draws from stream i of the seed', async () => {
    const model = modelOf();
    const prompts = [promptOf(5), promptOf(5), promptOf(8, 1)];
    const batch = await engineOf(model).generateBatch(prompts, { seed: 3, maxTokens: 12 });
    expect(idsOf(batch[0]!)).not.toEqual(idsOf(batch[1]!));
    for (const [sequence, prompt] of prompts.entries()) {
      const alone = await engineOf(model).generate(prompt, { seed: 3, sequence, maxTokens: 12 });
      expectClose(batch[sequence]!.tokens, alone.tokens);
    }
  });

  it('no prompts, no results', async () => {
    expect(await engineOf(modelOf()).generateBatch([])).toEqual([]);
  });
});

it('reads only what is new of a growing chat, and gives the same', async () => {
  const model = modelOf();
  const engine = engineOf(model);
  let chat = promptOf(10);
  for (let turn = 0; turn < 3; turn++) {
    const options = { maxTokens: 9, sampling: GREEDY, logProbabilities: 3 };
    const reused = await collect(engine.stream(chat, { ...options, reuse: true }));
    expectClose(reused, (await engineOf(model).generate(chat, options)).tokens);
    chat = [...chat, ...reused.map(({ token }) => token), ...promptOf(7, turn)];
  }
  // Another beginning, and one that the cache holds entirely.
  for (const prompt of [promptOf(20, 9), chat.slice(0, 12)]) {
    const reused = await engine.generate(prompt, { maxTokens: 9, sampling: GREEDY, reuse: true });
    expectClose(reused.tokens, (await engineOf(model).generate(prompt, { maxTokens: 9, sampling: GREEDY })).tokens);
  }
});

it('gives the same tokens for the same seed, and others for another', async () => {
  const engine = engineOf(modelOf());
  const draw = async (seed: number) => idsOf(await engine.generate(promptOf(3), { seed, maxTokens: 30 }));
  expect(await draw(5)).toEqual(await draw(5));
  expect(await draw(5)).not.toEqual(await draw(6));
});

it('grows its cache up to the whole context without losing what is inside', async () => {
  const model = modelOf();
  const engine = engineOf(model, { capacity: 3 });
  const prompt = promptOf(5);
  const { tokens, finish } = await engine.generate(prompt, { logProbabilities: 3 });
  expect(finish).toBe('length');
  // The last token is drawn, but needs no position.
  expect(prompt.length + tokens.length).toBe(CONFIG.positions + 1);
  await expectUncached(model, prompt, tokens.slice(0, -1));
  expect(engine.cacheBytes).toBe(4 * 2 * 2 * 2 * 8 * CONFIG.positions);
});

describe('endings', () => {
  it('stops at a stop id, which is the last token', async () => {
    const engine = engineOf(modelOf());
    const all = await engine.generate(promptOf(4), { maxTokens: 20 });
    const stop = idsOf(all)[6]!;
    const stopped = await engine.generate(promptOf(4), { maxTokens: 20, stopIds: [stop] });
    expect(idsOf(stopped)).toEqual(idsOf(all).slice(0, idsOf(all).indexOf(stop) + 1));
    expect(stopped.finish).toBe('stop');
    expect(stopped.tokens.at(-1)!.finish).toBe('stop');
    expect(all.tokens.filter(({ finish }) => finish !== undefined)).toEqual([all.tokens.at(-1)]);
  });

  it('keeps what there is when the signal comes', async () => {
    const engine = engineOf(modelOf(), { batch: 2 });
    const controller = new AbortController();
    const options = { maxTokens: 20, signal: controller.signal };
    let seen = 0;
    for await (const _ of engine.stream(promptOf(4), options)) if (++seen === 5) controller.abort();
    expect(seen).toBe(5);
    const batch = await engine.generateBatch([promptOf(4), promptOf(5)], options);
    expect(batch.map(({ tokens, finish }) => [tokens.length, finish])).toEqual([
      [0, 'aborted'],
      [0, 'aborted'],
    ]);
  });

  it('lets calls wait for each other, also after one was left early', async () => {
    const engine = engineOf(modelOf());
    const prompts = [promptOf(4, 1), promptOf(9, 2), promptOf(2, 3)];
    const expected = [];
    for (const prompt of prompts) expected.push(await collect(engine.stream(prompt, { maxTokens: 10 })));
    for await (const _ of engine.stream(prompts[0]!, { maxTokens: 10 })) break;
    const together = prompts.map((prompt) => collect(engine.stream(prompt, { maxTokens: 10 })));
    expect(await Promise.all(together)).toEqual(expected);
  });
});

describe('refuses before anything runs', () => {
  const engine = engineOf(modelOf());
  const messageFor = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      return messageOf(error);
    }
    throw new Error('nothing was thrown');
  };

  it('a context longer than the model’s', () => {
    const long = messageFor(() => engine.stream(promptOf(120)));
    expect(long).toContain('120 in the prompt');
    expect(long).toContain('Shorten the prompt by 24 tokens');
    const asked = messageFor(() => engine.stream(promptOf(90), { maxTokens: 20 }));
    expect(asked).toContain('90 in the prompt and 20 to generate');
    expect(asked).toContain('at most 7 tokens');
  });

  it.each([
    ['an empty prompt', [], {}, 'at least one id'],
    ['an unknown id', [1, 61], {}, 'prompt, token 1'],
    ['a fraction of an id', [0.5], {}, '0 to 60'],
    ['no tokens to generate', [1], { maxTokens: 0 }, 'maxTokens'],
    ['a temperature below 0', [1], { sampling: { temperature: -1 } }, 'temperature'],
  ])('%s', async (_, prompt, options, message) => {
    expect(messageFor(() => engine.stream(prompt, options))).toContain(message);
    await expect(engine.generate(prompt, options)).rejects.toThrow(message);
  });

  it('names the prompt of a batch', async () => {
    await expect(engine.generateBatch([[1], [99]])).rejects.toThrow('prompt 1, token 0');
    expect(engine.cacheBytes).toBe(0);
  });

  it('a capacity or batch of nothing', () => {
    expect(messageFor(() => new GenerationEngine(modelOf(), { batch: 0 }))).toContain('batch');
    expect(messageFor(() => new GenerationEngine(modelOf(), { capacity: 1.5 }))).toContain('capacity');
  });
});

it('needs no more memory after 2,000 steps', async () => {
  const engine = engineOf(modelOf(), { batch: 2 });
  const round = (seed: number) => engine.generateBatch([promptOf(4), promptOf(5)], { maxTokens: 91, seed });
  for (let seed = 0; seed < 4; seed++) await round(seed);
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const settled = async () => {
    collectGarbage();
    // The memory of collected buffers is given back behind the scenes.
    await new Promise((resolve) => setTimeout(resolve, 30));
    collectGarbage();
    return process.memoryUsage();
  };
  const before = await settled();
  for (let seed = 0; seed < 22; seed++) await round(seed);
  const after = await settled();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1e6);
  expect(after.heapUsed - before.heapUsed).toBeLessThan(4e6);
  expect(after.rss - before.rss).toBeLessThan(40e6);
});
