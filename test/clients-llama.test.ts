import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GenerationEngine } from '../src/generate/engine.js';
import type { Decoder } from '../src/models/architecture.js';
import { loadGguf } from '../src/models/gguf-load.js';
import type { GgufModelType } from '../src/models/gguf-types.js';
import { writeGguf } from '../src/models/gguf-write.js';
import { Gpt2, type Gpt2Config } from '../src/models/gpt2.js';
import { Llama, type LlamaConfig } from '../src/models/llama.js';
import { loadModel } from '../src/models/load.js';
import { array } from '../src/runtime/array.js';
import { compile } from '../src/runtime/compile.js';
import { cpu } from '../src/runtime/device.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import type { Tokenizer } from '../src/tokenizer/tokenizer.js';
import { askLlama, hasLlamaClient, type LlamaAnswer, WITHOUT_LLAMA_CLIENT } from './llama-client.js';
import { randomizeWeights } from './random-weights.js';
import { sharedData } from './shared-data.js';

const device = cpu({ threads: 1 });
const TIMEOUT = 600_000;
/** Tokens that are compared, each after ours before it. */
const TOKENS = 64;
/** Tokens that llama.cpp writes by itself, each after its own; every one takes it several turns of a busy processor. */
const WRITTEN = 24;

const llama: LlamaConfig = {
  vocabularySize: 320,
  width: 64,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  hidden: 96,
  positions: 128,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};

const gpt2: Gpt2Config = {
  vocabularySize: 320,
  width: 64,
  layers: 2,
  heads: 4,
  hidden: 128,
  positions: 128,
  activation: 'geluTanh',
  epsilon: 1e-5,
  tiedHead: true,
};

const made = (change: Partial<LlamaConfig>): Llama => new Llama({ ...llama, ...change });

/** Every kind of model, and each detail that changes what is computed. */
const MODELS: Readonly<Record<string, () => Decoder>> = {
  llama: () => made({}),
  'llama, untied, head width, biases': () =>
    made({ tiedHead: false, headWidth: 32, attentionBias: 'all', feedForwardBias: true, theta: 500_000 }),
  mistral: () => made({ modelType: 'mistral', tiedHead: false, keyHeads: 1 }),
  qwen2: () => made({ modelType: 'qwen2', attentionBias: 'inputs', theta: 1e6, epsilon: 1e-6 }),
  qwen3: () => made({ queryKeyNorm: true, headWidth: 32, tiedHead: false, epsilon: 1e-6 }),
  gpt2: () => new Gpt2(gpt2),
  'gpt2, untied': () => new Gpt2({ ...gpt2, tiedHead: false, hidden: 96 }),
  'llama, linear': () => made({ scaling: { type: 'linear', factor: 4 } }),
  'llama, llama3': () =>
    made({
      scaling: { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 32 },
    }),
  'llama, yarn': () =>
    made({
      scaling: {
        type: 'yarn',
        factor: 4,
        originalPositions: 32,
        betaFast: 32,
        betaSlow: 1,
        attentionFactor: 1.3,
        truncate: true,
      },
    }),
};

/**
 * Each type of file, and how far its logits may be off: root of the mean square, as a share of that of the logits.
 * llama.cpp rounds the vectors that it multiplies: to float16 for F16, to eight bits for the others.
 */
const BOUNDS: Readonly<Record<GgufModelType, number>> = { F32: 1e-5, F16: 2e-3, Q8_0: 0.05, Q4_0: 0.05 };
/** Its GELU is a table over float16. */
const GELU_BOUND = 1e-3;
/** Where the best token leads by so many times the bound, it must be the best for both. */
const CLEAR = 5;

const TEXTS = [
  'Once upon a time, there was a furnace.',
  "I'll say: it's 12345.678 degrees   hot!\n\n\tReally?",
  '炼丹炉 — naïve café 🙂👩‍🚀',
  'if (x <= 10) { return x ** 2; } // ok',
  ' leading and trailing ',
  'x\r\ny\u00a0z\u200b<|endoftext|>',
];

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-llama-cpp-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** One file, and what we compute from the weights in it. */
interface Case {
  readonly file: string;
  readonly type: GgufModelType;
  readonly prompt: readonly number[];
  readonly greedy: readonly number[];
  readonly logits: readonly Float32Array[];
}

/** Greedy tokens of a model, and its logits behind the prompt and each of them. */
async function ourAnswer(
  model: Decoder,
  prompt: readonly number[],
  tokens: number,
): Promise<Omit<Case, 'file' | 'type'>> {
  const engine = new GenerationEngine(model, { device, capacity: 128 });
  const { tokens: generated } = await engine.generate(prompt, { maxTokens: tokens, sampling: { temperature: 0 } });
  await engine.release();
  const greedy = generated.map(({ token }) => token);
  const program = compile((ids: Tensor) => model.forward(ids), { device });
  const all = [...prompt, ...greedy];
  const { data } = await program(array(Int32Array.from(all), [1, all.length]));
  await program.release();
  const { vocabularySize } = model.config;
  const logits = all.map((_, i) => (data as Float32Array).slice(i * vocabularySize, (i + 1) * vocabularySize));
  return { prompt, greedy, logits };
}

const argMax = (row: Float32Array): number => row.indexOf(Math.max(...row));

/** The distance between the best and the second best. */
function margin(row: Float32Array): number {
  const [best, second] = [...row].sort((a, b) => b - a) as [number, number];
  return best - second;
}

function probabilities(row: Float32Array): Float64Array {
  const most = Math.max(...row);
  const weights = Float64Array.from(row, (logit) => Math.exp(logit - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

const size = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length);

/** What is compared of one file. */
interface Comparison {
  /** Size of the difference of all logits, as a share of their size. */
  readonly logits: number;
  /** Largest difference of a probability. */
  readonly probability: number;
  /** Places where the best token leads clearly, and those of them where llama.cpp has another one. */
  readonly clear: number;
  readonly wrong: number;
  /** Tokens of our greedy continuation that llama.cpp's likeliest are, up to the first other one. */
  readonly agreed: number;
}

function compare({ logits, prompt, greedy }: Case, answer: LlamaAnswer, bound: number): Comparison {
  expect(answer.logits).toHaveLength(logits.length);
  const rows = logits.map((ours, i) => {
    const theirs = answer.logits[i]!;
    expect(theirs).toHaveLength(ours.length);
    const [p, q] = [probabilities(ours), probabilities(theirs)];
    return {
      difference: ours.map((x, k) => x - theirs[k]!),
      probability: p.reduce((most, x, k) => Math.max(most, Math.abs(x - q[k]!)), 0),
      isSame: argMax(ours) === argMax(theirs),
      isClear: margin(ours) > CLEAR * bound * size(ours),
    };
  });
  const first = rows.slice(prompt.length - 1, -1).findIndex(({ isSame }) => !isSame);
  return {
    logits: size(rows.flatMap(({ difference }) => [...difference])) / size(logits.flatMap((row) => [...row])),
    probability: Math.max(...rows.map(({ probability }) => probability)),
    clear: rows.filter(({ isClear }) => isClear).length,
    wrong: rows.filter(({ isSame, isClear }) => isClear && !isSame).length,
    agreed: first < 0 ? greedy.length : first,
  };
}

function expectClose(name: string, own: Case, answer: LlamaAnswer): void {
  const { type } = own;
  const bound = name.startsWith('gpt2') ? Math.max(GELU_BOUND, BOUNDS[type]) : BOUNDS[type];
  const found = compare(own, answer, bound);
  report(name, type, found);
  expect(found.logits, type).toBeLessThan(bound);
  expect(found.clear, type).toBeGreaterThan(TOKENS / 8);
  expect(found.wrong, type).toBe(0);
  if (type === 'F32') expect(found.agreed).toBe(TOKENS);
}

/** Prints the numbers where they are asked for. */
function report(name: string, type: GgufModelType, { logits, probability, clear, agreed }: Comparison): void {
  if (process.env.ATHANOR_VERBOSE === undefined) return;
  const differences = `logits ${logits.toExponential(1)}, probability ${probability.toExponential(1)}`;
  process.stderr.write(`${name} ${type}: ${differences}, ${clear} clear, greedy ${agreed}/${TOKENS}\n`);
}

describe.skipIf(!hasLlamaClient)(`llama.cpp (${WITHOUT_LLAMA_CLIENT})`, () => {
  const TYPES: readonly GgufModelType[] = ['F32', 'F16', 'Q8_0', 'Q4_0'];
  const cases = new Map<string, Case>();
  const answers = new Map<string, LlamaAnswer>();
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    tokenizer = await trainByteBpe(TEXTS, { vocabularySize: 300, specialTokens: ['<|endoftext|>'] });
    const prompt = [...tokenizer.encode('Once upon a time')];
    for (const [i, [name, make]] of Object.entries(MODELS).entries()) {
      const model = randomizeWeights(make(), i);
      for (const type of name.includes('llama,') ? TYPES.slice(0, 1) : TYPES) {
        const file = path.join(folder, `${cases.size}.gguf`);
        const { notes, fallbacks } = await writeGguf(file, { model, tokenizer }, { type, name });
        expect(fallbacks, name).toEqual([]);
        expect(
          notes.filter((note) => !note.includes('NFC')),
          name,
        ).toEqual([]);
        // What we compute from the file itself: of a quantised one, from what it holds.
        const read = loadGguf(file).model as Decoder & { config: Decoder['config'] };
        cases.set(`${name} ${type}`, { file, type, ...(await ourAnswer(read, prompt, TOKENS)) });
      }
    }
    const tasks = [...cases.values()].map(({ file, type, prompt: first, greedy }) => ({
      file,
      texts: type === 'F32' ? TEXTS : [],
      ...(type === 'F32' ? { prompt: first, tokens: WRITTEN } : {}),
      forced: [...first, ...greedy],
    }));
    for (const [i, answer] of askLlama(tasks).entries()) answers.set([...cases.keys()][i]!, answer);
  }, TIMEOUT);

  describe.each(Object.keys(MODELS))('%s', (name) => {
    it('continues a text with the same tokens, and cuts texts into the same ones', () => {
      const { greedy } = cases.get(`${name} F32`)!;
      const answer = answers.get(`${name} F32`)!;
      expect(new Set(greedy).size).toBeGreaterThan(3);
      expect(answer.greedy).toEqual(greedy.slice(0, WRITTEN));
      expect(answer.ids).toEqual(TEXTS.map((text) => [...tokenizer.encode(text)]));
    });

    it.each(TYPES)('computes the same from %s', (type) => {
      const own = cases.get(`${name} ${type}`);
      if (own !== undefined) expectClose(name, own, answers.get(`${name} ${type}`)!);
    });
  });

  it('tells the story of stories260K from our export', { timeout: TIMEOUT }, async (context) => {
    const place = sharedData('models/stories260K');
    if (place === undefined) return context.skip('the shared test data is not on this machine');
    const loaded = await loadModel(place);
    const story = readFileSync(path.join(place, 'greedy_256.txt'), 'utf8').trimEnd();
    const told = [...loaded.tokenizer.encode(story)];
    const files: { file: string; type: GgufModelType; read: Decoder }[] = [];
    for (const type of TYPES) {
      const file = path.join(folder, `stories-${type}.gguf`);
      await writeGguf(file, loaded, { type, name: 'stories260K' });
      files.push({ file, type, read: loadGguf(file).model as unknown as Decoder });
    }
    const own = await Promise.all(files.map(({ read }) => ourAnswer(read, [1], TOKENS)));
    const asked = askLlama(
      files.map(({ file, type }, i) => ({
        file,
        texts: type === 'F32' ? [story, ...TEXTS] : [],
        ...(type === 'F32' ? { prompt: [1], tokens: told.length } : {}),
        forced: [1, ...own[i]!.greedy],
      })),
    );
    const [exact] = asked as [LlamaAnswer];
    expect(exact.greedy).toEqual(told);
    expect(loaded.tokenizer.decode([1, ...exact.greedy], { skipSpecial: true })).toBe(story);
    expect(exact.ids).toEqual([story, ...TEXTS].map((text) => [...loaded.tokenizer.encode(text)]));
    for (const [i, { file, type }] of files.entries()) {
      expectClose('stories260K', { file, type, ...own[i]! }, asked[i]!);
    }
  });
});
