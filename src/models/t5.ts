import { Embedding } from '../nn/embedding.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { RmsNorm } from '../nn/norm.js';
import { paddingMask } from '../nn/padding-mask.js';
import { normalInit, type Parameter } from '../nn/parameter.js';
import { project } from '../nn/project.js';
import { RelativePositionBias } from '../nn/relative-position-bias.js';
import { add, mul } from '../tensor/ops/binary.js';
import { checkpoint } from '../tensor/ops/control.js';
import { addDims, type Dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { EncoderInputs, ForwardOptions } from './architecture.js';
import type {
  CrossMemory,
  DecoderPast,
  EncoderDecoder,
  EncoderDecoderConfig,
  ExtendedDecoder,
  Memory,
} from './encoder-decoder.js';
import { T5DecoderLayer, T5EncoderLayer, type T5LayerConfig } from './t5-layers.js';

export interface T5Config extends EncoderDecoderConfig, T5LayerConfig {
  /** Which of the two libraries' names the files go by; mT5 is T5 over more languages. */
  readonly modelType: 't5' | 'mt5';
  /** Buckets of relative distances, and the distance from which on all are one. */
  readonly buckets: number;
  readonly maxDistance: number;
  /** The head is the embedding table. */
  readonly tiedHead: boolean;
  /** Hidden vectors are divided by `√width` before the head, as in version 1.0, whose embeddings are large. */
  readonly scaledHead: boolean;
}

type RecomputeOption = Pick<ForwardOptions, 'recompute'>;

/** The half of a T5 that reads. */
export class T5Encoder extends Module {
  readonly config: T5Config;
  readonly positionBias: RelativePositionBias;
  readonly layers: readonly T5EncoderLayer[];
  readonly norm: RmsNorm;

  constructor(config: T5Config) {
    super();
    this.config = config;
    const { width, epsilon } = config;
    this.positionBias = positionBiasOf(config, true);
    this.layers = Array.from({ length: config.layers }, () => new T5EncoderLayer(config));
    this.norm = new RmsNorm({ width, epsilon });
  }

  forward(x: Tensor, mask: Tensor | undefined, { recompute = false }: RecomputeOption): Tensor {
    const length = x.shape[1]!;
    const bias = this.positionBias.forward(length, length);
    const added = mask ? add(bias, paddingMask(mask, 1)) : bias;
    let y = x;
    for (const layer of this.layers) {
      const apply = (input: Tensor): Tensor => layer.forward(input, added);
      y = recompute ? checkpoint(apply)(y) : apply(y);
    }
    return this.norm.forward(y);
  }
}

/** The half that writes. */
export class T5Decoder extends Module {
  readonly config: T5Config;
  readonly positionBias: RelativePositionBias;
  readonly layers: readonly T5DecoderLayer[];
  readonly norm: RmsNorm;

  constructor(config: T5Config) {
    super();
    this.config = config;
    const { width, epsilon } = config;
    this.positionBias = positionBiasOf(config, false);
    this.layers = Array.from({ length: config.decoderLayers }, () => new T5DecoderLayer(config));
    this.norm = new RmsNorm({ width, epsilon });
  }

  forward(x: Tensor, memory: Memory, { recompute = false }: RecomputeOption): Tensor {
    const time = x.shape[1]!;
    const bias = this.positionBias.forward(time, time);
    const mask = memory.mask && paddingMask(memory.mask, 1);
    let y = x;
    for (const layer of this.layers) {
      const apply = (input: Tensor): Tensor =>
        layer.forward(input, bias, { ...layer.crossAttention.keysAndValues(memory.hidden), mask });
      y = recompute ? checkpoint(apply)(y) : apply(y);
    }
    return this.norm.forward(y);
  }

  extend(x: Tensor, { layers: past, memory }: DecoderPast): ExtendedDecoder {
    const time = x.shape[1]!;
    const bias = this.positionBias.forward(time, addDims(past[0]!.keys.shape[2]!, time));
    const mask = memory.mask && paddingMask(memory.mask, 1);
    let y = x;
    const layers = this.layers.map((layer, i) => {
      const step = layer.extend(y, past[i]!, bias, { ...memory.layers[i]!, mask });
      y = step.x;
      return { keys: step.keys, values: step.values };
    });
    return { hidden: this.norm.forward(y), layers };
  }
}

function positionBiasOf(
  { heads, buckets, maxDistance, width }: T5Config,
  bidirectional: boolean,
): RelativePositionBias {
  return new RelativePositionBias({ heads, buckets, maxDistance, bidirectional, init: normalInit(width ** -0.5) });
}

/**
 * T5 (Raffel et al. 2020) with its later forms, version 1.1, FLAN and mT5: an encoder-decoder with RMS norms, a learned
 * bias for relative distances in place of positions, and scores that are not scaled.
 */
export class T5 extends Module implements EncoderDecoder {
  readonly config: T5Config;
  readonly embedding: Embedding;
  readonly encoder: T5Encoder;
  readonly decoder: T5Decoder;
  readonly head: Linear | undefined;

  constructor(config: T5Config) {
    super();
    this.config = config;
    const { vocabularySize, width, tiedHead } = config;
    this.embedding = new Embedding({ count: vocabularySize, width, init: normalInit(1) });
    this.encoder = new T5Encoder(config);
    this.decoder = new T5Decoder(config);
    const init = normalInit(width ** -0.5);
    this.head = tiedHead ? undefined : new Linear({ inputs: width, outputs: vocabularySize, init });
  }

  /** The weight that turns the decoder's hidden vectors into logits, `[V, D]`. */
  get headWeight(): Parameter {
    return this.head ? this.head.weight : this.embedding.weight;
  }

  /** The encoder's hidden vectors: integers `[B, S]` → `[B, S, D]`. */
  encode({ ids, mask }: EncoderInputs, options: RecomputeOption = {}): Tensor {
    return this.encoder.forward(this.embedding.forward(ids), mask, options);
  }

  /** The decoder's hidden vectors, scaled for the head: integers `[B, T]` → `[B, T, D]`. */
  hidden(ids: Tensor, memory: Memory, options: RecomputeOption = {}): Tensor {
    return this.scaled(this.decoder.forward(this.embedding.forward(ids), memory, options));
  }

  /** Logits of the next token at every position of the decoder's text: `[B, T]` → `[B, T, V]`. */
  forward(inputs: EncoderInputs, ids: Tensor): Tensor {
    const { mask } = inputs;
    return this.logits(this.hidden(ids, { hidden: this.encode(inputs), ...(mask ? { mask } : {}) }));
  }

  logits(hidden: Tensor): Tensor {
    return project(hidden, this.headWeight);
  }

  remember({ hidden, mask }: Memory): CrossMemory {
    const layers = this.decoder.layers.map(({ crossAttention }) => crossAttention.keysAndValues(hidden));
    return { layers, ...(mask ? { mask } : {}) };
  }

  /** The decoder for T new positions behind P earlier ones: integers `[B, T]` → `[B, T, D]`, scaled for the head. */
  extend(ids: Tensor, past: DecoderPast): ExtendedDecoder {
    const { hidden, layers } = this.decoder.extend(this.embedding.forward(ids), past);
    return { hidden: this.scaled(hidden), layers };
  }

  /** Shape of one layer's keys, and of its values. */
  keyShape(batch: Dim, positions: Dim): readonly [Dim, Dim, Dim, Dim] {
    const { heads, headWidth } = this.config;
    return [batch, heads, positions, headWidth];
  }

  private scaled(hidden: Tensor): Tensor {
    return this.config.scaledHead ? mul(hidden, this.config.width ** -0.5) : hidden;
  }
}
