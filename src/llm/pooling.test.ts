import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../../test/source-files.js';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { readPooling } from './pooling.js';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-pooling-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The files as the library wrote them for years, with some changed; `undefined` leaves one out. */
function write(change: Readonly<Record<string, Json | undefined>> = {}): void {
  const files: Record<string, Json | undefined> = {
    'modules.json': [
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
      { idx: 2, name: '2', path: '2_Normalize', type: 'sentence_transformers.models.Normalize' },
    ],
    '1_Pooling/config.json': {
      word_embedding_dimension: 384,
      pooling_mode_cls_token: false,
      pooling_mode_mean_tokens: true,
      pooling_mode_max_tokens: false,
      pooling_mode_mean_sqrt_len_tokens: false,
    },
    'sentence_bert_config.json': { max_seq_length: 256, do_lower_case: false },
    ...change,
  };
  for (const [name, content] of Object.entries(files)) {
    if (content === undefined) continue;
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), JSON.stringify(content));
  }
}

const modules = (...kinds: readonly string[]): Json =>
  kinds.map((kind, i) => ({ path: i === 0 ? '' : `${i}_${kind}`, type: `sentence_transformers.models.${kind}` }));

describe('the pooling of a sentence encoder', () => {
  it('is read from the files of older and newer versions', () => {
    write();
    expect(readPooling(folder)).toEqual({ pooling: 'mean', normalize: true, maxTokens: 256 });
    expect(readPooling(path.join(repositoryRoot, 'test/fixtures/sentences/model'))).toEqual({
      pooling: 'mean',
      normalize: true,
      maxTokens: 10,
    });
  });

  it('may be the first token, not normalised, in lower case, after a prompt', () => {
    write({
      'modules.json': modules('Transformer', 'Pooling'),
      '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false },
      'sentence_bert_config.json': { max_seq_length: null, do_lower_case: true },
      'tokenizer_config.json': { model_max_length: 1e30 },
      'config_sentence_transformers.json': { prompts: { query: 'query: ' }, default_prompt_name: 'query' },
    });
    expect(readPooling(folder)).toEqual({ pooling: 'cls', normalize: false, lowerCase: true, prefix: 'query: ' });
  });

  it('is the mean where nothing is said', () => {
    expect(readPooling(folder)).toEqual({ pooling: 'mean', normalize: false });
  });

  it.each<[string, Record<string, Json>, RegExp]>([
    ['a step that is not built', { 'modules.json': modules('Transformer', 'Pooling', 'Dense') }, /Pooling, Dense/],
    ['no pooling', { 'modules.json': modules('Transformer') }, /not built/],
    ['no list of modules', { 'modules.json': { a: 1 } }, /not a list of modules/],
    ['a module that is none', { 'modules.json': [null] }, /entry 0: not a module/],
    ['a path out of the folder', { 'modules.json': [{ type: 'a.Transformer', path: '../../etc' }] }, /plain name/],
    ['a hidden path', { 'modules.json': [{ type: 'a.Transformer', path: '..' }] }, /plain name/],
    ['an absolute path', { 'modules.json': [{ type: 'a.Transformer', path: '/etc' }] }, /plain name/],
    ['another mode', { '1_Pooling/config.json': { pooling_mode_lasttoken: true } }, /pooling_mode_lasttoken/],
    ['a mode that is a property', { '1_Pooling/config.json': { pooling_mode: 'toString' } }, /toString/],
    ['no mode', { '1_Pooling/config.json': {} }, /not built/],
    [
      'two modes at once',
      { '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true } },
      /not built/,
    ],
    ['a length that is none', { 'sentence_bert_config.json': { max_seq_length: -1 } }, /max_seq_length/],
    ['a flag that is none', { 'sentence_bert_config.json': { do_lower_case: 'yes' } }, /do_lower_case/],
    [
      'a prompt that is not there',
      { 'config_sentence_transformers.json': { default_prompt_name: 'toString', prompts: {} } },
      /default_prompt_name/,
    ],
    [
      'a prompt that is left out of the vector',
      {
        'config_sentence_transformers.json': { default_prompt_name: 'q', prompts: { q: 'q: ' } },
        '1_Pooling/config.json': { pooling_mode: 'mean', include_prompt: false },
      },
      /include_prompt/,
    ],
  ])('refuses %s', (_, change, message) => {
    write(change);
    expect(() => readPooling(folder)).toThrow(InputError);
    expect(() => readPooling(folder)).toThrow(message);
  });

  it('refuses a pooling without its file', () => {
    write();
    fs.rmSync(path.join(folder, '1_Pooling'), { recursive: true });
    expect(() => readPooling(folder)).toThrow(/no such file/);
  });
});
