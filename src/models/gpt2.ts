import { Attention, type CacheView, cachedHeadWidth, newPositions } from '../nn/attention.js';
import { Embedding } from '../nn/embedding.js';
import { type Activation, FeedForward } from '../nn/feed-forward.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { LayerNorm } from '../nn/norm.js';
import { normalInit, type Parameter } from '../nn/parameter.js';
import { project } from '../nn/project.js';
import { causalMask } from '../tensor/ops/attention.js';
import { add } from '../tensor/ops/binary.js';
import { checkpoint } from '../tensor/ops/control.js';
import { iota } from '../tensor/ops/create.js';
import type { Dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { InputError } from '../util/errors.js';
import type { DecodeCache, Decoder, DecoderConfig, ForwardOptions, GrowingCache } from './architecture.js';

export interface Gpt2Config extends DecoderConfig {
  /** Width of the feed-forward's inner layer; four times the width in every published one. */
  readonly hidden: number;
  readonly activation: Activation;
  readonly epsilon: number;
  /** The head is the embedding table. */
  readonly tiedHead: boolean;
}

/** One layer's keys and values. */
interface LayerStep {
  readonly y: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** One block: attention and feed-forward, each behind a norm and beside a residual. */
export class Gpt2Layer extends Module {
  readonly config: Gpt2Config;
  readonly attentionNorm: LayerNorm;
  readonly attention: Attention;
  readonly feedForwardNorm: LayerNorm;
  readonly feedForward: FeedForward;

  constructor(config: Gpt2Config) {
    super();
    this.config = config;
    const { width, heads, hidden, layers, epsilon, activation } = config;
    const init = normalInit(0.02);
    // Each of the 2L residual branches is smaller by √(2L), so that their sum keeps its size (Radford et al. 2019, 2.3).
    const outputInit = normalInit(0.02 / Math.sqrt(2 * layers));
    this.attentionNorm = new LayerNorm({ width, epsilon });
    this.attention = new Attention({ width, heads, bias: true, init, outputInit });
    this.feedForwardNorm = new LayerNorm({ width, epsilon });
    this.feedForward = new FeedForward({ width, hidden, activation, bias: true, init, outputInit });
  }

  private withFeedForward(attended: Tensor): Tensor {
    return add(attended, this.feedForward.forward(this.feedForwardNorm.forward(attended)));
  }

  forward(x: Tensor, mask: Tensor): Tensor {
    return this.withFeedForward(add(x, this.attention.forward(this.attentionNorm.forward(x), { mask })));
  }

  decode(x: Tensor, cache: CacheView): LayerStep {
    const { y, keys, values } = this.attention.decode(this.attentionNorm.forward(x), cache);
    return { y: this.withFeedForward(add(x, y)), keys, values };
  }

  extend(x: Tensor, past: { readonly keys: Tensor; readonly values: Tensor }, mask: Tensor): LayerStep {
    const { y, keys, values } = this.attention.extend(this.attentionNorm.forward(x), past, { mask });
    return { y: this.withFeedForward(add(x, y)), keys, values };
  }
}

/** GPT-2 (Radford et al. 2019): a decoder with learned positions, layer norms before each part, and biases. */
export class Gpt2 extends Module implements Decoder {
  readonly config: Gpt2Config;
  readonly embedding: Embedding;
  readonly positionEmbedding: Embedding;
  readonly layers: readonly Gpt2Layer[];
  readonly norm: LayerNorm;
  readonly head: Linear | undefined;

  constructor(config: Gpt2Config) {
    super();
    this.config = config;
    const { vocabularySize, width, positions, epsilon, tiedHead } = config;
    const init = normalInit(0.02);
    this.embedding = new Embedding({ count: vocabularySize, width, init });
    this.positionEmbedding = new Embedding({ count: positions, width, init: normalInit(0.01) });
    this.layers = Array.from({ length: config.layers }, () => new Gpt2Layer(config));
    this.norm = new LayerNorm({ width, epsilon });
    this.head = tiedHead ? undefined : new Linear({ inputs: width, outputs: vocabularySize, init });
  }

  get headWeight(): Parameter {
    return this.head ? this.head.weight : this.embedding.weight;
  }

  /** Word and position; `[B, T]` and `[B or 1, T]` or `[T]` → `[B, T, D]`. @throws {InputError} past the last position. */
  private embed(ids: Tensor, places: Tensor): Tensor {
    const time = ids.shape[1]!;
    const { positions } = this.config;
    if (typeof time === 'number' && time > positions) {
      throw new InputError('the text is longer than the context', {
        where: 'gpt2',
        expected: `at most ${positions} tokens`,
        got: `${time}`,
      });
    }
    return add(this.embedding.forward(ids), this.positionEmbedding.forward(places));
  }

  hidden(ids: Tensor, { segments, positions, recompute = false }: ForwardOptions = {}): Tensor {
    const [, time] = ids.shape as readonly [Dim, Dim];
    const mask = causalMask(time, 'float32', segments);
    let x = this.embed(ids, positions ?? iota(time));
    for (const layer of this.layers) {
      const apply = (input: Tensor): Tensor => layer.forward(input, mask);
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

  decode(ids: Tensor, cache: DecodeCache): ReturnType<Decoder['decode']> {
    const { lastPositions, total } = cache;
    const x = this.embed(ids, newPositions(lastPositions, ids.shape[1]!));
    return this.through(x, (layer, input, i) => layer.decode(input, { ...cache.layers[i]!, lastPositions, total }));
  }

  extend(ids: Tensor, past: GrowingCache): ReturnType<Decoder['extend']> {
    const x = this.embed(ids, past.positions);
    return this.through(x, (layer, input, i) => layer.extend(input, past.layers[i]!, past.mask));
  }

  /** All layers, each with its cache. */
  private through(
    first: Tensor,
    step: (layer: Gpt2Layer, x: Tensor, index: number) => LayerStep,
  ): ReturnType<Decoder['decode']> {
    let x = first;
    const layers = this.layers.map((layer, i) => {
      const { y, keys, values } = step(layer, x, i);
      x = y;
      return { keys, values };
    });
    return { hidden: this.norm.forward(x), layers };
  }

  cacheShape(batch: number, capacity: number): readonly number[] {
    const { width, heads } = this.config;
    return [batch, heads, capacity, cachedHeadWidth(width / heads)];
  }
}
