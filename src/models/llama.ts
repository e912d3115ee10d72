import {
  Attention,
  type AttentionContext,
  type CacheView,
  cachedHeadWidth,
  type KeysAndValues,
} from '../nn/attention.js';
import { Embedding } from '../nn/embedding.js';
import { SwiGlu } from '../nn/feed-forward.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { RmsNorm } from '../nn/norm.js';
import { normalInit, type Parameter } from '../nn/parameter.js';
import { project } from '../nn/project.js';
import { type RotaryTables, rotaryTables } from '../nn/rope.js';
import type { RopeScaling } from '../nn/rope-scaling.js';
import { causalMask, windowMask } from '../tensor/ops/attention.js';
import { add } from '../tensor/ops/binary.js';
import { checkpoint } from '../tensor/ops/control.js';
import { iota } from '../tensor/ops/create.js';
import { reshape } from '../tensor/ops/layout.js';
import type { Dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { DecodeCache, Decoder, ForwardOptions, GrowingCache } from './architecture.js';

/** What a checkpoint of this shape may call itself. */
export type LlamaModelType = 'llama' | 'mistral' | 'qwen2' | 'qwen3';

export interface LlamaConfig {
  /** Default: `qwen3` with normalised queries and keys, else `llama`. */
  readonly modelType?: LlamaModelType;
  readonly vocabularySize: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  /** Width of a head; default `width / heads`. */
  readonly headWidth?: number;
  /** Width of the feed-forward's inner layer. */
  readonly hidden: number;
  /** Longest context. */
  readonly positions: number;
  readonly theta: number;
  readonly scaling?: RopeScaling;
  readonly epsilon: number;
  /** The head is the embedding table. */
  readonly tiedHead: boolean;
  readonly queryKeyNorm: boolean;
  /** Which of attention's projections have a bias: queries, keys and values (Qwen2), or those and the output. */
  readonly attentionBias?: 'inputs' | 'all';
  readonly feedForwardBias?: boolean;
  /** Layers that see the nearest `size` positions alone (Mistral). */
  readonly window?: { readonly size: number; readonly layers: readonly number[] };
}

/** Width of a head. */
export function headWidthOf({ headWidth, width, heads }: LlamaConfig): number {
  return headWidth ?? width / heads;
}

/** The window of a layer; infinite where it sees everything. */
function windowOf({ window }: LlamaConfig, layer: number): number {
  return window?.layers.includes(layer) ? window.size : Number.POSITIVE_INFINITY;
}

/** One block: attention and feed-forward, each behind a norm and beside a residual. */
export class LlamaLayer extends Module {
  readonly config: LlamaConfig;
  readonly attentionNorm: RmsNorm;
  readonly attention: Attention;
  readonly feedForwardNorm: RmsNorm;
  readonly feedForward: SwiGlu;

  constructor(config: LlamaConfig, index: number) {
    super();
    this.config = config;
    const { width, heads, keyHeads, hidden, layers, epsilon, queryKeyNorm, attentionBias } = config;
    // GPT-2's rule: each of the 2L residual branches is smaller by √(2L), so that their sum keeps its size.
    const init = normalInit(1 / Math.sqrt(width) / 2);
    const outputInit = normalInit(1 / Math.sqrt(width) / 2 / Math.sqrt(2 * layers));
    this.attentionNorm = new RmsNorm({ width, epsilon });
    const window = windowOf(config, index);
    this.attention = new Attention({
      width,
      heads,
      keyHeads,
      headWidth: headWidthOf(config),
      queryKeyNorm,
      epsilon,
      bias: attentionBias !== undefined,
      outputBias: attentionBias === 'all',
      ...(Number.isFinite(window) ? { window } : {}),
      init,
      outputInit,
    });
    this.feedForwardNorm = new RmsNorm({ width, epsilon });
    this.feedForward = new SwiGlu({ width, hidden, bias: config.feedForwardBias ?? false, init, outputInit });
  }

  forward(x: Tensor, context: AttentionContext): Tensor {
    return this.feed(add(x, this.attention.forward(this.attentionNorm.forward(x), context)));
  }

  decode(x: Tensor, cache: CacheView, rotation: RotaryTables): KeysAndValues & { readonly x: Tensor } {
    const { y, keys, values } = this.attention.decode(this.attentionNorm.forward(x), cache, rotation);
    return { x: this.feed(add(x, y)), keys, values };
  }

  extend(x: Tensor, past: KeysAndValues, context: AttentionContext): KeysAndValues & { readonly x: Tensor } {
    const { y, keys, values } = this.attention.extend(this.attentionNorm.forward(x), past, context);
    return { x: this.feed(add(x, y)), keys, values };
  }

  private feed(attended: Tensor): Tensor {
    return add(attended, this.feedForward.forward(this.feedForwardNorm.forward(attended)));
  }
}

/**
 * Llama (Touvron et al. 2023): a decoder with rotary positions, grouped attention, SwiGLU and RMS norms; and what
 * differs from it in a detail: Mistral (windows), Qwen2 (biases), Qwen3 (normalised queries and keys).
 */
export class Llama extends Module implements Decoder {
  readonly config: LlamaConfig;
  readonly embedding: Embedding;
  readonly layers: readonly LlamaLayer[];
  readonly norm: RmsNorm;
  readonly head: Linear | undefined;
  readonly rotation: RotaryTables;

  constructor(config: LlamaConfig) {
    super();
    this.config = config;
    const { vocabularySize, width, positions, theta, scaling, epsilon, tiedHead } = config;
    const init = normalInit(0.02);
    this.embedding = new Embedding({ count: vocabularySize, width, init });
    this.layers = Array.from({ length: config.layers }, (_, i) => new LlamaLayer(config, i));
    this.norm = new RmsNorm({ width, epsilon });
    this.head = tiedHead ? undefined : new Linear({ inputs: width, outputs: vocabularySize, init });
    this.rotation = rotaryTables(positions, headWidthOf(config), theta, scaling);
  }

  get headWeight(): Parameter {
    return this.head ? this.head.weight : this.embedding.weight;
  }

  hidden(ids: Tensor, { segments, positions, recompute = false }: ForwardOptions = {}): Tensor {
    const [, time] = ids.shape as readonly [Dim, Dim];
    const masks = new Map<number, Tensor>();
    const maskOf = (window: number): Tensor => {
      const mask = masks.get(window) ?? causalMask(time, 'float32', segments, window);
      masks.set(window, mask);
      return mask;
    };
    const places = positions ?? reshape(iota(time), [1, time]);
    const { rotation } = this;
    let x = this.embedding.forward(ids);
    for (const [i, layer] of this.layers.entries()) {
      const mask = maskOf(windowOf(this.config, i));
      const apply = (input: Tensor): Tensor => layer.forward(input, { mask, positions: places, rotation });
      x = recompute ? checkpoint(apply)(x) : apply(x);
    }
    return this.norm.forward(x);
  }

  forward(ids: Tensor, options: ForwardOptions = {}): Tensor {
    return this.logits(this.hidden(ids, options));
  }

  logits(hidden: Tensor): Tensor {
    return project(hidden, this.headWeight);
  }

  decode(ids: Tensor, { layers, lastPositions, total }: DecodeCache): { hidden: Tensor; layers: KeysAndValues[] } {
    return this.#through(ids, (layer, x, i) => {
      const { keys, values } = layers[i]!;
      return layer.decode(x, { keys, values, lastPositions, total }, this.rotation);
    });
  }

  extend(ids: Tensor, { layers, mask, positions }: GrowingCache): { hidden: Tensor; layers: KeysAndValues[] } {
    const { rotation } = this;
    return this.#through(ids, (layer, x, i) => {
      const window = windowOf(this.config, i);
      const near = Number.isFinite(window) ? add(mask, windowMask(mask.shape[2]!, mask.shape[3]!, window)) : mask;
      return layer.extend(x, layers[i]!, { mask: near, positions, rotation });
    });
  }

  #through(
    ids: Tensor,
    step: (layer: LlamaLayer, x: Tensor, index: number) => KeysAndValues & { readonly x: Tensor },
  ): { hidden: Tensor; layers: KeysAndValues[] } {
    let x = this.embedding.forward(ids);
    const layers = this.layers.map((layer, i) => {
      const { x: next, keys, values } = step(layer, x, i);
      x = next;
      return { keys, values };
    });
    return { hidden: this.norm.forward(x), layers };
  }

  cacheShape(batch: number, capacity: number): readonly number[] {
    return [batch, this.config.keyHeads, capacity, cachedHeadWidth(headWidthOf(this.config))];
  }
}
