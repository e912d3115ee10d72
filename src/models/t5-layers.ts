import { Attention, type KeysAndValues } from '../nn/attention.js';
import { type Activation, FeedForward } from '../nn/feed-forward.js';
import { GatedFeedForward } from '../nn/gated-feed-forward.js';
import { Module } from '../nn/module.js';
import { RmsNorm } from '../nn/norm.js';
import { normalInit } from '../nn/parameter.js';
import { add } from '../tensor/ops/binary.js';
import type { Tensor } from '../tensor/tensor.js';

/** What the layers need of a T5's configuration. */
export interface T5LayerConfig {
  readonly width: number;
  readonly heads: number;
  /** Width of a head, whatever `width / heads` is. */
  readonly headWidth: number;
  /** Width of the feed-forward's inner layer. */
  readonly hidden: number;
  readonly activation: Activation;
  /** The feed-forward has a gate (version 1.1, FLAN, mT5). */
  readonly gated: boolean;
  readonly epsilon: number;
}

/** Scores are not scaled: the queries' first weights are smaller instead. */
function attentionOf({ width, heads, headWidth }: T5LayerConfig): Attention {
  return new Attention({
    width,
    heads,
    headWidth,
    scale: 1,
    queryInit: normalInit((width * headWidth) ** -0.5),
    init: normalInit(width ** -0.5),
    outputInit: normalInit((heads * headWidth) ** -0.5),
  });
}

function feedForwardOf({ width, hidden, activation, gated }: T5LayerConfig): FeedForward | GatedFeedForward {
  const config = { width, hidden, activation, init: normalInit(width ** -0.5), outputInit: normalInit(hidden ** -0.5) };
  return gated ? new GatedFeedForward(config) : new FeedForward(config);
}

/** Attention and feed-forward, each behind a norm and beside a residual. */
export class T5EncoderLayer extends Module {
  readonly config: T5LayerConfig;
  readonly attentionNorm: RmsNorm;
  readonly attention: Attention;
  readonly feedForwardNorm: RmsNorm;
  readonly feedForward: FeedForward | GatedFeedForward;

  constructor(config: T5LayerConfig) {
    super();
    this.config = config;
    const { width, epsilon } = config;
    this.attentionNorm = new RmsNorm({ width, epsilon });
    this.attention = attentionOf(config);
    this.feedForwardNorm = new RmsNorm({ width, epsilon });
    this.feedForward = feedForwardOf(config);
  }

  forward(x: Tensor, mask: Tensor): Tensor {
    const attended = add(x, this.attention.forward(this.attentionNorm.forward(x), { mask }));
    return add(attended, this.feedForward.forward(this.feedForwardNorm.forward(attended)));
  }
}

/** What a decoder layer attends to besides its own text. */
export interface LayerMemory extends KeysAndValues {
  /** Added to the scores, `[B, 1, 1, S]`. */
  readonly mask?: Tensor | undefined;
}

/** Attention to the text so far, attention to the memory, and feed-forward. */
export class T5DecoderLayer extends Module {
  readonly config: T5LayerConfig;
  readonly attentionNorm: RmsNorm;
  readonly attention: Attention;
  readonly crossAttentionNorm: RmsNorm;
  readonly crossAttention: Attention;
  readonly feedForwardNorm: RmsNorm;
  readonly feedForward: FeedForward | GatedFeedForward;

  constructor(config: T5LayerConfig) {
    super();
    this.config = config;
    const { width, epsilon } = config;
    this.attentionNorm = new RmsNorm({ width, epsilon });
    this.attention = attentionOf(config);
    this.crossAttentionNorm = new RmsNorm({ width, epsilon });
    this.crossAttention = attentionOf(config);
    this.feedForwardNorm = new RmsNorm({ width, epsilon });
    this.feedForward = feedForwardOf(config);
  }

  forward(x: Tensor, mask: Tensor, memory: LayerMemory): Tensor {
    return this.rest(add(x, this.attention.forward(this.attentionNorm.forward(x), { mask })), memory);
  }

  /** The same for new positions behind those of `past`. */
  extend(x: Tensor, past: KeysAndValues, mask: Tensor, memory: LayerMemory): KeysAndValues & { readonly x: Tensor } {
    const { y, keys, values } = this.attention.extend(this.attentionNorm.forward(x), past, { mask });
    return { x: this.rest(add(x, y), memory), keys, values };
  }

  private rest(x: Tensor, { mask, ...memory }: LayerMemory): Tensor {
    const context = mask ? { mask } : {};
    const crossed = add(x, this.crossAttention.attend(this.crossAttentionNorm.forward(x), memory, context));
    return add(crossed, this.feedForward.forward(this.feedForwardNorm.forward(crossed)));
  }
}
