import type { DType } from '../dtype.js';
import { defineOp } from '../op.js';
import { type Dim, divideDims, equalDims, formatShape, multiplyDims, ShapeError } from '../shape.js';
import { requireFloating, sameDType, type Tensor } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { and, equal, greaterEqual, where } from './compare.js';
import { iota, scalar } from './create.js';
import { reshape } from './layout.js';
import { matmul } from './matmul.js';
import { max, sum } from './reduce.js';
import { softmax } from './softmax.js';

/** What is added to a score that must not count: large enough to vanish in the softmax, finite so that no NaN arises. */
const BLOCKED = -1e9;

const attentionOp = defineOp<{ readonly scale: number }>({
  name: 'attention',
  infer: ([q, k, v, mask]) => {
    requireFloating('attention', q!);
    sameDType('attention', [q!, k!, v!, ...(mask ? [mask] : [])]);
    const [batch, heads, rows] = q!.shape as readonly [Dim, Dim, Dim, Dim];
    const fits =
      [q!, k!, v!].every(
        ({ shape }) => shape.length === 4 && equalDims(shape[0]!, batch) && equalDims(shape[1]!, heads),
      ) &&
      equalDims(q!.shape[3]!, k!.shape[3]!) &&
      equalDims(k!.shape[2]!, v!.shape[2]!);
    if (!fits) {
      throw new ShapeError('queries, keys and values do not fit', {
        where: 'attention',
        expected: 'q [B, H, T, D], k [B, H, S, D], v [B, H, S, E]',
        got: [q!, k!, v!].map(({ shape }) => formatShape(shape)).join(', '),
      });
    }
    const { dtype } = q!;
    return [
      { dtype, shape: [batch, heads, rows, v!.shape[3]!] },
      { dtype, shape: [batch, heads, rows, k!.shape[2]!] },
    ];
  },
  vjp: ({ outputs: [g], node, attributes: { scale } }) => {
    if (!g) return [];
    const [q, k, v, mask] = node.inputs as [Tensor, Tensor, Tensor, Tensor | undefined];
    const [y, weights] = node.outputs as [Tensor, Tensor];
    // Σⱼ pᵢⱼ·∂pᵢⱼ equals Σ gᵢ·yᵢ: a sum over the width of a head in place of one over all keys.
    const inner = sum(mul(g, y), { axes: [-1], keepDims: true });
    const scores = mul(weights, sub(matmul(g, v, { transposeB: true }), inner));
    return [
      matmul(scores, k, { alpha: scale }),
      matmul(scores, q, { transposeA: true, alpha: scale }),
      matmul(weights, g, { transposeA: true }),
      mask && maskGradient(scores, mask),
    ];
  },
  decompose: ([q, k, v, mask], { scale }) => {
    const scores = matmul(q!, k!, { transposeB: true, alpha: scale });
    const weights = softmax(mask ? addMask(scores, mask) : scores);
    return [matmul(weights, v!), weights];
  },
  samples: () => [
    { inputs: [{ shape: [2, 3, 4, 5] }, { shape: [2, 3, 6, 5] }, { shape: [2, 3, 6, 2] }], attributes: { scale: 0.5 } },
    {
      inputs: [
        { shape: [1, 2, 3, 4] },
        { shape: [1, 2, 3, 4] },
        { shape: [1, 2, 3, 4] },
        { shape: [1, 1, 3, 3], values: [0, BLOCKED, BLOCKED, 0, 0, BLOCKED, 0, 0, 0] },
      ],
      attributes: { scale: 1 },
    },
    // A mask for each head and all rows of the batch, and one that groups of heads share.
    {
      inputs: [{ shape: [2, 2, 3, 4] }, { shape: [2, 2, 5, 4] }, { shape: [2, 2, 5, 4] }, { shape: [1, 2, 3, 5] }],
      attributes: { scale: 1 },
    },
    {
      inputs: [{ shape: [2, 2, 6, 4] }, { shape: [2, 2, 5, 4] }, { shape: [2, 2, 5, 4] }, { shape: [2, 1, 3, 5] }],
      attributes: { scale: 1 },
    },
    {
      inputs: [{ shape: [2, 2, 3, 4] }, { shape: [2, 2, 5, 4] }, { shape: [2, 2, 5, 4] }, { shape: [2, 1, 1, 5] }],
      attributes: { scale: 1 },
    },
  ],
});

/** Adds a mask `[B, 1, T, S]` to scores `[B, K, G·T, S]`, where G query heads share each key head. */
function addMask(scores: Tensor, mask: Tensor): Tensor {
  const [batch, heads, rows, keys] = scores.shape as readonly [Dim, Dim, Dim, Dim];
  const [maskBatch, , time] = mask.shape as readonly [Dim, Dim, Dim, Dim];
  const groups = divideDims(rows, time)!;
  if (groups === 1) return add(scores, mask);
  const grouped = add(
    reshape(scores, [batch, heads, groups, time, keys]),
    reshape(mask, [maskBatch, 1, 1, time, keys]),
  );
  return reshape(grouped, scores.shape);
}

/** The sum of the gradients of scores `[B, K, G·T, S]` that one element of a mask was added to. */
function maskGradient(scores: Tensor, mask: Tensor): Tensor {
  const [batch, heads, rows, keys] = scores.shape as readonly [Dim, Dim, Dim, Dim];
  const [maskBatch, maskHeads, time, maskKeys] = mask.shape as readonly [Dim, Dim, Dim, Dim];
  const groups = divideDims(rows, time);
  const folded =
    groups === undefined || groups === 1 ? scores : sumOfGroups(scores, [batch, heads, groups, time, keys]);
  const sizes: readonly (readonly [Dim, Dim])[] = [
    [maskBatch, batch],
    [maskHeads, heads],
    [time, folded.shape[2]!],
    [maskKeys, keys],
  ];
  const axes = sizes.flatMap(([own, full], axis) => (own === 1 && !equalDims(own, full) ? [axis] : []));
  return axes.length === 0 ? folded : sum(folded, { axes, keepDims: true });
}

function sumOfGroups(scores: Tensor, shape: readonly Dim[]): Tensor {
  return sum(reshape(scores, shape), { axes: [2] });
}

export interface AttentionOptions {
  /**
   * Added to the scores: 0 where a query may look, very negative where not. `[B or 1, 1, T, S]`, or `[B or 1, H, T, S]`
   * where no heads are shared. It gets a gradient, so that it may be learned.
   */
  readonly mask?: Tensor;
  /** Factor on the scores; default `1/√D`. */
  readonly scale?: number;
}

/**
 * Scaled dot-product attention (Vaswani et al. 2017), `softmax(scale · q·kᵀ + mask) · v`, with grouped heads (Ainslie
 * et al. 2023): query heads `h` share the key head `⌊h·K/H⌋`. `q [B, H, T, D]`, `k [B, K, S, D]`, `v [B, K, S, E]` →
 * `[B, H, T, E]`.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const [batch, heads, time, width] = q.shape as readonly [Dim, Dim, Dim, Dim];
  const keyHeads = k.shape[1]!;
  const scale = options.scale ?? 1 / Math.sqrt(width as number);
  const groups = divideDims(heads, keyHeads);
  if (groups === undefined) {
    throw new ShapeError('the query heads cannot be shared evenly', {
      where: 'attention',
      expected: `a multiple of ${keyHeads} query heads`,
      got: `${heads}`,
    });
  }
  const folded = reshape(q, [batch, keyHeads, multiplyDims(groups, time), width]);
  const [y] = attentionOp(options.mask ? [folded, k, v, options.mask] : [folded, k, v], { scale });
  return reshape(y!, [batch, heads, time, v.shape[3]!]);
}

/**
 * The mask under which position t sees positions up to t; `[1, 1, T, T]`. With `segments` (integers `[B, T]`), it also
 * keeps documents that share a row apart: `[B, 1, T, T]`. With `window`, it sees the nearest so many positions alone,
 * itself included (Beltagy et al. 2020).
 */
export function causalMask(
  time: Dim,
  dtype: DType = 'float32',
  segments?: Tensor,
  window: number = Number.POSITIVE_INFINITY,
): Tensor {
  const index = iota(time);
  const [rows, columns] = [reshape(index, [time, 1]), reshape(index, [1, time])];
  const before = greaterEqual(rows, columns);
  const near = window === Number.POSITIVE_INFINITY ? before : and(before, greaterEqual(columns, sub(rows, window - 1)));
  const visible = reshape(near, [1, 1, time, time]);
  if (!segments) return where(visible, scalar(0, dtype), BLOCKED);
  const [batch] = segments.shape as readonly [Dim, Dim];
  const same = equal(reshape(segments, [batch, 1, time, 1]), reshape(segments, [batch, 1, 1, time]));
  return where(and(visible, same), scalar(0, dtype), BLOCKED);
}

/**
 * What a causal mask lacks where the last `time` of `total` positions see the nearest `window` alone: `[1, 1, time,
 * total]`, to be added.
 */
export function windowMask(time: Dim, total: Dim, window: number): Tensor {
  const columns = iota(total);
  const rows = add(reshape(iota(time), [time, 1]), sub(max(columns), max(iota(time))));
  const near = greaterEqual(reshape(columns, [1, total]), sub(rows, window - 1));
  return where(reshape(near, [1, 1, time, total]), scalar(0, 'float32'), BLOCKED);
}
