import { maximum, minimum, sub } from '../tensor/ops/binary.js';
import { greater, where } from '../tensor/ops/compare.js';
import { constant, iota } from '../tensor/ops/create.js';
import { gather } from '../tensor/ops/gather.js';
import { reshape, transpose } from '../tensor/ops/layout.js';
import { slice } from '../tensor/ops/slice.js';
import { addDims, type Dim, multiplyDims } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { InputError } from '../util/errors.js';
import { Module } from './module.js';
import { type Initializer, normalInit, Parameter } from './parameter.js';

/** As causal masks have it: large enough to vanish in the softmax, finite so that no NaN arises. */
const BLOCKED = -1e9;

export interface RelativePositionConfig {
  readonly heads: number;
  /** Distances are sorted into so many buckets; where they go both ways, half are for each. */
  readonly buckets: number;
  /** All distances from here on share the last bucket. */
  readonly maxDistance: number;
  /** Whether queries see what follows them (an encoder, not a decoder). */
  readonly bidirectional: boolean;
  /** Default: normal with deviation 0.02. */
  readonly init?: Initializer;
}

/**
 * A learned bias on the scores of attention that depends on the distance between query and key alone, one number a head
 * and bucket of distances (Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.1). Layers share it.
 */
export class RelativePositionBias extends Module {
  readonly config: RelativePositionConfig;
  /** `[buckets, heads]`. */
  readonly weight: Parameter;

  /** @throws {InputError} if the buckets do not suffice. */
  constructor(config: RelativePositionConfig) {
    super();
    this.config = config;
    const { buckets, maxDistance, bidirectional } = config;
    const exact = exactDistances(config);
    if (!Number.isInteger(buckets) || exact < 1 || (bidirectional && buckets % 2 !== 0) || maxDistance <= exact) {
      throw new InputError('the buckets of distances do not fit', {
        where: 'relative position bias',
        expected: bidirectional
          ? 'an even number of buckets from 4 on, and a largest distance above a quarter of it'
          : '2 buckets or more, and a largest distance above half of them',
        got: `${buckets} buckets, largest distance ${maxDistance}`,
      });
    }
    this.weight = new Parameter([buckets, config.heads], config.init ?? normalInit(0.02));
  }

  /**
   * What is added to the scores, `[1, heads, T, S]`, of T queries that stand at the last T of S positions; where queries
   * do not see what follows them, it is blocked. Both sizes may be symbolic.
   */
  forward(queries: Dim, keys: Dim): Tensor {
    const { maxDistance, bidirectional } = this.config;
    const positions = iota(keys);
    const own = slice(positions, 0, addDims(keys, multiplyDims(-1, queries)), keys);
    const after = sub(reshape(positions, [1, keys]), reshape(own, [queries, 1]));
    const clamped = maximum(minimum(after, bidirectional ? maxDistance : 0), -maxDistance);
    const table = relativeBuckets(this.config);
    const buckets = gather(constant(table, [table.length], 'int32'), sub(clamped, -maxDistance));
    const bias = transpose(gather(this.weight.tensor, buckets), [2, 0, 1]);
    const visible = bidirectional ? bias : where(greater(after, 0), BLOCKED, bias);
    return reshape(visible, [1, this.config.heads, queries, keys]);
  }
}

/** How many distances, from 0 on, have a bucket of their own. */
function exactDistances({ buckets, bidirectional }: RelativePositionConfig): number {
  return Math.floor((bidirectional ? Math.floor(buckets / 2) : buckets) / 2);
}

/**
 * The bucket of each `key − query` from `−maxDistance` to `maxDistance` (to 0 where nothing later is seen). Half of the
 * buckets are for the smallest distances, the others grow with the logarithm. Computed in float32, as the models were
 * trained: in double precision a distance at a border could change its bucket.
 */
export function relativeBuckets(config: RelativePositionConfig): Int32Array {
  const { maxDistance, bidirectional } = config;
  const buckets = bidirectional ? config.buckets / 2 : config.buckets;
  const exact = exactDistances(config);
  const range = Math.fround(Math.log(maxDistance / exact));
  const bucketOf = (distance: number): number => {
    if (distance < exact) return distance;
    const logarithm = Math.fround(Math.log(Math.fround(distance / exact)));
    const steps = Math.trunc(Math.fround(Math.fround(logarithm / range) * (buckets - exact)));
    return Math.min(exact + steps, buckets - 1);
  };
  return Int32Array.from({ length: maxDistance * (bidirectional ? 2 : 1) + 1 }, (_, i) => {
    const after = i - maxDistance;
    return bucketOf(Math.abs(after)) + (after > 0 ? buckets : 0);
  });
}
