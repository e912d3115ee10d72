import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { initialize, type Module, weightsOf } from '../nn/module.js';
import { trainByteBpe } from '../tokenizer/byte-bpe-training.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import { saveTokenizer } from '../tokenizer/file.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { CorruptFileError, InputError } from '../util/errors.js';
import { writeParts } from '../util/file-parts.js';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from '../util/half.js';
import type { Json } from '../util/json.js';
import { writeCheckpoint } from './checkpoint.js';
import { checkpointFolder } from './checkpoint-list.js';
import { Llama, type LlamaConfig } from './llama.js';
import { loadModel, loadWeights } from './load.js';
import { type SafetensorsTensor, safetensorsParts } from './safetensors.js';
import { modelFiles, saveModel } from './save.js';

const config: LlamaConfig = {
  vocabularySize: 288,
  width: 16,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  hidden: 40,
  positions: 32,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
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
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-model-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const make = (change: Partial<LlamaConfig> = {}, seed = 1): Llama =>
  initialize(new Llama({ ...config, ...change }), seed);
const weights = (model: Module): [string, Float32Array][] =>
  [...model.namedParameters()].map(([name, parameter]) => [name, weightsOf(parameter)]);

/** A folder as other tools write it: without checksums, its tensors and configuration changed. */
async function writeForeign(
  place: string,
  change: {
    readonly config?: { [key: string]: Json };
    readonly tensors?: (tensors: Map<string, SafetensorsTensor>) => Record<string, Map<string, SafetensorsTensor>>;
  } = {},
): Promise<void> {
  const { files, tensors } = await modelFiles({ model: make(), tokenizer });
  fs.mkdirSync(place, { recursive: true });
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(place, name), content);
  const json = { ...JSON.parse(files['config.json'] as string), ...change.config };
  fs.writeFileSync(path.join(place, 'config.json'), JSON.stringify(json));
  const map = new Map(tensors['model.safetensors']);
  for (const [name, content] of Object.entries(change.tensors?.(map) ?? { 'model.safetensors': map })) {
    writeParts(path.join(place, name), safetensorsParts(content));
  }
}

describe('saveModel and loadModel', () => {
  it.each([{}, { tiedHead: false, keyHeads: 4 }, { queryKeyNorm: true }])(
    'keep every weight to the bit, and all the rest: %j',
    async (change) => {
      const model = make(change);
      const generation = { bosId: 0, eosIds: [6, 0], temperature: 0.8, topP: 0.9 };
      const place = path.join(folder, 'model');
      await saveModel(place, { model, tokenizer, chatTemplate: DEFAULT_CHAT_TEMPLATE, generation });
      const loaded = await loadModel(place);
      expect(loaded.model.config).toEqual(model.config);
      expect(weights(loaded.model)).toEqual(weights(model));
      expect([...loaded.model.namedParameters()].every(([name, parameter]) => parameter.name === name)).toBe(true);
      expect(loaded.tokenizer.encode('the mat')).toEqual(tokenizer.encode('the mat'));
      expect(loaded).toMatchObject({ chatTemplate: DEFAULT_CHAT_TEMPLATE, folder: place, damaged: [] });
      expect(loaded.generation).toEqual({ ...generation, padId: 0 });
    },
  );

  it('writes the files of the layout, the tokenizer as saveTokenizer does', async () => {
    const { files, tensors } = await modelFiles({ model: make(), tokenizer, chatTemplate: DEFAULT_CHAT_TEMPLATE });
    expect(Object.keys(tensors)).toEqual(['model.safetensors']);
    expect(JSON.parse(files['config.json'] as string)).toMatchObject({ bos_token_id: 0, eos_token_id: 6 });
    saveTokenizer(tokenizer, folder, { chatTemplate: DEFAULT_CHAT_TEMPLATE });
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
      const alone = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
      expect(JSON.parse(files[name] as string)).toMatchObject(alone);
    }
  });

  it('lets a resumed run read the weights into its model', async () => {
    await saveModel(folder, { model: make({}, 7), tokenizer });
    const model = make({}, 8);
    loadWeights(model, folder);
    expect(weights(model)).toEqual(weights(make({}, 7)));
    expect(() => loadWeights(make({ layers: 3 }), folder)).toThrow(/missing: model\.layers\.2\.input_layernorm/);
  });
});

describe('loadModel of a run', () => {
  const save = async (step: number, seed: number): Promise<void> => {
    const { files, tensors } = await modelFiles({ model: make({}, seed), tokenizer });
    const moments = new Map([['m', { dtype: 'F32' as const, shape: [1], data: Float32Array.of(1) }]]);
    return writeCheckpoint(checkpointFolder(folder, step), {
      files,
      tensors: { ...tensors, 'optimizer.safetensors': moments },
    });
  };
  const damage = (step: number): void => {
    fs.truncateSync(path.join(checkpointFolder(folder, step), 'model.safetensors'), 100);
  };

  it('takes the newest checkpoint that is whole, and the finished model before any', async () => {
    await save(10, 1);
    await save(20, 2);
    await save(30, 3);
    damage(30);
    const loaded = await loadModel(folder);
    expect(loaded.folder).toBe(checkpointFolder(folder, 20));
    expect(loaded.damaged.map(({ step }) => step)).toEqual([30]);
    expect(weights(loaded.model)).toEqual(weights(make({}, 2)));
    await saveModel(path.join(folder, 'model'), { model: make({}, 4), tokenizer });
    expect(weights((await loadModel(folder)).model)).toEqual(weights(make({}, 4)));
  });

  it('says so where none is whole', async () => {
    await save(10, 1);
    damage(10);
    await expect(loadModel(folder)).rejects.toThrow(/every checkpoint of the run is damaged[\s\S]*10.*cut off/);
  });

  it('refuses a finished model with a flipped bit', async () => {
    const place = path.join(folder, 'model');
    await saveModel(place, { model: make(), tokenizer });
    const file = path.join(place, 'model.safetensors');
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 5]! ^= 4;
    fs.writeFileSync(file, bytes);
    await expect(loadModel(folder)).rejects.toThrow(CorruptFileError);
  });
});

describe("loadModel of other tools' folders", () => {
  it.each([
    ['F16', float32ToFloat16, float16ToFloat32],
    ['BF16', float32ToBfloat16, bfloat16ToFloat32],
  ] as const)('widens %s to float32', async (dtype, narrow, widen) => {
    await writeForeign(folder, {
      tensors: (map) => ({
        'model.safetensors': new Map(
          [...map].map(([name, { shape, data }]) => [name, { dtype, shape, data: narrow(data as Float32Array) }]),
        ),
      }),
    });
    const expected = weights(make()).map(([name, data]) => [name, widen(narrow(data))]);
    expect(weights((await loadModel(folder)).model)).toEqual(expected);
  });

  it('reads weights in several files, and passes over a head that is written though tied', async () => {
    await writeForeign(folder, {
      tensors: (map) => {
        const all = [...map, ['lm_head.weight', map.get('model.embed_tokens.weight')!] as const];
        return { 'a.safetensors': new Map(all.slice(0, 7)), 'b.safetensors': new Map(all.slice(7)) };
      },
    });
    const index = path.join(folder, 'model.safetensors.index.json');
    fs.writeFileSync(index, JSON.stringify({ weight_map: { x: 'a.safetensors', y: 'b.safetensors' } }));
    expect(weights((await loadModel(folder)).model)).toEqual(weights(make()));
    fs.writeFileSync(index, JSON.stringify({ weight_map: { x: '../a.safetensors' } }));
    await expect(loadModel(folder)).rejects.toThrow(/weight_map: not an index of weights/);
  });

  it('takes what opens and ends a text from config.json, then from the tokenizer', async () => {
    await writeForeign(folder, { config: { eos_token_id: [5, 6], bos_token_id: null } });
    fs.rmSync(path.join(folder, 'generation_config.json'));
    expect((await loadModel(folder)).generation).toEqual({ bosId: 0, eosIds: [5, 6], padId: 0 });
  });

  const faults: readonly (readonly [string, Parameters<typeof writeForeign>[1], RegExp])[] = [
    [
      'another type',
      { config: { model_type: 'mamba' } },
      /model_type[\s\S]*llama, mistral, qwen2, qwen3, bert, t5[\s\S]*"mamba"/,
    ],
    ['a feature that is not built', { config: { hidden_act: 'gelu' } }, /hidden_act is not supported/],
    [
      'another shape',
      { config: { intermediate_size: 44 } },
      /tensor 'model\.layers\.0\.mlp\.gate_proj\.weight'[\s\S]*expected: \[44, 16\]\n +got: +\[40, 16\]/,
    ],
    // 65,536 wide and 1,024 layers deep would be 300 TB: refused before any of it is allocated.
    [
      'sizes that the file does not hold',
      { config: { hidden_size: 65_536, num_hidden_layers: 1024, head_dim: null, max_position_embeddings: 1 } },
      /missing: model\.layers\.2\./,
    ],
    ['fewer layers', { config: { num_hidden_layers: 1 } }, /not expected: model\.layers\.1/],
    ['an untied head', { config: { tie_word_embeddings: false } }, /missing: lm_head\.weight/],
    ['a small vocabulary', { config: { vocab_size: 100 } }, /the tokenizer has ids[\s\S]*ids below 100[\s\S]*269/],
    [
      'a tensor of integers',
      {
        tensors: (map) => ({
          'model.safetensors': map.set('model.norm.weight', { dtype: 'I32', shape: [16], data: new Int32Array(16) }),
        }),
      },
      /'model\.norm\.weight' holds no floating-point numbers/,
    ],
  ];
  it.each(faults)('refuses %s', async (_, change, message) => {
    await writeForeign(folder, change);
    await expect(loadModel(folder)).rejects.toThrow(InputError);
    await expect(loadModel(folder)).rejects.toThrow(message);
  });

  it('says what is missing', async () => {
    await expect(loadModel(path.join(folder, 'absent'))).rejects.toThrow(
      /no such file or folder[\s\S]*a folder with a model/,
    );
    for (const place of ['no-such/tiny', 'https://huggingface.co/no-such/tiny']) {
      await expect(loadModel(place)).rejects.toThrow(/no such file or folder[\s\S]*hf:no-such\/tiny$/);
    }
    await expect(loadModel('src/no-such-run')).rejects.not.toThrow('hf:src');
    fs.writeFileSync(path.join(folder, 'blob'), 'GGUF');
    await expect(loadModel(path.join(folder, 'blob'))).rejects.toThrow(/this is a file[\s\S]*ends in \.gguf/);
    fs.renameSync(path.join(folder, 'blob'), path.join(folder, 'BLOB.GGUF'));
    await expect(loadModel(path.join(folder, 'BLOB.GGUF'))).rejects.toThrow('not a valid GGUF file');
    fs.rmSync(path.join(folder, 'BLOB.GGUF'));
    await expect(loadModel(folder)).rejects.toThrow(/there is no model here[\s\S]*config\.json[\s\S]*an empty folder/);
    fs.writeFileSync(path.join(folder, 'notes.bin'), 'not a model, but long enough for a header of one');
    await expect(loadModel(folder)).rejects.toThrow(/there is no model here[\s\S]*got: +notes\.bin/);
    await writeForeign(folder);
    fs.rmSync(path.join(folder, 'model.safetensors'));
    await expect(loadModel(folder)).rejects.toThrow(/there are no weights[\s\S]*model\.safetensors/);
    const snapshot = path.join(folder, 'snapshots', 'c0ffee'.padEnd(40, '0'));
    fs.mkdirSync(snapshot, { recursive: true });
    for (const name of ['config.json', 'tokenizer.json'])
      fs.copyFileSync(path.join(folder, name), path.join(snapshot, name));
    await expect(loadModel(snapshot)).rejects.toThrow(/there are no weights[\s\S]*refs\/pr\/1/);
    fs.rmSync(path.join(folder, 'tokenizer.json'));
    await expect(loadModel(folder)).rejects.toThrow(/no tokenizer/);
    fs.writeFileSync(path.join(folder, 'config.json'), '{');
    await expect(loadModel(folder)).rejects.toThrow(/config\.json: not valid JSON/);
  });
});
