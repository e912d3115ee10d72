import { Attention, type CacheView, cachedHeadWidth } from '../nn/attention.js';
import { Embedding } from '../nn/embedding.js';
import { SwiGlu } from '../nn/feed-forward.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { RmsNorm } from '../nn/norm.js';
import { normalInit, type Parameter } from '../nn/parameter.js';
import { type RotaryTables, rotaryTables } from '../nn/rope.js';
import { causalMask } from '../tensor/ops/attention.js';
import { add } from '../tensor/ops/binary.js';
import { checkpoint } from '../tensor/ops/control.js';
import { iota } from '../tensor/ops/create.js';
import { reshape } from '../tensor/ops/layout.js';
import { matmul } from '../tensor/ops/matmul.js';
import type { Dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

export interface LlamaConfig {
  readonly vocabularySize: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  /** Width of the feed-forward's inner layer. */
  readonly hidden: number;
  /** Longest context. */
  readonly positions: number;
  readonly theta: number;
  readonly epsilon: number;
  /** The head is the embedding table. */
  readonly tiedHead: boolean;
  readonly queryKeyNorm: boolean;
}

export interface ForwardOptions {
  /** Integers `[B, T]` that keep documents in one row apart. */
  readonly segments?: Tensor;
  /** int64 `[B, T]`; default 0, 1, … in every row. */
  readonly positions?: Tensor;
  /** Compute each layer's inner values again in the backward pass instead of keeping them. */
  readonly recompute?: boolean;
}

/** Key-value cache of all layers, as tensors. */
export interface DecodeCache {
  readonly layers: readonly { readonly keys: Tensor; readonly values: Tensor }[];
  readonly lastPositions: Tensor;
  readonly total: Tensor;
}

/** One block: attention and feed-forward, each behind a norm and beside a residual. */
export class LlamaLayer extends Module {
  readonly config: LlamaConfig;
  readonly attentionNorm: RmsNorm;
  readonly attention: Attention;
  readonly feedForwardNorm: RmsNorm;
  readonly feedForward: SwiGlu;

  constructor(config: LlamaConfig) {
    super();
    this.config = config;
    const { width, heads, keyHeads, hidden, layers, epsilon, queryKeyNorm } = config;
    // GPT-2's rule: each of the 2L residual branches is smaller by √(2L), so that their sum keeps its size.
    const init = normalInit(1 / Math.sqrt(width) / 2);
    const outputInit = normalInit(1 / Math.sqrt(width) / 2 / Math.sqrt(2 * layers));
    this.attentionNorm = new RmsNorm({ width, epsilon });
    this.attention = new Attention({ width, heads, keyHeads, queryKeyNorm, epsilon, init, outputInit });
    this.feedForwardNorm = new RmsNorm({ width, epsilon });
    this.feedForward = new SwiGlu({ width, hidden, init, outputInit });
  }

  forward(x: Tensor, mask: Tensor, positions: Tensor, rotation: RotaryTables): Tensor {
    const attended = add(x, this.attention.forward(this.attentionNorm.forward(x), { mask, positions, rotation }));
    return add(attended, this.feedForward.forward(this.feedForwardNorm.forward(attended)));
  }

  decode(x: Tensor, cache: CacheView, rotation: RotaryTables): { x: Tensor; keys: Tensor; values: Tensor } {
    const { y, keys, values } = this.attention.decode(this.attentionNorm.forward(x), cache, rotation);
    const attended = add(x, y);
    return { x: add(attended, this.feedForward.forward(this.feedForwardNorm.forward(attended))), keys, values };
  }
}

/** Llama (Touvron et al. 2023): a decoder with rotary positions, grouped attention, SwiGLU and RMS norms. */
export class Llama extends Module {
  readonly config: LlamaConfig;
  readonly embedding: Embedding;
  readonly layers: readonly LlamaLayer[];
  readonly norm: RmsNorm;
  readonly head: Linear | undefined;
  readonly rotation: RotaryTables;

  constructor(config: LlamaConfig) {
    super();
    this.config = config;
    const { vocabularySize, width, heads, positions, theta, epsilon, tiedHead } = config;
    const init = normalInit(0.02);
    this.embedding = new Embedding({ count: vocabularySize, width, init });
    this.layers = Array.from({ length: config.layers }, () => new LlamaLayer(config));
    this.norm = new RmsNorm({ width, epsilon });
    this.head = tiedHead ? undefined : new Linear({ inputs: width, outputs: vocabularySize, init });
    this.rotation = rotaryTables(positions, width / heads, theta);
  }

  /** The weight that turns hidden vectors into logits, `[V, D]`. */
  get headWeight(): Parameter {
    return this.head ? this.head.weight : this.embedding.weight;
  }

  /** Final hidden vectors: integers `[B, T]` → `[B, T, D]`. */
  hidden(ids: Tensor, { segments, positions, recompute = false }: ForwardOptions = {}): Tensor {
    const [, time] = ids.shape as readonly [Dim, Dim];
    const mask = causalMask(time, 'float32', segments);
    const places = positions ?? reshape(iota(time), [1, time]);
    let x = this.embedding.forward(ids);
    for (const layer of this.layers) {
      const apply = (input: Tensor): Tensor => layer.forward(input, mask, places, this.rotation);
      x = recompute ? checkpoint(apply)(x) : apply(x);
    }
    return this.norm.forward(x);
  }

  /** Logits of the next token at every position: `[B, T]` → `[B, T, V]`. */
  forward(ids: Tensor, options: ForwardOptions = {}): Tensor {
    return this.logits(this.hidden(ids, options));
  }

  logits(hidden: Tensor): Tensor {
    return matmul(hidden, this.headWeight.tensor, { transposeB: true });
  }

  /** Hidden vectors of T new positions against a cache, and the cache with them entered. */
  decode(ids: Tensor, cache: DecodeCache): { hidden: Tensor; layers: { keys: Tensor; values: Tensor }[] } {
    let x = this.embedding.forward(ids);
    const layers = this.layers.map((layer, i) => {
      const { keys, values } = cache.layers[i]!;
      const step = layer.decode(
        x,
        { keys, values, lastPositions: cache.lastPositions, total: cache.total },
        this.rotation,
      );
      x = step.x;
      return { keys: step.keys, values: step.values };
    });
    return { hidden: this.norm.forward(x), layers };
  }

  /** Shape of one layer's keys, and of its values, for this many rows and positions. */
  cacheShape(batch: number, capacity: number): readonly number[] {
    const { width, heads, keyHeads } = this.config;
    return [batch, keyHeads, capacity, cachedHeadWidth(width / heads)];
  }
}
