import { expect, test } from 'vitest';
import { computed, randomize, weightRows } from '../../test/plain-layers.js';
import { grad } from '../tensor/grad.js';
import { mul } from '../tensor/ops/binary.js';
import { tensor } from '../tensor/ops/create.js';
import { sum } from '../tensor/ops/reduce.js';
import { Embedding } from './embedding.js';

const ids = [
  [3, 0, 3],
  [1, 5, 3],
];

test('gives each integer its row', () => {
  const layer = randomize(new Embedding({ count: 6, width: 2 }), 1);
  const y = layer.forward(tensor(ids, 'int64'));
  expect(y.shape).toEqual([2, 3, 2]);
  const rows = weightRows(layer.weight);
  expect(computed(y)).toEqual(ids.flat().flatMap((id) => rows[id]!));
});

test('the gradient of a row is the sum over the places that used it', () => {
  const layer = randomize(new Embedding({ count: 6, width: 2 }), 1);
  const weights = [
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
    [
      [7, 8],
      [9, 10],
      [11, 12],
    ],
  ];
  const loss = sum(mul(layer.forward(tensor(ids, 'int64')), tensor(weights)));
  const [gradient] = grad(loss, [layer.weight.tensor]);
  expect(computed(gradient!)).toEqual([3, 4, 7, 8, 0, 0, 1 + 5 + 11, 2 + 6 + 12, 0, 0, 9, 10]);
});
