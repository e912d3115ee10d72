import { Attention } from '../nn/attention.js';
import { Embedding } from '../nn/embedding.js';
import { type Activation, activate, FeedForward } from '../nn/feed-forward.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { LayerNorm } from '../nn/norm.js';
import { paddingMask } from '../nn/padding-mask.js';
import { normalInit, Parameter, zerosInit } from '../nn/parameter.js';

import { add } from '../tensor/ops/binary.js';
import { checkpoint } from '../tensor/ops/control.js';
import { iota } from '../tensor/ops/create.js';
import { reshape } from '../tensor/ops/layout.js';
import { matmul } from '../tensor/ops/matmul.js';
import { slice } from '../tensor/ops/slice.js';
import { tanh } from '../tensor/ops/unary.js';
import type { Dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { InputError } from '../util/errors.js';
import type { DecoderConfig, Encoder, EncoderInputs } from './architecture.js';

/** What a BERT ends in: its vectors alone, a word for every place, a class of the text, or a class for every token. */
export type BertHead = 'none' | 'maskedWords' | 'textClass' | 'tokenClass';

export interface BertConfig extends DecoderConfig {
  /** Width of the feed-forward's inner layer. */
  readonly hidden: number;
  /** Kinds of text in one row, two in every published one. */
  readonly types: number;
  readonly activation: Activation;
  readonly epsilon: number;
  readonly head: BertHead;
  /** Whether there is a layer over the first token's vector. */
  readonly pooler: boolean;
  /** The matrix of the masked-word head is the embedding table. */
  readonly tiedHead: boolean;
  /** Names of the classes of a classifier; empty for other heads. */
  readonly labels: readonly string[];
  /** What a text classifier was trained for, where its file says: `single_label_classification`, `regression` … */
  readonly problem: string | undefined;
}

/** One block: attention and feed-forward, each beside a residual and in front of a norm. */
export class BertLayer extends Module {
  readonly config: BertConfig;
  readonly attention: Attention;
  readonly attentionNorm: LayerNorm;
  readonly feedForward: FeedForward;
  readonly feedForwardNorm: LayerNorm;

  constructor(config: BertConfig) {
    super();
    this.config = config;
    const { width, heads, hidden, epsilon, activation } = config;
    this.attention = new Attention({ width, heads, bias: true });
    this.attentionNorm = new LayerNorm({ width, epsilon });
    this.feedForward = new FeedForward({ width, hidden, activation, bias: true });
    this.feedForwardNorm = new LayerNorm({ width, epsilon });
  }

  forward(x: Tensor, mask: Tensor | undefined): Tensor {
    const attended = this.attentionNorm.forward(add(x, this.attention.forward(x, mask ? { mask } : {})));
    return this.feedForwardNorm.forward(add(attended, this.feedForward.forward(attended)));
  }
}

/** Logits of every word at every place: a layer, a norm, and the embedding table with a bias. `[…, D] → […, V]`. */
export class MaskedWordHead extends Module {
  readonly config: BertConfig;
  readonly transform: Linear;
  readonly norm: LayerNorm;
  /** Undefined where it is the embedding table. */
  readonly decoder: Parameter | undefined;
  readonly bias: Parameter;

  constructor(config: BertConfig) {
    super();
    this.config = config;
    const { width, vocabularySize, epsilon, tiedHead } = config;
    this.transform = new Linear({ inputs: width, outputs: width, bias: true });
    this.norm = new LayerNorm({ width, epsilon });
    this.decoder = tiedHead ? undefined : new Parameter([vocabularySize, width], normalInit(0.02));
    this.bias = new Parameter([vocabularySize], zerosInit);
  }

  forward(hidden: Tensor, table: Parameter): Tensor {
    const x = this.norm.forward(activate(this.config.activation, this.transform.forward(hidden)));
    return add(matmul(x, (this.decoder ?? table).tensor, { transposeB: true }), this.bias.tensor);
  }
}

/** BERT (Devlin et al. 2018): an encoder with learned positions, norms after each part, and biases. */
export class Bert extends Module implements Encoder {
  readonly config: BertConfig;
  readonly embedding: Embedding;
  readonly positionEmbedding: Embedding;
  readonly typeEmbedding: Embedding;
  readonly embeddingNorm: LayerNorm;
  readonly layers: readonly BertLayer[];
  readonly pooler: Linear | undefined;
  readonly maskedWords: MaskedWordHead | undefined;
  readonly classifier: Linear | undefined;

  constructor(config: BertConfig) {
    super();
    this.config = config;
    const { vocabularySize, width, positions, types, epsilon, head, labels } = config;
    this.embedding = new Embedding({ count: vocabularySize, width });
    this.positionEmbedding = new Embedding({ count: positions, width });
    this.typeEmbedding = new Embedding({ count: types, width });
    this.embeddingNorm = new LayerNorm({ width, epsilon });
    this.layers = Array.from({ length: config.layers }, () => new BertLayer(config));
    this.pooler = config.pooler ? new Linear({ inputs: width, outputs: width, bias: true }) : undefined;
    this.maskedWords = head === 'maskedWords' ? new MaskedWordHead(config) : undefined;
    const classifies = head === 'textClass' || head === 'tokenClass';
    this.classifier = classifies ? new Linear({ inputs: width, outputs: labels.length, bias: true }) : undefined;
  }

  /**
   * Final hidden vectors, `[B, T, D]`. What fills a row changes nothing for the tokens of the row; the vectors at its
   * own places mean nothing.
   *
   * @throws {InputError} if the texts are longer than the model's positions.
   */
  hidden({ ids, mask, types }: EncoderInputs, { recompute = false }: { readonly recompute?: boolean } = {}): Tensor {
    const [, time] = ids.shape as readonly [Dim, Dim];
    const { positions } = this.config;
    if (typeof time === 'number' && time > positions) {
      throw new InputError('the text is longer than the context', {
        where: 'bert',
        expected: `at most ${positions} tokens`,
        got: `${time}`,
      });
    }
    const kinds = types ? this.typeEmbedding.forward(types) : slice(this.typeEmbedding.weight.tensor, 0, 0, 1);
    const placed = add(this.positionEmbedding.forward(iota(time)), kinds);
    let x = this.embeddingNorm.forward(add(this.embedding.forward(ids), placed));
    const blocked = mask && paddingMask(mask, time);
    for (const layer of this.layers) {
      const apply = (input: Tensor): Tensor => layer.forward(input, blocked);
      x = recompute ? checkpoint(apply)(x) : apply(x);
    }
    return x;
  }

  /** The vector of the first token through the pooler, `[B, T, D] → [B, D]`. @throws {InputError} if there is none. */
  pooled(hidden: Tensor): Tensor {
    if (!this.pooler) throw new InputError('the model has no pooler', { where: 'bert' });
    const [batch, , width] = hidden.shape as readonly [Dim, Dim, Dim];
    return tanh(this.pooler.forward(reshape(slice(hidden, 1, 0, 1), [batch, width])));
  }

  /**
   * What the head says of hidden vectors `[B, T, D]`: masked words `[B, T, V]`, classes of the text `[B, C]`, or classes
   * of the tokens `[B, T, C]`.
   *
   * @throws {InputError} if the model has no head.
   */
  logits(hidden: Tensor): Tensor {
    if (this.maskedWords) return this.maskedWords.forward(hidden, this.embedding.weight);
    if (!this.classifier) throw new InputError('the model has no head', { where: 'bert' });
    return this.classifier.forward(this.config.head === 'textClass' ? this.pooled(hidden) : hidden);
  }

  /** Logits of the head; see `logits`. @throws {InputError} */
  forward(inputs: EncoderInputs): Tensor {
    return this.logits(this.hidden(inputs));
  }
}
