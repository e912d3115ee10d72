import type { Tokenizer } from '../tokenizer/tokenizer.js';

/** A model in one of the forms that it can have, as far as two forms are held against each other. */
export interface Candidate {
  /** For reports: where it comes from. */
  readonly name: string;
  readonly kind: 'decoder' | 'encoder' | 'encoder-decoder';
  readonly tokenizer: Tokenizer;
  /** A Jinja template, where the model has one. */
  readonly chatTemplate: string | undefined;
  readonly vocabularySize: number;
  /** Longest context. */
  readonly positions: number;
  /**
   * What the model computes of a text, row-major: a decoder's logits of all positions `[T, V]`; an encoder's hidden vectors
   * `[T, D]`, or its head's logits; an encoder-decoder's logits of the decoder's ids, given the text.
   *
   * @param decoderIds for encoder-decoders: what the answer begins with, its first id the model's `decoderStartId`.
   */
  outputs(ids: readonly number[], decoderIds?: readonly number[]): Promise<Float32Array>;
  /**
   * The likeliest continuation by the path that keeps keys and values: just so many tokens, whatever they are, or fewer
   * where the context ends. An encoder-decoder's answer, without its `decoderStartId`.
   *
   * @throws {InputError} for an encoder.
   */
  greedy(ids: readonly number[], tokens: number): Promise<number[]>;
  release(): Promise<void>;
}
