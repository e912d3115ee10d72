import { expect, test } from 'vitest';
import { computed } from '../../test/plain-layers.js';
import { tensor } from '../tensor/ops/create.js';
import { paddingMask } from './padding-mask.js';

test('padding is blocked for every query of its row, and tokens are not', () => {
  const mask = paddingMask(
    tensor(
      [
        [1, 1, 1],
        [1, 0, 0],
      ],
      'int64',
    ),
    2,
  );
  expect(mask.shape).toEqual([2, 1, 2, 3]);
  expect(computed(mask)).toEqual([0, 0, 0, 0, 0, 0, 0, -1e9, -1e9, 0, -1e9, -1e9]);
});
