import { Attention } from '../nn/attention.js';
import { Embedding } from '../nn/embedding.js';
import { FeedForward } from '../nn/feed-forward.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { LayerNorm } from '../nn/norm.js';
import { causalMask } from '../tensor/ops/attention.js';
import { add } from '../tensor/ops/binary.js';
import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js';
import { reshape } from '../tensor/ops/layout.js';
import { sum } from '../tensor/ops/reduce.js';
import type { Tensor } from '../tensor/tensor.js';

/** Sizes of the GPT that the benchmarks train: `time` tokens a row, `batch` rows a step. */
export interface GptShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly time: number;
  readonly batch: number;
  readonly vocabularySize: number;
}

class GptLayer extends Module {
  readonly attentionNorm: LayerNorm;
  readonly attention: Attention;
  readonly feedForwardNorm: LayerNorm;
  readonly feedForward: FeedForward;

  constructor({ width, heads }: GptShape) {
    super();
    this.attentionNorm = new LayerNorm({ width, bias: false });
    this.attention = new Attention({ width, heads });
    this.feedForwardNorm = new LayerNorm({ width, bias: false });
    this.feedForward = new FeedForward({ width, hidden: 4 * width, activation: 'reluSquared' });
  }
}

/** The GPT that the benchmarks train: LayerNorm, learned positions, ReLU², a head of its own. */
export class BenchGpt extends Module {
  readonly config: GptShape;
  readonly embedding: Embedding;
  readonly positions: Embedding;
  readonly layers: readonly GptLayer[];
  readonly norm: LayerNorm;
  readonly head: Linear;

  constructor(config: GptShape) {
    super();
    this.config = config;
    const { width, time, vocabularySize } = config;
    this.embedding = new Embedding({ count: vocabularySize, width });
    this.positions = new Embedding({ count: time, width });
    this.layers = Array.from({ length: config.layers }, () => new GptLayer(config));
    this.norm = new LayerNorm({ width, bias: false });
    this.head = new Linear({ inputs: width, outputs: vocabularySize });
  }

  /** Summed cross-entropy; inputs and targets are integers `[B, T]`. */
  loss({ inputs, targets }: Readonly<Record<string, Tensor>>): Tensor {
    const { batch, time, width } = this.config;
    const mask = causalMask(time);
    let x = add(this.embedding.forward(inputs!), this.positions.weight.tensor);
    for (const { attentionNorm, attention, feedForwardNorm, feedForward } of this.layers) {
      x = add(x, attention.forward(attentionNorm.forward(x), { mask }));
      x = add(x, feedForward.forward(feedForwardNorm.forward(x)));
    }
    const rows = reshape(this.norm.forward(x), [batch * time, width]);
    return sum(linearCrossEntropy(rows, this.head.weight.tensor, reshape(targets!, [batch * time])));
  }

  /** Floating-point operations of one training step: six for each weight and token, and the attention. */
  get stepFlops(): number {
    const { layers, width, time, batch, vocabularySize } = this.config;
    const multiplied = this.size - vocabularySize * width - time * width;
    return 6 * multiplied * batch * time + 12 * layers * width * time * batch * time;
  }
}
