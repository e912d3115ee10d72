import { attention } from '../tensor/ops/attention.js';
import { add, maximum, sub } from '../tensor/ops/binary.js';
import { cachedAttention } from '../tensor/ops/cached-attention.js';
import { cast, iota } from '../tensor/ops/create.js';
import { reshape, transpose } from '../tensor/ops/layout.js';
import { max } from '../tensor/ops/reduce.js';
import { rotary } from '../tensor/ops/rotary.js';
import { pad, slice } from '../tensor/ops/slice.js';
import { type Dim, formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { InputError } from '../util/errors.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { RmsNorm } from './norm.js';
import type { Initializer } from './parameter.js';
import type { RotaryTables } from './rope.js';

export interface AttentionConfig {
  readonly width: number;
  readonly heads: number;
  /** Heads of keys and values, shared by groups of query heads; default: as many. */
  readonly keyHeads?: number;
  /** Width of a head; default `width / heads`. */
  readonly headWidth?: number;
  readonly bias?: boolean;
  readonly outputBias?: boolean;
  /** Normalise queries and keys (RMS over each head) before they meet. */
  readonly queryKeyNorm?: boolean;
  readonly epsilon?: number;
  readonly init?: Initializer;
  readonly outputInit?: Initializer;
}

export interface AttentionContext {
  /** Added to the scores, `[B or 1, 1, T, S]`. */
  readonly mask?: Tensor;
  /** int64 `[B or 1, T]`, where the queries and keys stand for `rotation`; default 0, 1, … in every row. */
  readonly positions?: Tensor;
  readonly rotation?: RotaryTables;
  /** Keys and values come from here in cross-attention, `[B, S, width]`. */
  readonly memory?: Tensor;
}

/** One layer's keys and values, `[B, keyHeads, capacity, cachedHeadWidth]` each, and where the new ones go. */
export interface CacheView {
  readonly keys: Tensor;
  readonly values: Tensor;
  /** int32 `[B]`: each row's last position after this step. */
  readonly lastPositions: Tensor;
  /** int32 `[1]`: positions in use after this step, in the longest row. */
  readonly total: Tensor;
}

/** Multi-head attention (Vaswani et al. 2017) with grouped heads. `[B, T, width] → [B, T, width]`. */
export class Attention extends Module {
  readonly config: AttentionConfig;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly queryNorm: RmsNorm | undefined;
  readonly keyNorm: RmsNorm | undefined;

  constructor(config: AttentionConfig) {
    super();
    this.config = config;
    const { width, heads, bias = false, outputBias = bias, init, outputInit } = config;
    const { keyHeads, headWidth } = this.layout;
    if (!Number.isInteger(headWidth) || !Number.isInteger(heads / keyHeads)) {
      throw new InputError('the heads do not fit', {
        where: 'attention',
        expected: 'a width that is a multiple of the heads, and heads that are a multiple of the key heads',
        got: `width ${width}, ${heads} heads, ${keyHeads} key heads`,
      });
    }
    const input = { inputs: width, bias, ...(init ? { init } : {}) };
    this.q = new Linear({ ...input, outputs: heads * headWidth });
    this.k = new Linear({ ...input, outputs: keyHeads * headWidth });
    this.v = new Linear({ ...input, outputs: keyHeads * headWidth });
    const output = { inputs: heads * headWidth, outputs: width, bias: outputBias };
    this.o = new Linear({ ...output, ...(outputInit ? { init: outputInit } : {}) });
    const norm = { width: headWidth, ...(config.epsilon === undefined ? {} : { epsilon: config.epsilon }) };
    this.queryNorm = config.queryKeyNorm ? new RmsNorm(norm) : undefined;
    this.keyNorm = config.queryKeyNorm ? new RmsNorm(norm) : undefined;
  }

  private get layout(): { readonly keyHeads: number; readonly headWidth: number } {
    const { width, heads, keyHeads = heads, headWidth = width / heads } = this.config;
    return { keyHeads, headWidth };
  }

  forward(x: Tensor, { mask, positions, rotation, memory = x }: AttentionContext): Tensor {
    if (rotation && memory !== x) {
      throw new InputError('rotary positions are those of one sequence, not of a memory beside it', {
        where: 'attention',
        hint: 'Leave rotation out of cross-attention.',
      });
    }
    const { heads } = this.config;
    const { keyHeads, headWidth } = this.layout;
    const [batch, time] = x.shape as readonly [Dim, Dim];
    const split = (projected: Tensor, count: number, norm?: RmsNorm): Tensor => {
      const shaped = reshape(projected, [batch, projected.shape[1]!, count, headWidth]);
      return transpose(norm ? norm.forward(shaped) : shaped, [0, 2, 1, 3]);
    };
    const turn = (part: Tensor): Tensor => {
      if (!rotation) return part;
      return rotary(part, positions ?? firstPositions(time), rotation.cosines.tensor, rotation.sines.tensor);
    };
    const q = turn(split(this.q.forward(x), heads, this.queryNorm));
    const k = turn(split(this.k.forward(memory), keyHeads, this.keyNorm));
    const v = split(this.v.forward(memory), keyHeads);
    const y = attention(q, k, v, mask ? { mask } : {});
    return this.o.forward(reshape(transpose(y, [0, 2, 1, 3]), [batch, time, heads * headWidth]));
  }

  /** The same for T new positions against a cache; returns the cache with them entered. */
  decode(
    x: Tensor,
    cache: CacheView,
    rotation?: RotaryTables,
  ): { readonly y: Tensor; readonly keys: Tensor; readonly values: Tensor } {
    const { heads } = this.config;
    const { keyHeads, headWidth } = this.layout;
    const [batch, time] = x.shape as readonly [Dim, Dim];
    const cacheWidth = cachedHeadWidth(headWidth);
    if (cache.keys.shape[3] !== cacheWidth || cache.values.shape[3] !== cacheWidth) {
      throw new InputError('the cache has another width', {
        where: 'attention',
        expected: `[…, ${cacheWidth}] for heads of width ${headWidth}`,
        got: `keys ${formatShape(cache.keys.shape)}, values ${formatShape(cache.values.shape)}`,
        hint: 'cachedHeadWidth() gives it.',
      });
    }
    // The fused node rotates heads whose width is a multiple of 16; for others it is done before.
    const fused = rotation !== undefined && headWidth % 16 === 0;
    const turned = (projected: Tensor, count: number, norm?: RmsNorm): Tensor => {
      const turns = rotation !== undefined && !fused;
      if (!norm && !turns) return projected;
      const split = reshape(projected, [batch, time, count, headWidth]);
      const normal = norm ? norm.forward(split) : split;
      if (!turns) return reshape(normal, projected.shape);
      const heads = transpose(normal, [0, 2, 1, 3]);
      const positions = newPositions(cache.lastPositions, time);
      const rotated = rotary(heads, positions, rotation.cosines.tensor, rotation.sines.tensor);
      return reshape(transpose(rotated, [0, 2, 1, 3]), projected.shape);
    };
    const widened = (part: Tensor, count: number): Tensor => {
      if (cacheWidth === headWidth) return part;
      const split = reshape(part, [batch, time, count, headWidth]);
      const wide = pad(split, [0, 0, 0, 0], [0, 0, 0, cacheWidth - headWidth]);
      return reshape(wide, [batch, time, count * cacheWidth]);
    };
    const { y, keys, values } = cachedAttention(
      {
        q: widened(turned(this.q.forward(x), heads, this.queryNorm), heads),
        k: widened(turned(this.k.forward(x), keyHeads, this.keyNorm), keyHeads),
        v: widened(this.v.forward(x), keyHeads),
        pastKeys: cache.keys,
        pastValues: cache.values,
        lastPositions: cache.lastPositions,
        total: cache.total,
        ...(fused ? { rotation: { cosines: rotation.cosines.tensor, sines: rotation.sines.tensor } } : {}),
      },
      { heads, keyHeads, scale: 1 / Math.sqrt(headWidth) },
    );
    const narrowed = (wide: Tensor): Tensor => {
      if (cacheWidth === headWidth) return wide;
      const cut = slice(reshape(wide, [batch, time, heads, cacheWidth]), 3, 0, headWidth);
      return reshape(cut, [batch, time, heads * headWidth]);
    };
    return { y: this.o.forward(narrowed(y)), keys, values };
  }
}

/**
 * Width of a head in the cache: the fused node takes multiples of 8, so narrower heads are filled up with zeros, which
 * change no score.
 */
export function cachedHeadWidth(headWidth: number): number {
  return Math.ceil(headWidth / 8) * 8;
}

/** 0, 1, … `[1, T]`. */
function firstPositions(time: Dim): Tensor {
  return reshape(iota(time), [1, time]);
}

/** Positions of T new tokens in rows that end at `lastPositions`; rows padded on the right start at 0. `[B, T]`. */
function newPositions(lastPositions: Tensor, time: Dim): Tensor {
  const steps = iota(time);
  const first = maximum(sub(cast(lastPositions, 'int64'), max(steps)), 0);
  return add(reshape(first, [lastPositions.shape[0]!, 1]), reshape(steps, [1, time]));
}
