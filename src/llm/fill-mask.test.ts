import * as path from 'node:path';
import { expect, it } from 'vitest';
import { idRows, likeTrained, part } from '../../test/model-contract.js';
import { plainSoftmax } from '../../test/plain-layers.js';
import { repositoryRoot } from '../../test/source-files.js';
import { Bert, type BertConfig } from '../models/bert.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { loadTokenizer } from '../tokenizer/file.js';
import { fillMask } from './fill-mask.js';

const device = cpu({ threads: 1 });
const tokenizer = loadTokenizer(path.join(repositoryRoot, 'test', 'fixtures', 'sentences', 'model'));
const config: BertConfig = {
  // More than the tokenizer has, as in models whose table is filled up.
  vocabularySize: tokenizer.vocabularySize + 3,
  width: 12,
  layers: 1,
  heads: 2,
  positions: 16,
  hidden: 16,
  types: 2,
  activation: 'gelu',
  epsilon: 1e-12,
  head: 'maskedWords',
  pooler: false,
  tiedHead: true,
  labels: [],
  problem: undefined,
};

it('gives the likeliest tokens of each place', async () => {
  const model = likeTrained(new Bert(config));
  const text = 'the [MASK] sat on the [MASK]';
  const ids = [...tokenizer.encode(text, { addSpecial: true, allowSpecial: true })];
  const mask = tokenizer.specialTokens.get('[MASK]')!;
  expect(ids.filter((id) => id === mask)).toHaveLength(2);
  const forward = compile((rows: Tensor) => model.forward({ ids: rows }), { device });
  const logits = await forward(idRows([ids]));
  await forward.release();
  const filled = await fillMask(model, tokenizer, text, { top: 4, device });
  expect(filled).toHaveLength(2);
  for (const [i, at] of [...ids.keys()].filter((at) => ids[at] === mask).entries()) {
    const row = part(logits, 0, at, at + 1);
    const probabilities = plainSoftmax(
      row,
      row.map(() => true),
    );
    const known = [...probabilities.keys()].filter((id) => id < tokenizer.vocabularySize);
    const best = known.sort((a, b) => probabilities[b]! - probabilities[a]!).slice(0, 4);
    expect(filled[i]!.map(({ id }) => id)).toEqual(best);
    for (const { id, text: word, probability } of filled[i]!) {
      expect(probability).toBeCloseTo(probabilities[id]!, 5);
      expect(word).toBe(tokenizer.decode([id]));
    }
  }
});

it('refuses a text without a place, and a model without the head', async () => {
  await expect(fillMask(new Bert(config), tokenizer, 'the cat', { device })).rejects.toThrow(/\[MASK\] in the text/);
  const bare = new Bert({ ...config, head: 'none' });
  await expect(fillMask(bare, tokenizer, '[MASK]', { device })).rejects.toThrow(/does not fill masks/);
});
