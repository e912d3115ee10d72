import { attention } from '../tensor/ops/attention.js';
import { add, maximum, sub } from '../tensor/ops/binary.js';
import { cachedAttention } from '../tensor/ops/cached-attention.js';
import { cast, iota } from '../tensor/ops/create.js';
import { reshape, transpose } from '../tensor/ops/layout.js';
import { max } from '../tensor/ops/reduce.js';
import { rotary } from '../tensor/ops/rotary.js';
import { concat, pad, slice } from '../tensor/ops/slice.js';
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
  /** Factor on the scores; default `1/√headWidth`. */
  readonly scale?: number;
  /** How many of the nearest positions a query sees when decoding, itself included; default all. */
  readonly window?: number;
  /** Normalise queries and keys (RMS over each head) before they meet. */
  readonly queryKeyNorm?: boolean;
  readonly epsilon?: number;
  readonly init?: Initializer;
  /** Default: as `init`. */
  readonly queryInit?: Initializer;
  readonly outputInit?: Initializer;
}

export interface AttentionContext {
  /** Added to the scores, `[B or 1, 1, T, S]`, or `[B or 1, heads, T, S]` where no heads are shared. */
  readonly mask?: Tensor;
  /** int64 `[B or 1, T]`, where the queries and keys stand for `rotation`; default 0, 1, … in every row. */
  readonly positions?: Tensor;
  readonly rotation?: RotaryTables;
  /** Keys and values come from here in cross-attention, `[B, S, width]`. */
  readonly memory?: Tensor;
}

/** Keys and values of S positions, `[B, keyHeads, S, headWidth]` each; the keys are rotated. */
export interface KeysAndValues {
  readonly keys: Tensor;
  readonly values: Tensor;
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
    const { width, heads, bias = false, outputBias = bias, init, queryInit = init, outputInit } = config;
    const { keyHeads, headWidth } = this.layout;
    if (!Number.isInteger(headWidth) || !Number.isInteger(heads / keyHeads)) {
      throw new InputError('the heads do not fit', {
        where: 'attention',
        expected: 'a width that is a multiple of the heads, and heads that are a multiple of the key heads',
        got: `width ${width}, ${heads} heads, ${keyHeads} key heads`,
      });
    }
    const input = { inputs: width, bias, ...(init ? { init } : {}) };
    this.q = new Linear({ ...input, outputs: heads * headWidth, ...(queryInit ? { init: queryInit } : {}) });
    this.k = new Linear({ ...input, outputs: keyHeads * headWidth });
    this.v = new Linear({ ...input, outputs: keyHeads * headWidth });
    const output = { inputs: heads * headWidth, outputs: width, bias: outputBias };
    this.o = new Linear({ ...output, ...(outputInit ? { init: outputInit } : {}) });
    const norm = { width: headWidth, ...(config.epsilon === undefined ? {} : { epsilon: config.epsilon }) };
    this.queryNorm = config.queryKeyNorm ? new RmsNorm(norm) : undefined;
    this.keyNorm = config.queryKeyNorm ? new RmsNorm(norm) : undefined;
  }

  private get layout(): { readonly keyHeads: number; readonly headWidth: number; readonly scale: number } {
    const { width, heads, keyHeads = heads, headWidth = width / heads, scale = 1 / Math.sqrt(headWidth) } = this.config;
    return { keyHeads, headWidth, scale };
  }

  forward(x: Tensor, context: AttentionContext): Tensor {
    const { memory = x, rotation } = context;
    if (rotation && memory !== x) {
      throw new InputError('rotary positions are those of one sequence, not of a memory beside it', {
        where: 'attention',
        hint: 'Leave rotation out of cross-attention.',
      });
    }
    return this.attend(x, this.keysAndValues(memory, context), context);
  }

  /** What positions offer to be attended to: `[B, S, width]` → `[B, keyHeads, S, headWidth]` each. */
  keysAndValues(memory: Tensor, context: AttentionContext = {}): KeysAndValues {
    const { keyHeads } = this.layout;
    const keys = turned(this.split(this.k.forward(memory), keyHeads, this.keyNorm), context);
    return { keys, values: this.split(this.v.forward(memory), keyHeads) };
  }

  /** Lets the positions of x attend to keys and values: `[B, T, width]` → the same. */
  attend(x: Tensor, { keys, values }: KeysAndValues, context: AttentionContext): Tensor {
    const { heads } = this.config;
    const { headWidth, scale } = this.layout;
    const [batch, time] = x.shape as readonly [Dim, Dim];
    const q = turned(this.split(this.q.forward(x), heads, this.queryNorm), context);
    const y = attention(q, keys, values, { scale, ...(context.mask ? { mask: context.mask } : {}) });
    return this.o.forward(reshape(transpose(y, [0, 2, 1, 3]), [batch, time, heads * headWidth]));
  }

  /** The same for T new positions behind those of a cache; returns the cache, longer by them. */
  extend(x: Tensor, past: KeysAndValues, context: AttentionContext): KeysAndValues & { readonly y: Tensor } {
    const added = this.keysAndValues(x, context);
    const keys = concat([past.keys, added.keys], 2);
    const values = concat([past.values, added.values], 2);
    return { y: this.attend(x, { keys, values }, context), keys, values };
  }

  /** `[B, T, count · headWidth]` → `[B, count, T, headWidth]`. */
  private split(projected: Tensor, count: number, norm?: RmsNorm): Tensor {
    const [batch, time] = projected.shape as readonly [Dim, Dim];
    const shaped = reshape(projected, [batch, time, count, this.layout.headWidth]);
    return transpose(norm ? norm.forward(shaped) : shaped, [0, 2, 1, 3]);
  }

  /** The same against a cache with room for them; returns it with them entered. */
  decode(
    x: Tensor,
    cache: CacheView,
    rotation?: RotaryTables,
  ): { readonly y: Tensor; readonly keys: Tensor; readonly values: Tensor } {
    const { heads } = this.config;
    const { keyHeads, headWidth, scale } = this.layout;
    const { window } = this.config;
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
    const prepared = (projected: Tensor, count: number, norm?: RmsNorm): Tensor => {
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
        q: widened(prepared(this.q.forward(x), heads, this.queryNorm), heads),
        k: widened(prepared(this.k.forward(x), keyHeads, this.keyNorm), keyHeads),
        v: widened(this.v.forward(x), keyHeads),
        pastKeys: cache.keys,
        pastValues: cache.values,
        lastPositions: cache.lastPositions,
        total: cache.total,
        ...(fused ? { rotation: { cosines: rotation.cosines.tensor, sines: rotation.sines.tensor } } : {}),
      },
      { heads, keyHeads, scale, ...(window === undefined ? {} : { window }) },
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

function turned(part: Tensor, { positions, rotation }: AttentionContext): Tensor {
  if (!rotation) return part;
  return rotary(part, positions ?? firstPositions(part.shape[2]!), rotation.cosines.tensor, rotation.sines.tensor);
}

/** 0, 1, … `[1, T]`. */
function firstPositions(time: Dim): Tensor {
  return reshape(iota(time), [1, time]);
}

/** Positions of T new tokens in rows that end at `lastPositions`; rows padded on the right start at 0. `[B, T]`. */
export function newPositions(lastPositions: Tensor, time: Dim): Tensor {
  const steps = iota(time);
  const first = maximum(sub(cast(lastPositions, 'int64'), max(steps)), 0);
  return add(reshape(first, [lastPositions.shape[0]!, 1]), reshape(steps, [1, time]));
}
