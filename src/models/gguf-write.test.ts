import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { randomizeWeights } from '../../test/random-weights.js';
import { dequantize } from '../gguf/dequantize.js';
import { GgufFile } from '../gguf/file.js';
import { quantize } from '../gguf/quantize.js';
import { weightsOf } from '../nn/module.js';
import { trainByteBpe } from '../tokenizer/byte-bpe-training.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { Bert } from './bert.js';
import { loadGguf, openGgufModel } from './gguf-load.js';
import { type GgufModelType, Q4_0_HEAD_TYPE } from './gguf-types.js';
import { writeGguf } from './gguf-write.js';
import { Gpt2, type Gpt2Config } from './gpt2.js';
import { Llama, type LlamaConfig } from './llama.js';
import type { AnyModel } from './load.js';

const llama: LlamaConfig = {
  vocabularySize: 300,
  width: 64,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  hidden: 96,
  positions: 64,
  theta: 500_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};

const gpt2: Gpt2Config = {
  vocabularySize: 300,
  width: 64,
  layers: 2,
  heads: 4,
  hidden: 96,
  positions: 64,
  activation: 'geluTanh',
  epsilon: 1e-5,
  tiedHead: true,
};

const MODELS: Readonly<Record<string, () => AnyModel>> = {
  llama: () => new Llama(llama),
  'llama with biases': () =>
    new Llama({ ...llama, tiedHead: false, headWidth: 32, attentionBias: 'all', feedForwardBias: true }),
  'mistral with a window': () => new Llama({ ...llama, modelType: 'mistral', window: { size: 16, layers: [0, 1] } }),
  qwen2: () => new Llama({ ...llama, modelType: 'qwen2', attentionBias: 'inputs' }),
  'qwen2 with a window': () =>
    new Llama({ ...llama, modelType: 'qwen2', attentionBias: 'inputs', window: { size: 16, layers: [1] } }),
  qwen3: () => new Llama({ ...llama, queryKeyNorm: true, headWidth: 32, tiedHead: false }),
  gpt2: () => new Gpt2(gpt2),
  'untied gpt2': () => new Gpt2({ ...gpt2, tiedHead: false }),
};

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await trainByteBpe(['the cat sat on the mat'], {
    vocabularySize: 270,
    specialTokens: CHAT_SPECIAL_TOKENS,
    roles: { bos: '<|endoftext|>', eos: '<|end|>', pad: '<|endoftext|>' },
  });
});

let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-gguf-'));
  file = path.join(folder, 'model.gguf');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const weights = (model: AnyModel): Map<string, Float32Array> =>
  new Map([...model.namedParameters()].map(([name, parameter]) => [name, weightsOf(parameter)]));

/** To the bit; much faster than `toEqual` on every element. */
function isSame(a: Float32Array | undefined, b: Float32Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
    Buffer.from(buffer, byteOffset, byteLength);
  return a !== undefined && bytes(a).equals(bytes(b));
}

describe.each(Object.entries(MODELS))('%s', (_, make) => {
  it('comes back to the bit from F32', async () => {
    const model = randomizeWeights(make(), 1);
    const { bosId, eosId, padId } = tokenizer as { bosId: number; eosId: number; padId: number };
    const generation = { bosId, eosIds: [eosId, 3], padId, temperature: 0.7, topK: 40, topP: 0.9 };
    const saved = { model, tokenizer, chatTemplate: DEFAULT_CHAT_TEMPLATE, generation };
    const { tensors } = await writeGguf(file, saved, { type: 'F32' });
    expect(tensors.every(({ type }) => type === 'F32')).toBe(true);
    const loaded = loadGguf(file);
    expect(loaded.model.config).toEqual(model.config);
    const read = weights(loaded.model);
    expect([...weights(model)].filter(([name, values]) => !isSame(read.get(name), values))).toEqual([]);
    expect(loaded.chatTemplate).toBe(DEFAULT_CHAT_TEMPLATE);
    expect(loaded.generation).toEqual(generation);
    expect([...loaded.tokenizer.encode('the cat 猫')]).toEqual([...tokenizer.encode('the cat 猫')]);
    expect(fs.readdirSync(folder)).toEqual(['model.gguf']);
  });

  it.each(['F16', 'Q8_0', 'Q4_0'] as const)('holds its weights as %s rounds them', async (type) => {
    const model = randomizeWeights(make(), 2);
    const { tensors, fallbacks, bytes } = await writeGguf(file, { model, tokenizer }, { type });
    expect(fallbacks).toEqual([]);
    expect(bytes).toBe(fs.statSync(file).size);
    const head = tensors.some(({ name }) => name === 'output.weight') ? 'output.weight' : 'token_embd.weight';
    const stored = new Map(tensors.map((tensor) => [tensor.name, tensor.type]));
    expect(stored.get(head)).toBe(type === 'Q4_0' ? Q4_0_HEAD_TYPE : type);
    const read = weights(loadGguf(file).model);
    const headParameter = head === 'output.weight' ? 'head.weight' : 'embedding.weight';
    for (const [name, values] of weights(model)) {
      const isVector = !/weight$/.test(name) || /norm/i.test(name) || name.startsWith('positionEmbedding');
      const as: GgufModelType = isVector ? 'F32' : name === headParameter ? stored.get(head)! : type;
      expect(isSame(read.get(name), dequantize(as, quantize(as, values), values.length)), name).toBe(true);
    }
  });

  it.each(['Q8_0', 'Q4_0'] as const)('gives its weights as they are packed in %s', async (type) => {
    const model = randomizeWeights(make(), 3);
    await writeGguf(file, { model, tokenizer }, { type });
    const { weights: source, config, inFile } = openGgufModel(file);
    let packed = 0;
    for (const { name } of inFile.names(config)) {
      const tensor = source.quantizedTensor(name);
      if (tensor === undefined) continue;
      packed++;
      const count = tensor.shape.reduce((product, size) => product * size, 1);
      expect(tensor.shape).toEqual(source.shapes.get(name));
      expect(isSame(dequantize(tensor.type, tensor.bytes, count), source.readFloat32(name)), name).toBe(true);
    }
    source.close();
    expect(packed).toBeGreaterThan(8);
    expect(source.quantizedTensor('nonsense')).toBeUndefined();
  });
});

describe('writeGguf', () => {
  it('puts the rows of queries and keys in the order in which llama.cpp rotates them', async () => {
    const model = randomizeWeights(new Llama(llama), 4);
    await writeGguf(file, { model, tokenizer }, { type: 'F32' });
    const opened = GgufFile.open(file);
    const own = weights(model);
    for (const [name, part, heads] of [
      ['attn_q', 'q', 4],
      ['attn_k', 'k', 2],
      ['attn_v', 'v', 0],
    ] as const) {
      const stored = opened.readFloat32(`blk.1.${name}.weight`);
      const values = own.get(`layers.1.attention.${part}.weight`)!;
      for (let row = 0; row < stored.length / 64; row++) {
        // Row j of pair i: halves keep it as row i + 8j of a head of 16, pairs as row 2i + j.
        const [start, inHead] = [row - (row % 16), row % 16];
        const from = heads === 0 ? row : start + (inHead >> 1) + 8 * (inHead & 1);
        expect(stored[row * 64 + 5]).toBe(values[from * 64 + 5]);
      }
    }
    opened.close();
  });

  it('writes the metadata of llama.cpp', async () => {
    const model = randomizeWeights(new Llama({ ...llama, headWidth: 32 }), 4);
    await writeGguf(file, { model, tokenizer }, { type: 'Q4_0', name: 'Tiny' });
    const opened = GgufFile.open(file);
    opened.close();
    expect(Object.fromEntries([...opened.metadata].map(([key, { value }]) => [key, value]))).toMatchObject({
      'general.architecture': 'llama',
      'general.type': 'model',
      'general.name': 'Tiny',
      'general.file_type': 2,
      'general.quantization_version': 2,
      'llama.block_count': 2,
      'llama.context_length': 64,
      'llama.embedding_length': 64,
      'llama.feed_forward_length': 96,
      'llama.vocab_size': 300,
      'llama.attention.head_count': 4,
      'llama.attention.head_count_kv': 2,
      'llama.attention.key_length': 32,
      'llama.attention.value_length': 32,
      'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
      'llama.rope.dimension_count': 32,
      'llama.rope.freq_base': 500_000,
      'tokenizer.ggml.model': 'gpt2',
    });
  });

  it('says which tensors are not whole blocks, and stores them as F16', async () => {
    const model = randomizeWeights(new Llama({ ...llama, hidden: 40 }), 5);
    const { fallbacks } = await writeGguf(file, { model, tokenizer }, { type: 'Q4_0' });
    const reason = 'its rows of 40 are not whole blocks of 32';
    expect(fallbacks).toEqual([0, 1].map((layer) => ({ name: `blk.${layer}.ffn_down.weight`, type: 'F16', reason })));
    const read = weights(loadGguf(file).model).get('layers.0.feedForward.down.weight')!;
    const own = weights(model).get('layers.0.feedForward.down.weight')!;
    expect(isSame(read, dequantize('F16', quantize('F16', own), own.length))).toBe(true);
  });

  it('says what llama.cpp will do otherwise', async () => {
    const notes = async (change: Partial<LlamaConfig>): Promise<string> => {
      const model = randomizeWeights(new Llama({ ...llama, ...change }), 6);
      return (await writeGguf(file, { model, tokenizer })).notes.join('\n');
    };
    const plain = await notes({});
    expect(plain).not.toMatch(/window|stretch/);
    expect(await notes({ modelType: 'mistral', window: { size: 16, layers: [0, 1] } })).toMatch(/window of 16/);
    expect(await notes({ modelType: 'mistral', window: { size: 64, layers: [0, 1] } })).toBe(plain);
    expect(await notes({ scaling: { type: 'dynamic', factor: 2 } })).toMatch(/dynamic/);
  });

  it('refuses what llama.cpp does not have, and leaves nothing behind', async () => {
    const yarn = { type: 'yarn', factor: 4, originalPositions: 4096, betaFast: 32, attentionFactor: 1 } as const;
    const refused: [() => AnyModel, RegExp][] = [
      [() => new Llama({ ...llama, queryKeyNorm: true, attentionBias: 'all' }), /qwen3 with biases/],
      [() => new Gpt2({ ...gpt2, activation: 'relu' }), /gpt2 with the activation relu/],
      [() => new Llama({ ...llama, scaling: { ...yarn, betaSlow: 0.1, truncate: true } }), /beta_slow 0.1/],
      [() => new Llama({ ...llama, scaling: { ...yarn, betaSlow: 1, truncate: false } }), /truncate false/],
      [
        () =>
          new Llama({
            ...llama,
            queryKeyNorm: true,
            scaling: {
              type: 'llama3',
              factor: 8,
              lowFrequencyFactor: 1,
              highFrequencyFactor: 4,
              originalPositions: 32,
            },
          }),
        /qwen3 so/,
      ],
      [
        () =>
          new Bert({
            ...{ vocabularySize: 300, width: 32, layers: 1, heads: 2, hidden: 32, positions: 16, types: 2 },
            ...{ activation: 'gelu', epsilon: 1e-5, head: 'none', pooler: false, tiedHead: true },
            ...{ labels: [], problem: undefined },
          }),
        /bert is not written/,
      ],
    ];
    for (const [make, message] of refused) {
      const writing = writeGguf(file, { model: randomizeWeights(make(), 7), tokenizer });
      await expect(writing).rejects.toThrow(InputError);
      await expect(writing).rejects.toThrow(message);
    }
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['F16', 70_000, /blk.0.ffn_up.weight.*cannot be stored as F16/],
    ['F16', Number.NaN, /NaN/],
    ['Q8_0', Number.POSITIVE_INFINITY, /Q8_0/],
    ['Q4_0', 1e9, /Q4_0/],
  ] as const)('refuses a weight that %s cannot hold, %d, and keeps the old file', async (type, value, message) => {
    const model = randomizeWeights(new Llama(llama), 8);
    await writeGguf(file, { model, tokenizer });
    const before = fs.readFileSync(file);
    weights(model).get('layers.0.feedForward.up.weight')![7] = value;
    const writing = writeGguf(file, { model, tokenizer }, { type });
    await expect(writing).rejects.toThrow(InputError);
    await expect(writing).rejects.toThrow(message);
    expect(fs.readdirSync(folder)).toEqual(['model.gguf']);
    expect(fs.readFileSync(file).equals(before)).toBe(true);
  });
});
