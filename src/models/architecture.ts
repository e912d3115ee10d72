import type { Module } from '../nn/module.js';
import type { Parameter } from '../nn/parameter.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Json } from '../util/json.js';
import type { JsonConfig } from './config-fields.js';

/** Where one tensor of a checkpoint belongs. */
export interface TensorPlace {
  /** Its name in the file. */
  readonly name: string;
  /** The path of fields that leads to the parameter, as `namedParameters` gives it. */
  readonly path: string;
  /** The shape of the parameter. */
  readonly shape: readonly number[];
  /** The file keeps the matrix as `[inputs, outputs]`, the parameter as `[outputs, inputs]` (GPT-2). */
  readonly transposed?: boolean;
  /**
   * The file's tensor holds several parameters one after another (GPT-2's queries, keys and values): the parameter is
   * the rows from `at` on of `of` rows, counted as the parameter counts them (outputs).
   */
  readonly rows?: { readonly at: number; readonly of: number };
}

/** What is known of one `model_type` of `config.json`: how its files become a model and back. */
export interface Architecture<M extends Module & { readonly config: unknown }> {
  readonly modelType: string;
  /** Decoders write text from left to right, encoders read it, and an encoder-decoder does one and then the other. */
  readonly kind: 'decoder' | 'encoder' | 'encoder-decoder';
  /** @param where the file's name, for errors. @throws {InputError} naming the key. */
  fromConfig(config: JsonConfig, where: string): M['config'];
  /** @throws {InputError} if `fromConfig` would not give the same again. */
  toConfig(config: M['config']): { [key: string]: Json };
  /** The tensors of a checkpoint and where each belongs. */
  names(config: M['config']): readonly TensorPlace[];
  /**
   * The name in `names` of a tensor that some files call otherwise (another prefix, a name of an older library); every
   * other name comes back as it is. A file that holds one tensor under two names is refused.
   */
  alias?(name: string, config: M['config']): string;
  /**
   * The configuration once it is known which tensors the files hold, for what `config.json` does not say (a BERT with or
   * without a pooler). `held` are names after `alias`.
   */
  fitted?(config: M['config'], held: ReadonlySet<string>): M['config'];
  /** Tensors of a file that may be there and are not needed; names after `alias`. */
  isRedundant(name: string, config: M['config']): boolean;
  /** Tensors that other libraries look for under a second name: that name to the one in `names`. */
  copies?(config: M['config']): ReadonlyMap<string, string>;
  /** The model, its weights not set yet. */
  create(config: M['config']): M;
  /** Whether a model is written as this type. */
  writes(model: Module): model is M;
}

export interface ForwardOptions {
  /** Integers `[B, T]` that keep documents in one row apart. */
  readonly segments?: Tensor;
  /** int64 `[B, T]`; default 0, 1, … in every row. */
  readonly positions?: Tensor;
  /** Compute each layer's inner values again in the backward pass instead of keeping them. */
  readonly recompute?: boolean;
}

/** Key-value cache of all layers, as tensors; the layout is that of `cachedAttention`. */
export interface DecodeCache {
  readonly layers: readonly { readonly keys: Tensor; readonly values: Tensor }[];
  readonly lastPositions: Tensor;
  readonly total: Tensor;
}

/** A cache that grows: the keys and values of P positions, `[B, keyHeads, P, headWidth]`, before T new ones. */
export interface GrowingCache {
  readonly layers: readonly { readonly keys: Tensor; readonly values: Tensor }[];
  /** Added to the scores, `[B or 1, 1, T, P + T]`. */
  readonly mask: Tensor;
  /** int64 `[B or 1, T]`, of the new positions. */
  readonly positions: Tensor;
}

/** What every decoder tells of its shape. */
export interface DecoderConfig {
  readonly vocabularySize: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Longest context. */
  readonly positions: number;
}

/** A model that writes text from left to right: what training, generation and scoring need of it. */
export interface Decoder extends Module {
  readonly config: DecoderConfig;
  /** The weight that turns hidden vectors into logits, `[V, D]`. */
  readonly headWeight: Parameter;
  /** Final hidden vectors: integers `[B, T]` → `[B, T, D]`. */
  hidden(ids: Tensor, options?: ForwardOptions): Tensor;
  /** Logits of the next token at every position: `[B, T]` → `[B, T, V]`. */
  forward(ids: Tensor, options?: ForwardOptions): Tensor;
  /** `[…, D]` → `[…, V]`. */
  logits(hidden: Tensor): Tensor;
  /** Hidden vectors of T new positions against a cache, and the cache with them entered. */
  decode(
    ids: Tensor,
    cache: DecodeCache,
  ): { readonly hidden: Tensor; readonly layers: readonly { readonly keys: Tensor; readonly values: Tensor }[] };
  /** The same against a cache that grows, with the mask given; for graphs that other programs run. */
  extend(
    ids: Tensor,
    past: GrowingCache,
  ): { readonly hidden: Tensor; readonly layers: readonly { readonly keys: Tensor; readonly values: Tensor }[] };
  /** Shape of one layer's keys, and of its values, for this many rows and positions. */
  cacheShape(batch: number, capacity: number): readonly number[];
}

/** What an encoder reads. */
export interface EncoderInputs {
  /** Integers `[B, T]`. */
  readonly ids: Tensor;
  /** Integers `[B, T]`: 1 for a token, 0 for what fills the row; default all 1. */
  readonly mask?: Tensor;
  /** Integers `[B, T]`: which of two texts a token belongs to; default all 0. */
  readonly types?: Tensor;
}

/** A model that reads a whole text at once: vectors for retrieval, classes, masked words. */
export interface Encoder extends Module {
  readonly config: DecoderConfig;
  /** Final hidden vectors, `[B, T, D]`. */
  hidden(inputs: EncoderInputs): Tensor;
}
