import { expect, test } from 'vitest';
import { describeDecoder } from '../../test/model-contract.js';
import { tensor } from '../tensor/ops/create.js';
import { Gpt2, type Gpt2Config } from './gpt2.js';

const config: Omit<Gpt2Config, 'vocabularySize'> = {
  width: 24,
  layers: 2,
  heads: 2,
  positions: 48,
  hidden: 96,
  activation: 'geluTanh',
  epsilon: 1e-5,
  tiedHead: true,
};

describeDecoder('GPT-2', (vocabularySize) => new Gpt2({ ...config, vocabularySize }));
describeDecoder(
  'GPT-2 with a head of its own and another inner width',
  (vocabularySize) =>
    new Gpt2({ ...config, vocabularySize, width: 32, hidden: 40, activation: 'relu', tiedHead: false }),
);

test('a text past the last position is refused', () => {
  const model = new Gpt2({ ...config, vocabularySize: 5, positions: 2 });
  expect(() => model.hidden(tensor([[1, 2, 3]], 'int64'))).toThrow(/at most 2 tokens[\s\S]*3/);
});
