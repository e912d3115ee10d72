import type { KeysAndValues } from '../nn/attention.js';
import type { Module } from '../nn/module.js';
import type { Parameter } from '../nn/parameter.js';
import type { Dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { DecoderConfig, EncoderInputs, ForwardOptions } from './architecture.js';

/** What every encoder-decoder tells of its shape; `layers` are the encoder's. */
export interface EncoderDecoderConfig extends DecoderConfig {
  readonly decoderLayers: number;
  /** The id that the decoder's text begins with. */
  readonly decoderStartId: number;
}

/** What the encoder made of its inputs, as the decoder reads it. */
export interface Memory {
  /** `[B, S, D]`. */
  readonly hidden: Tensor;
  /** Integers `[B, S]`: 1 for a token, 0 for what fills the row; default all 1. */
  readonly mask?: Tensor;
}

/** The memory as each layer of the decoder attends to it: computed once, read at every step. */
export interface CrossMemory {
  /** `[B, heads, S, headWidth]` each. */
  readonly layers: readonly KeysAndValues[];
  readonly mask?: Tensor;
}

/** What a decoder keeps of P positions, `[B, heads, P, headWidth]` in each layer, and its memory. */
export interface DecoderPast {
  readonly layers: readonly KeysAndValues[];
  readonly memory: CrossMemory;
}

/** Hidden vectors of T new positions `[B, T, D]`, and keys and values of all P + T. */
export interface ExtendedDecoder {
  readonly hidden: Tensor;
  readonly layers: readonly KeysAndValues[];
}

/**
 * A model that reads a text at once and then writes another (Sutskever et al. 2014; Vaswani et al. 2017): what training
 * and generation need of it. All sizes B, S, P and T may be symbolic.
 */
export interface EncoderDecoder extends Module {
  readonly config: EncoderDecoderConfig;
  /** The weight that turns the decoder's hidden vectors into logits, `[V, D]`. */
  readonly headWeight: Parameter;
  /** The encoder's hidden vectors, `[B, S, D]`. */
  encode(inputs: EncoderInputs, options?: Pick<ForwardOptions, 'recompute'>): Tensor;
  /**
   * The decoder's hidden vectors: integers `[B, T]`, which begin with `decoderStartId`, → `[B, T, D]`, scaled so that
   * their product with `headWeight` is the logits. So the loss of a text given another is `linearCrossEntropy` of these.
   */
  hidden(ids: Tensor, memory: Memory, options?: Pick<ForwardOptions, 'recompute'>): Tensor;
  /** Logits of the next token at every position of the decoder's text: `[B, T]` → `[B, T, V]`. */
  forward(inputs: EncoderInputs, ids: Tensor): Tensor;
  /** `[…, D]` → `[…, V]`. */
  logits(hidden: Tensor): Tensor;
  /** Prepares a memory for decoding step by step. */
  remember(memory: Memory): CrossMemory;
  /** The decoder for T new positions behind P earlier ones. */
  extend(ids: Tensor, past: DecoderPast): ExtendedDecoder;
  /** Shape of one layer's keys, and of its values: of a memory of so many positions, or of the decoder's own text. */
  keyShape(batch: Dim, positions: Dim): readonly [Dim, Dim, Dim, Dim];
}
