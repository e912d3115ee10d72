import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { initialize } from '../nn/module.js';
import { trainByteBpe } from '../tokenizer/byte-bpe-training.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { END_OF_TEXT } from '../tokenizer/tokenizer.js';
import { trainWordPiece } from '../tokenizer/wordpiece-training.js';
import { Bert, type BertConfig } from './bert.js';
import { CHECKSUM_FILE } from './checkpoint.js';
import { Gpt2 } from './gpt2.js';
import { loadAnyModel } from './load.js';
import { SafetensorsFile } from './safetensors.js';
import { describingFiles, saveModel } from './save.js';
import { T5, type T5Config } from './t5.js';

const bert: BertConfig = {
  vocabularySize: 90,
  width: 8,
  layers: 1,
  heads: 2,
  positions: 16,
  hidden: 12,
  types: 2,
  activation: 'gelu',
  epsilon: 1e-12,
  head: 'none',
  pooler: false,
  tiedHead: true,
  labels: [],
  problem: undefined,
};

const t5: T5Config = {
  modelType: 't5',
  vocabularySize: 270,
  width: 8,
  layers: 1,
  decoderLayers: 1,
  heads: 2,
  headWidth: 4,
  hidden: 12,
  activation: 'relu',
  gated: false,
  positions: 16,
  buckets: 4,
  maxDistance: 8,
  epsilon: 1e-6,
  decoderStartId: 3,
  tiedHead: true,
  scaledHead: true,
};

let bytes: Tokenizer;
let pieces: Tokenizer;
beforeAll(async () => {
  bytes = await trainByteBpe(['the cat sat on the mat'], { vocabularySize: 262, specialTokens: [END_OF_TEXT] });
  pieces = await trainWordPiece(['the cat sat on the mat'], { vocabularySize: 30 });
});

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-save-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const parsed = (files: Record<string, string>, name: string): unknown => JSON.parse(files[name]!);

describe('tokenizer_config.json', () => {
  it('gives a decoder no types of text: GPT-2 would add their vectors', () => {
    const { vocabularySize, width, layers, heads, positions, hidden, epsilon } = bert;
    const shape = { width, layers, heads, positions, hidden, epsilon, vocabularySize: vocabularySize + 200 };
    const model = new Gpt2({ ...shape, activation: 'geluTanh', tiedHead: true });
    const config = parsed(describingFiles({ model, tokenizer: bytes }), 'tokenizer_config.json');
    expect(config).toMatchObject({ model_input_names: ['input_ids', 'attention_mask'], model_max_length: 16 });
    expect(config).not.toHaveProperty('mask_token');
  });

  it('gives an encoder the types of a pair, and names the token that masks', () => {
    const config = parsed(describingFiles({ model: new Bert(bert), tokenizer: pieces }), 'tokenizer_config.json');
    expect(config).toMatchObject({
      model_input_names: ['input_ids', 'token_type_ids', 'attention_mask'],
      model_max_length: 16,
      unk_token: '[UNK]',
      cls_token: '[CLS]',
      sep_token: '[SEP]',
      mask_token: '[MASK]',
    });
  });
});

describe('generation_config.json', () => {
  it('says what the answers of an encoder-decoder begin with', async () => {
    const saved = { model: new T5(t5), tokenizer: bytes };
    const files = describingFiles(saved);
    expect(parsed(files, 'generation_config.json')).toMatchObject({ decoder_start_token_id: 3, eos_token_id: 0 });
    expect(parsed(files, 'tokenizer_config.json')).not.toHaveProperty('model_max_length');
    const given = describingFiles({ ...saved, generation: { eosIds: [1], maxNewTokens: 7 } });
    expect(parsed(given, 'generation_config.json')).toEqual({
      decoder_start_token_id: 3,
      eos_token_id: 1,
      max_new_tokens: 7,
    });
  });

  it('is read with that token where config.json alone names it', async () => {
    await saveModel(folder, { model: initialize(new T5(t5), 1), tokenizer: bytes });
    fs.rmSync(path.join(folder, CHECKSUM_FILE));
    fs.writeFileSync(path.join(folder, 'generation_config.json'), '{"eos_token_id": 5}');
    expect((await loadAnyModel(folder)).generation).toEqual({ bosId: 0, padId: 0, decoderStartId: 3, eosIds: [5] });
  });
});

describe('a masked-word head of its own', () => {
  it('has its bias under both names that the library looks for, and is read again', async () => {
    const model = initialize(new Bert({ ...bert, head: 'maskedWords', tiedHead: false }), 1);
    await saveModel(folder, { model, tokenizer: pieces });
    const file = SafetensorsFile.open(path.join(folder, 'model.safetensors'));
    const names = [...file.entries.keys()].filter((name) => /predictions\.(decoder\.)?bias$/.test(name));
    file.close();
    expect(names.sort()).toEqual(['cls.predictions.bias', 'cls.predictions.decoder.bias']);
    expect((await loadAnyModel(folder)).model.size).toBe(model.size);
  });
});
