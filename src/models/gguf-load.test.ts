import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomizeWeights } from '../../test/random-weights.js';
import type { GgufField } from '../gguf/field.js';
import { GgufFile } from '../gguf/file.js';
import { type GgufTensorSource, ggufParts } from '../gguf/writer.js';
import { weightsOf } from '../nn/module.js';
import { trainByteBpe } from '../tokenizer/byte-bpe-training.js';
import { AthanorError, InputError } from '../util/errors.js';
import { writeParts } from '../util/file-parts.js';
import { loadGguf, openGgufModel } from './gguf-load.js';
import { writeGguf } from './gguf-write.js';
import { Llama, type LlamaConfig } from './llama.js';
import { loadAnyModel } from './load.js';

const config: LlamaConfig = {
  vocabularySize: 264,
  width: 32,
  layers: 1,
  heads: 2,
  keyHeads: 1,
  hidden: 32,
  positions: 32,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};

let folder: string;
let good: string;
let model: Llama;
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-gguf-load-'));
  good = path.join(folder, 'good.gguf');
  model = randomizeWeights(new Llama(config), 1);
  const tokenizer = await trainByteBpe(['the cat sat on the mat'], {
    vocabularySize: 260,
    specialTokens: ['<|endoftext|>'],
  });
  await writeGguf(good, { model, tokenizer }, { type: 'F32' });
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

interface Change {
  readonly fields?: (fields: Map<string, GgufField>) => void;
  readonly tensors?: (tensors: Map<string, GgufTensorSource>) => void;
}

let files = 0;

/** The good file with something changed. */
function changed({ fields, tensors }: Change): string {
  const source = GgufFile.open(good);
  const metadata = new Map(source.metadata);
  fields?.(metadata);
  const entries = [...source.tensors].map(([name, { type, shape }]): [string, GgufTensorSource] => {
    const bytes = source.read(name);
    return [name, { name, type, shape, data: () => bytes }];
  });
  source.close();
  const map = new Map(entries);
  tensors?.(map);
  const file = path.join(folder, `${files++}.gguf`);
  writeParts(file, ggufParts(metadata, map.values()));
  return file;
}

const set = (key: string, field: GgufField): Change => ({ fields: (fields) => void fields.set(key, field) });
const drop = (key: string): Change => ({ fields: (fields) => void fields.delete(key) });
const whole = (value: number): GgufField => ({ type: 'u32', value });
const float = (value: number): GgufField => ({ type: 'f32', value });
const text = (value: string): GgufField => ({ type: 'string', value });
const zeros = (name: string, shape: readonly number[]): Change => ({
  tensors: (tensors) => {
    const bytes = new Uint8Array(4 * shape.reduce((product, size) => product * size, 1));
    tensors.set(name, { name, type: 'F32', shape, data: () => bytes });
  },
});

describe('loadGguf', () => {
  it.each<[string, Change, Partial<LlamaConfig>]>([
    ['older files without optional keys', { fields: dropOptional }, {}],
    [
      'numbers for every layer, all alike',
      set('llama.attention.head_count_kv', { type: 'array', items: 'u32', value: Uint32Array.of(1) }),
      {},
    ],
    ['a window as long as the context', set('llama.attention.sliding_window', whole(32)), {}],
    [
      'a window',
      set('llama.attention.sliding_window', whole(8)),
      { modelType: 'mistral', window: { size: 8, layers: [0] } },
    ],
    ['features that are off', set('llama.expert_count', whole(0)), {}],
    ['a scale of the scores that is the usual one', set('llama.attention.scale', float(Math.fround(0.25))), {}],
    ['factors of rotation that change nothing', factorsOf(1), {}],
  ])('reads %s', (_, change, expected) => {
    const loaded = loadGguf(changed(change));
    expect(loaded.model.config).toEqual({ ...config, ...expected });
    const read = new Map(loaded.model.namedParameters());
    for (const [name, parameter] of model.namedParameters()) {
      expect(weightsOf(read.get(name)!)).toEqual(weightsOf(parameter));
    }
  });

  it.each<[string, Change, RegExp]>([
    ['another architecture', set('general.architecture', text('mamba')), /architecture[\s\S]*llama, qwen2[\s\S]*mamba/],
    ['no architecture', drop('general.architecture'), /architecture[\s\S]*nothing/],
    ['an adapter', set('general.type', text('adapter')), /holds no model[\s\S]*adapter/],
    ['one of several files', set('split.count', { type: 'u16', value: 3 }), /split into several files/],
    ['experts', set('llama.expert_count', whole(8)), /llama.expert_count: this feature is not supported/],
    ['a soft cap', set('llama.final_logit_softcapping', float(30)), /final_logit_softcapping/],
    ['an encoder', set('llama.attention.causal', { type: 'bool', value: false }), /attention.causal/],
    ['no number of layers', drop('llama.block_count'), /block_count[\s\S]*whole number from 1[\s\S]*nothing/],
    ['very many layers', set('llama.block_count', whole(2_000_000_000)), /block_count[\s\S]*2000000000/],
    ['more layers than there are', set('llama.block_count', whole(2)), /not those of the configuration[\s\S]*missing/],
    ['heads that do not divide', set('llama.attention.head_count_kv', whole(3)), /a divisor of 2 heads/],
    ['an odd width of heads', set('llama.attention.key_length', whole(15)), /an even number/],
    ['values of another width', set('llama.attention.value_length', whole(8)), /value_length/],
    ['a rotation of a part', set('llama.rope.dimension_count', whole(8)), /rope.dimension_count/],
    ['no epsilon', drop('llama.attention.layer_norm_rms_epsilon'), /epsilon[\s\S]*a number above 0/],
    ['a negative base', set('llama.rope.freq_base', float(-1)), /rope.freq_base/],
    ['an infinite base', set('llama.rope.freq_base', float(Number.POSITIVE_INFINITY)), /rope.freq_base/],
    ['a text for a number', set('llama.block_count', text('1')), /block_count/],
    [
      'layers that differ',
      set('llama.feed_forward_length', { type: 'array', items: 'u32', value: Uint32Array.of(32, 64) }),
      /feed_forward_length[\s\S]*an array/,
    ],
    [
      'a window in some layers alone',
      {
        fields: (fields) => {
          fields.set('llama.attention.sliding_window', whole(8));
          fields.set('llama.attention.sliding_window_pattern', { type: 'array', items: 'bool', value: [true, false] });
        },
      },
      /sliding_window_pattern/,
    ],
    ['factors of another width', zeros('rope_freqs.weight', [4]), /rope_freqs[\s\S]*\[8\][\s\S]*\[4\]/],
    ['factors of another scheme', zeros('rope_freqs.weight', [8]), /rope_freqs[\s\S]*not supported/],
    ['a tensor too many', zeros('blk.0.ffn_gate_inp.weight', [2, 32]), /not expected: blk.0.ffn_gate_inp.weight/],
    ['a bias that is not used', zeros('blk.0.attn_output.bias', [32]), /not expected/],
    ['a tensor of another shape', zeros('blk.0.ffn_up.weight', [32, 16]), /ffn_up|mlp.up_proj/],
    ['no embedding', { tensors: (tensors) => void tensors.delete('token_embd.weight') }, /token_embd.weight/],
    ['an empty embedding', zeros('token_embd.weight', [0, 32]), /vocab_size|another shape/],
    ['fewer rows than tokens', zeros('token_embd.weight', [250, 32]), /ids that the model does not|rows/],
    ['no tokenizer', drop('tokenizer.ggml.model'), /tokenizer/],
    ['another tokenizer', set('tokenizer.ggml.model', text('rwkv')), /rwkv/],
    ['a closing token that is none', set('tokenizer.ggml.eot_token_id', whole(9999)), /eot_token_id/],
    ['a temperature below 0', set('general.sampling.temp', float(-1)), /general.sampling.temp/],
  ])('refuses %s', (_, change, message) => {
    const file = changed(change);
    expect(() => loadGguf(file)).toThrow(AthanorError);
    expect(() => loadGguf(file)).toThrow(message);
    expect(() => loadGguf(file)).toThrow(file);
  });

  it('closes the file that it refuses', () => {
    const file = changed(drop('llama.block_count'));
    const open = (): number => fs.readdirSync('/proc/self/fd').length;
    if (!fs.existsSync('/proc/self/fd')) return;
    const before = open();
    for (let i = 0; i < 20; i++) expect(() => openGgufModel(file)).toThrow(InputError);
    expect(open()).toBeLessThan(before + 10);
  });

  it('is what loadAnyModel does with such a file, and with a folder that has one', async () => {
    const place = path.join(folder, 'one');
    fs.mkdirSync(place);
    fs.copyFileSync(good, path.join(place, 'a.gguf'));
    for (const named of [good, place]) {
      const loaded = await loadAnyModel(named);
      expect(loaded.model.config).toEqual(config);
      expect(loaded.folder).toBe(named === good ? folder : place);
    }
    fs.copyFileSync(good, path.join(place, 'b.gguf'));
    await expect(loadAnyModel(place)).rejects.toThrow(/a.gguf, b.gguf/);
    await expect(loadAnyModel(path.join(folder, 'absent.gguf'))).rejects.toThrow(InputError);
  });
});

function dropOptional(fields: Map<string, GgufField>): void {
  const optional = [
    'attention.key_length',
    'attention.value_length',
    'rope.dimension_count',
    'rope.freq_base',
    'vocab_size',
  ];
  for (const key of optional) fields.delete(`llama.${key}`);
  fields.delete('general.type');
}

function factorsOf(value: number): Change {
  const bytes = new Uint8Array(new Float32Array(8).fill(value).buffer);
  const name = 'rope_freqs.weight';
  return { tensors: (tensors) => void tensors.set(name, { name, type: 'F32', shape: [8], data: () => bytes }) };
}

describe('a stranger’s file', () => {
  /** Loads or refuses; anything else is a fault. */
  function tryToLoad(file: string): void {
    try {
      loadGguf(file);
    } catch (error) {
      if (!(error instanceof AthanorError)) throw error;
    }
  }

  it('is loaded or refused with a reason, whatever its bytes are', () => {
    const bytes = fs.readFileSync(good);
    const opened = GgufFile.open(good);
    const header = Math.min(...[...opened.tensors.values()].map(({ offset }) => offset));
    opened.close();
    const file = path.join(folder, 'mutated.gguf');
    const edit = fc.tuple(fc.nat(header - 1), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, -1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        fc.nat(bytes.length),
        fc.boolean(),
        (edits, end, cut) => {
          const mutated = Buffer.from(cut ? bytes.subarray(0, end) : bytes);
          for (const [at, value, other] of edits) if (at < mutated.length) mutated[at] = value < 0 ? other : value;
          fs.writeFileSync(file, mutated);
          tryToLoad(file);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is loaded or refused with a reason, whatever its fields say', () => {
    const opened = GgufFile.open(good);
    const keys = [...opened.metadata.keys()].filter((key) => !/tokens$|merges$|token_type$/.test(key));
    opened.close();
    const more = ['rope.scaling.factor', 'rope.scaling.original_context_length', 'attention.sliding_window'];
    const number = fc.oneof(fc.nat(70), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1));
    const field: fc.Arbitrary<GgufField> = fc.oneof(
      number.map(whole),
      fc.float().map(float),
      fc.string({ maxLength: 9 }).map(text),
      fc.constantFrom('linear', 'yarn', 'qwen2', 'qwen3', 'gpt2', 'llama').map(text),
      fc.boolean().map((value): GgufField => ({ type: 'bool', value })),
      fc.array(number).map((value): GgufField => ({ type: 'array', items: 'u32', value: Uint32Array.from(value) })),
    );
    const key = fc.constantFrom(...keys, ...more.map((name) => `llama.${name}`));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, field), { minLength: 1, maxLength: 4 }), (entries) => {
        const file = changed({
          fields: (fields) => {
            for (const [name, value] of entries) if (name !== 'general.alignment') fields.set(name, value);
          },
        });
        tryToLoad(file);
        fs.rmSync(file);
      }),
      { numRuns: 200 },
    );
  });
});
