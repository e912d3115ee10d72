import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Candidate,
  candidateOf,
  exportOnnx,
  type OnnxDtype,
  type OnnxExportOptions,
  openOnnxExport,
} from '../src/exchange/index.js';
import { Embedder } from '../src/llm/embedder.js';
import type { Encoder } from '../src/models/architecture.js';
import { Gpt2 } from '../src/models/gpt2.js';
import { Llama, type LlamaConfig } from '../src/models/llama.js';
import { type AnyModel, type LoadedModel, loadAnyModel } from '../src/models/load.js';
import { architectureFor } from '../src/models/registry.js';
import { generationOf } from '../src/models/save.js';
import { T5 } from '../src/models/t5.js';
import { cpu } from '../src/runtime/device.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE, renderChat } from '../src/tokenizer/chat-template.js';
import type { Tokenizer } from '../src/tokenizer/tokenizer.js';
import { HARD_TEXTS } from './hard-texts.js';
import { likeTrained } from './model-contract.js';
import { sharedData } from './shared-data.js';
import { repositoryRoot } from './source-files.js';
import {
  type ClientResult,
  type ClientTask,
  hasTransformersClient,
  runTransformersClient,
  WITHOUT_TRANSFORMERS_CLIENT,
} from './transformers-client.js';

const device = cpu({ threads: 1 });
const DTYPES = ['fp32', 'fp16', 'int8', 'q4'] as const;
/** What transformers.js calls them. */
const CLIENT_DTYPES: Readonly<Record<OnnxDtype, string>> = { fp32: 'fp32', fp16: 'fp16', int8: 'q8', q4: 'q4' };
const TOKENS = 12;
const PROMPTS = ['The cat sat', 'Once upon a time there was a little girl who'];
/** No longer than the encoder reads: transformers.js cuts the closing token off too. */
const SENTENCES = ['the cat sat on the mat', 'a dog ran', 'cat', 'an unknown word'];
/** transformers.js reads UTF-16 units, and so does not see that these stand for themselves in WordPiece. */
const RARE_IDEOGRAPHS = /[\u{20000}-\u{3ffff}]/u;
const CHAT = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What is “a cat”? <|end|>' },
  { role: 'assistant', content: 'An animal.' },
  { role: 'user', content: ' 你好\n' },
] as const;

const LLAMA: LlamaConfig = {
  vocabularySize: 600,
  width: 64,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  hidden: 96,
  positions: 96,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};

/** One folder with every type, what is expected of it, and what the client said of it. */
interface Case {
  readonly name: string;
  readonly loaded: LoadedModel<AnyModel>;
  readonly task: ClientTask['task'];
  readonly prompts: readonly string[];
  /** Default: none; every type is written. */
  readonly options?: OnnxExportOptions;
  readonly results: Map<OnnxDtype, ClientResult>;
}

function withTokenizer(model: AnyModel, tokenizer: Tokenizer): LoadedModel<AnyModel> {
  const architecture = architectureFor(model);
  const chatTemplate = architecture.kind === 'decoder' ? DEFAULT_CHAT_TEMPLATE : undefined;
  const generation = generationOf(tokenizer);
  return { model, architecture, tokenizer, chatTemplate, generation, folder: 'here', damaged: [] };
}

const gpt2 = (): AnyModel => new Gpt2({ ...LLAMA, activation: 'geluTanh' }) as unknown as AnyModel;

const t5 = (): AnyModel =>
  new T5({
    modelType: 't5',
    vocabularySize: 600,
    width: 64,
    layers: 2,
    decoderLayers: 2,
    heads: 4,
    headWidth: 12,
    hidden: 80,
    positions: 96,
    activation: 'relu',
    gated: false,
    epsilon: 1e-6,
    buckets: 8,
    maxDistance: 16,
    tiedHead: true,
    scaledHead: true,
    decoderStartId: 0,
  });

/** The ids up to the one that ends texts, which belongs to them. */
function untilEnd(ids: readonly number[], { generation }: LoadedModel<AnyModel>): number[] {
  const end = ids.findIndex((id) => generation.eosIds.includes(id));
  return end < 0 ? [...ids] : ids.slice(0, end + 1);
}

describe.skipIf(!hasTransformersClient())('transformers.js with our exports', () => {
  const root = fs.mkdtempSync(path.join(tmpdir(), 'athanor-transformers-'));
  const cases: Case[] = [];
  afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

  beforeAll(async () => {
    const corpus = fs.readFileSync(path.join(repositoryRoot, 'docs', 'architecture.md'), 'utf8');
    const tokenizer = await trainByteBpe([corpus], { vocabularySize: 600, specialTokens: CHAT_SPECIAL_TOKENS });
    const add = (
      name: string,
      loaded: LoadedModel<AnyModel>,
      task: ClientTask['task'],
      rest: Partial<Pick<Case, 'prompts' | 'options'>> = {},
    ): void => {
      cases.push({ name, loaded, task, prompts: PROMPTS, results: new Map(), ...rest });
    };
    const decoders: Record<string, AnyModel> = {
      gpt2: gpt2(),
      llama: new Llama({ ...LLAMA, tiedHead: false }),
      qwen3: new Llama({ ...LLAMA, modelType: 'qwen3', queryKeyNorm: true, headWidth: 24 }),
    };
    for (const [name, model] of Object.entries(decoders)) {
      add(name, withTokenizer(likeTrained(model), tokenizer), 'text-generation');
    }
    const { loaded } = cases.find(({ name }) => name === 'qwen3')!;
    // As a model past 2 GB is written, and with the operators of ONNX Runtime's own.
    const split = { embeddedBytes: 0, chunkBytes: 100_000 };
    add('external', loaded, 'text-generation', { options: { dtypes: ['fp32', 'q4'], ...split } });
    add('fused', loaded, 'text-generation', { options: { dtypes: ['fp32', 'fp16'], fused: true } });
    add('t5', withTokenizer(likeTrained(t5()), tokenizer), 'text2text-generation');
    const sentences = path.join(repositoryRoot, 'test', 'fixtures', 'sentences', 'model');
    add('bert', await loadAnyModel(sentences), 'feature-extraction', { prompts: SENTENCES });
    const stories = sharedData('models/stories260K');
    if (stories !== undefined) add('stories260K', await loadAnyModel(stories), 'text-generation');

    for (const { name, loaded, options } of cases) {
      await exportOnnx(path.join(root, name), loaded, { dtypes: DTYPES, ...options });
    }
    const jobs = cases.flatMap((each) => (each.options?.dtypes ?? DTYPES).map((dtype) => ({ each, dtype })));
    const tasks = jobs.map(({ each: { name, task, prompts, loaded }, dtype }): ClientTask => {
      const texts = dtype === 'fp32' ? { texts: HARD_TEXTS } : {};
      const chat = loaded.chatTemplate === undefined ? {} : { chat: CHAT };
      return { folder: name, dtype: CLIENT_DTYPES[dtype], task, prompts, tokens: TOKENS, ...texts, ...chat };
    });
    const results = runTransformersClient(root, tasks);
    for (const [i, { each, dtype }] of jobs.entries()) each.results.set(dtype, results[i]!);
  }, 180_000);

  const generating = (dtype: OnnxDtype): Case[] =>
    cases.filter(({ task, results }) => task !== 'feature-extraction' && results.has(dtype));

  async function greedy(candidate: Candidate, { loaded, prompts }: Case): Promise<number[][]> {
    const rows: number[][] = [];
    for (const prompt of prompts) {
      const ids = [...loaded.tokenizer.encode(prompt, { addSpecial: true })];
      rows.push(untilEnd(await candidate.greedy(ids, TOKENS), loaded));
    }
    await candidate.release();
    return rows;
  }

  const ended = (rows: readonly (readonly number[])[] | undefined, { loaded }: Case): number[][] =>
    rows!.map((row) => untilEnd(row, loaded));

  it.each(['fp32', 'fp16'] as const)('the tokens of %s are those of our own engine', async (dtype) => {
    for (const each of generating(dtype)) {
      const expected = await greedy(candidateOf(each.loaded, { device }), each);
      expect(ended(each.results.get(dtype)!.single, each), each.name).toEqual(expected);
    }
  });

  it.each(DTYPES)('the tokens of %s are those that the file gives in our runner', async (dtype) => {
    for (const each of generating(dtype)) {
      const candidate = await openOnnxExport(path.join(root, each.name), { dtype, device });
      expect(ended(each.results.get(dtype)!.single, each), each.name).toEqual(await greedy(candidate, each));
    }
  });

  it.each(DTYPES)('prompts of different lengths together give what each gives alone in %s', (dtype) => {
    for (const each of generating(dtype)) {
      const { single, batch } = each.results.get(dtype)!;
      expect(ended(batch, each), each.name).toEqual(ended(single, each));
    }
  });

  it('the pipeline writes the texts of those tokens', () => {
    for (const each of generating('fp32')) {
      const { tokenizer } = each.loaded;
      const { batch, written } = each.results.get('fp32')!;
      each.prompts.forEach((prompt, i) => {
        const before = each.task === 'text-generation' ? [...tokenizer.encode(prompt)] : [];
        const text = tokenizer.decode([...before, ...batch![i]!], { skipSpecial: true });
        expect(written![i]!.trim(), each.name).toBe(text.trim());
      });
    }
  });

  it('hard texts have the same ids, with and without the tokens around them', () => {
    for (const { name, loaded, results } of cases) {
      const { ids, whole } = results.get('fp32')!;
      for (const [i, text] of HARD_TEXTS.entries()) {
        if (name === 'bert' && RARE_IDEOGRAPHS.test(text)) continue;
        const plain = loaded.tokenizer.encode(text, { allowSpecial: true });
        const around = loaded.tokenizer.encode(text, { allowSpecial: true, addSpecial: true });
        expect(ids[i], `${name}: ${text}`).toEqual([...plain]);
        expect(whole[i], `${name}: ${text}`).toEqual([...around]);
      }
    }
  });

  it('a chat is the same text', () => {
    const chatting = cases.filter(({ loaded }) => loaded.chatTemplate !== undefined);
    expect(chatting.length).toBeGreaterThan(2);
    for (const { name, loaded, results } of chatting) {
      const expected = renderChat(loaded.chatTemplate!, CHAT, { addGenerationPrompt: true });
      expect(results.get('fp32')!.chat, name).toBe(expected);
    }
  });

  it('sentences have the vectors of our embedder', async () => {
    const { loaded, prompts, results } = cases.find(({ name }) => name === 'bert')!;
    const model = loaded.model as unknown as Encoder;
    const embedder = Embedder.from(model, loaded.tokenizer, { pooling: 'mean', normalize: true, device });
    const expected = await embedder.embed(prompts);
    await embedder.release();
    const tolerances: Record<OnnxDtype, number> = { fp32: 1e-5, fp16: 5e-3, int8: 0.05, q4: 0.5 };
    for (const dtype of DTYPES) {
      const { vectors } = results.get(dtype)!;
      prompts.forEach((_, row) => {
        const largest = Math.max(...expected[row]!.map((value, i) => Math.abs(value - vectors![row]![i]!)));
        expect(largest, `${dtype} ${row}`).toBeLessThan(tolerances[dtype]);
      });
    }
  });
});

if (!hasTransformersClient()) it('transformers.js', (context) => context.skip(WITHOUT_TRANSFORMERS_CLIENT));
