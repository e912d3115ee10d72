import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { characterTokenizer } from '../../test/bigram-model.js';
import { likeTrained } from '../../test/model-contract.js';
import { Bert, type BertConfig } from '../models/bert.js';
import { Gpt2 } from '../models/gpt2.js';
import { Llama, type LlamaConfig } from '../models/llama.js';
import type { AnyModel, LoadedModel } from '../models/load.js';
import { quantizeModel } from '../models/quantize.js';
import { architectureFor } from '../models/registry.js';
import { generationOf } from '../models/save.js';
import { T5, type T5Config } from '../models/t5.js';
import { readModelFile } from '../onnx/external-data.js';
import { array } from '../runtime/array.js';
import { cpu } from '../runtime/device.js';
import { ModelFile } from '../runtime/model-file.js';
import type { HostArray } from '../tensor/variable.js';
import { candidateOf } from './model-candidate.js';
import { openOnnxExport } from './onnx-candidate.js';
import { exportOnnx, type OnnxDtype, type OnnxExportOptions } from './onnx-export.js';

const device = cpu({ threads: 1 });
const IDS = [3, 17, 5, 9, 60, 2, 8];
const DECODER_IDS = [1, 7, 30, 4];

const SHAPE = { vocabularySize: 600, width: 32, layers: 2, heads: 4, hidden: 48, positions: 40 };
const LLAMA: LlamaConfig = {
  ...SHAPE,
  keyHeads: 2,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};
const BERT: BertConfig = {
  ...SHAPE,
  types: 2,
  activation: 'gelu',
  epsilon: 1e-12,
  head: 'none',
  pooler: false,
  tiedHead: true,
  labels: [],
  problem: undefined,
};
const T5_SHAPE: T5Config = {
  ...SHAPE,
  modelType: 't5',
  decoderLayers: 3,
  headWidth: 12,
  activation: 'geluTanh',
  gated: true,
  epsilon: 1e-6,
  buckets: 8,
  maxDistance: 16,
  tiedHead: false,
  scaledHead: false,
  decoderStartId: 1,
};

const MODELS: Readonly<Record<string, () => AnyModel>> = {
  'llama, grouped heads': () => new Llama(LLAMA),
  'llama, own head, biases': () => new Llama({ ...LLAMA, tiedHead: false, attentionBias: 'all', width: 24 }),
  qwen3: () => new Llama({ ...LLAMA, modelType: 'qwen3', queryKeyNorm: true, headWidth: 12 }),
  'mistral, with a window': () =>
    new Llama({ ...LLAMA, modelType: 'mistral', tiedHead: false, window: { size: 3, layers: [0, 1] } }),
  gpt2: () => new Gpt2({ ...SHAPE, activation: 'geluTanh', epsilon: 1e-5, tiedHead: true }),
  bert: () => new Bert(BERT),
  'bert for masked words': () => new Bert({ ...BERT, head: 'maskedWords' }),
  'bert for classes': () => new Bert({ ...BERT, head: 'textClass', pooler: true, labels: ['a', 'b', 'c'] }),
  t5: () => new T5(T5_SHAPE),
};

/** Largest difference from the model itself, relative to its largest number. */
const TOLERANCES: Readonly<Record<OnnxDtype, number>> = { fp32: 1e-5, fp16: 0.01, int8: 0.05, q4: 0.6 };
const DTYPES = Object.keys(TOLERANCES) as OnnxDtype[];

describe('an ONNX export', () => {
  let folder = '';
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'athanor-onnx-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  async function parts(model: AnyModel): Promise<LoadedModel<AnyModel>> {
    const tokenizer = await characterTokenizer();
    const architecture = architectureFor(model);
    return {
      model: likeTrained(model),
      architecture,
      tokenizer,
      chatTemplate: undefined,
      generation: generationOf(tokenizer),
      folder: 'model',
      damaged: [],
    };
  }

  /** Holds an export against the model: outputs within a tolerance, and a greedy continuation. */
  async function compare(loaded: LoadedModel<AnyModel>, options: OnnxExportOptions): Promise<void> {
    const { files } = await exportOnnx(folder, loaded, options);
    expect(files.every(({ file, bytes }) => fs.statSync(file).size === bytes && !file.endsWith('.tmp'))).toBe(true);
    const own = candidateOf(loaded, { device });
    const expected = await own.outputs(IDS, DECODER_IDS);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const tokens = own.kind === 'encoder' ? undefined : await own.greedy(IDS, 10);
    await own.release();
    for (const dtype of options.dtypes!) {
      const opened = await openOnnxExport(folder, { dtype, device });
      expect(opened).toMatchObject({ kind: own.kind, vocabularySize: own.vocabularySize, positions: own.positions });
      const got = await opened.outputs(IDS, DECODER_IDS);
      expect(got).toHaveLength(expected.length);
      const error = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
      expect(error / largest, dtype).toBeLessThan(TOLERANCES[dtype]);
      if (tokens && dtype === 'fp32') expect(await opened.greedy(IDS, 10)).toEqual(tokens);
      if (!tokens) await expect(opened.greedy(IDS, 10)).rejects.toThrow(/continues no text/);
      await opened.release();
    }
  }

  it.each(Object.keys(MODELS))('computes what the model computes: %s', async (name) => {
    await compare(await parts(MODELS[name]!()), { dtypes: DTYPES });
  });

  it('also with ONNX Runtime’s own nodes, without past, and with weights in other files', async () => {
    const loaded = await parts(MODELS.qwen3!());
    await compare(loaded, { dtypes: DTYPES, fused: true });
    await compare(loaded, { dtypes: DTYPES, past: false });
    await compare(loaded, { dtypes: ['fp32', 'q4'], embeddedBytes: 0, chunkBytes: 30_000 });
    const config = JSON.parse(fs.readFileSync(path.join(folder, 'config.json'), 'utf8'));
    const counts = config['transformers.js_config'].use_external_data_format as Record<string, number>;
    expect(counts['model.onnx']).toBeGreaterThan(1);
    const names = fs.readdirSync(path.join(folder, 'onnx'));
    expect(names.filter((name) => name.startsWith('model.onnx_data'))).toHaveLength(counts['model.onnx']!);
  });

  it('has the inputs and outputs that clients look for, and standard operators alone', async () => {
    await exportOnnx(folder, await parts(MODELS.qwen3!()), { dtypes: ['fp32', 'fp16'] });
    const full = readModelFile(path.join(folder, 'onnx', 'model.onnx'));
    const { inputs, outputs } = full.graph;
    expect(full.opsets).toEqual({ '': 20 });
    expect(inputs.map(({ name }) => name).slice(0, 4)).toEqual([
      'input_ids',
      'attention_mask',
      'position_ids',
      'past_key_values.0.key',
    ]);
    expect(inputs[3]!.dims).toEqual(['batch_size', 2, 'past_sequence_length', 12]);
    expect(outputs.map(({ name }) => name)).toEqual(
      ['logits'].concat([0, 1].flatMap((i) => [`present.${i}.key`, `present.${i}.value`])),
    );
    const half = readModelFile(path.join(folder, 'onnx', 'model_fp16.onnx')).graph;
    expect(half.inputs[3]!.type).toBe('float16');
    expect(half.outputs.map(({ type }) => type)).toEqual(['float32', 'float16', 'float16', 'float16', 'float16']);
    const stored = half.initializers.filter(({ dims }) => dims.length > 1);
    expect(stored.every(({ type }) => type === 'float16')).toBe(true);
    const settings = JSON.parse(fs.readFileSync(path.join(folder, 'tokenizer_config.json'), 'utf8'));
    expect(settings).toMatchObject({ model_max_length: 40, padding_side: 'left' });
  });

  it.each([['left'], ['right']])('gives a row that is filled up on the %s what it gives alone', async (side) => {
    await exportOnnx(folder, await parts(MODELS.gpt2!()), { dtypes: ['fp32'] });
    const model = await ModelFile.open(path.join(folder, 'onnx', 'model.onnx'), device);
    const past = (rows: number): Record<string, HostArray> =>
      Object.fromEntries(
        model.inputs
          .filter(({ name }) => name.startsWith('past'))
          .map(({ name }) => [name, array(new Float32Array(0), [rows, 4, 0, 8])]),
      );
    const int64 = (values: readonly number[], rows: number): HostArray =>
      array(BigInt64Array.from(values, BigInt), [rows, values.length / rows]);
    const counted = IDS.map((_, i) => i);
    const alone = await model.run({
      ...past(1),
      input_ids: int64(IDS, 1),
      attention_mask: int64(
        IDS.map(() => 1),
        1,
      ),
      position_ids: int64(counted, 1),
    });
    const filled = (values: readonly number[], fill: number): number[] =>
      side === 'left' ? [fill, fill, fill, ...values] : [...values, fill, fill, fill];
    const long = Array.from({ length: 10 }, (_, i) => i);
    const together = await model.run({
      ...past(2),
      input_ids: int64([...filled(IDS, 0), ...long], 2),
      attention_mask: int64(
        [
          ...filled(
            IDS.map(() => 1),
            0,
          ),
          ...long.map(() => 1),
        ],
        2,
      ),
      position_ids: int64([...filled(counted, 1), ...long], 2),
    });
    await model.release();
    const start = side === 'left' ? 3 * 600 : 0;
    const expected = alone.logits!.data as Float32Array;
    const got = (together.logits!.data as Float32Array).subarray(start, start + expected.length);
    expect(got.every(Number.isFinite)).toBe(true);
    expect(Math.max(...got.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-4);
  });

  it('says so where the files do not belong together', async () => {
    await exportOnnx(folder, await parts(MODELS.gpt2!()));
    const file = path.join(folder, 'config.json');
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('"vocab_size": 600', '"vocab_size": 599'));
    const opened = await openOnnxExport(folder, { device });
    await expect(opened.greedy(IDS, 2)).rejects.toThrow(/logits do not fit.*\n.*expected: \[1, 7, 599\]/);
    await opened.release();
    fs.writeFileSync(path.join(folder, 'onnx', 'model.onnx'), 'no model');
    await expect(openOnnxExport(folder, { device })).rejects.toThrow(/cannot open the model/);
    await expect(openOnnxExport(folder, { dtype: 'q4' })).rejects.toThrow(/not here as q4/);
  });

  it('refuses what it cannot do, before it writes', async () => {
    const loaded = await parts(MODELS.gpt2!());
    await expect(exportOnnx(folder, loaded, { dtypes: ['q3' as OnnxDtype] })).rejects.toThrow(/fp32, fp16, int8, q4/);
    fs.writeFileSync(path.join(folder, 'checksums.json'), '{}');
    await expect(exportOnnx(folder, loaded)).rejects.toThrow(/under checksums/);
    fs.rmSync(path.join(folder, 'checksums.json'));
    quantizeModel(loaded.model, 4);
    await expect(exportOnnx(folder, loaded)).rejects.toThrow(/packed already/);
    await expect(openOnnxExport(folder)).rejects.toThrow(/config.json/);
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});
