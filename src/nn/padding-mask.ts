import { equal, where } from '../tensor/ops/compare.js';
import { scalar } from '../tensor/ops/create.js';
import { expand, reshape } from '../tensor/ops/layout.js';
import type { Dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** Large enough to vanish in the softmax, finite so that a row of nothing but padding gives no NaN. */
const BLOCKED = -1e9;

/**
 * Keeps queries from looking at what fills a row: integers `[B, S]`, 1 for a token and 0 for padding, → `[B, 1, T, S]`
 * to be added to the scores.
 */
export function paddingMask(mask: Tensor, time: Dim): Tensor {
  const [batch, keys] = mask.shape as readonly [Dim, Dim];
  const added = where(equal(mask, 0), scalar(BLOCKED, 'float32'), 0);
  return expand(reshape(added, [batch, 1, 1, keys]), [batch, 1, time, keys]);
}
