import type { Tensor } from '../tensor/tensor.js';

/** One layer's keys and values, `[B, keyHeads, P, headWidth]` each, with room for P positions. */
export interface LayerCache {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** What a model sees of the cache while it is traced. All sizes B, T and P may be symbolic. */
export interface DecoderCache {
  readonly layers: readonly LayerCache[];
  /** int32 `[B]`: each row's last position after this step. */
  readonly lastPositions: Tensor;
  /** int32 `[1]`: positions in use after this step, in the longest row. */
  readonly total: Tensor;
}

/**
 * What a model must offer to be generated from. It is met by structure: a model need not know of this interface.
 *
 * The layout of the cache is that of `cachedAttention`, which enters the new keys and values into the memory that it is
 * given; nothing else in `decode` may read a layer's cache.
 */
export interface DecoderModel {
  readonly config: {
    readonly vocabularySize: number;
    readonly layers: number;
    /** Longest context. */
    readonly positions: number;
  };
  /** Hidden vectors of T new positions a row, int32 ids `[B, T]` → `[B, T, D]`, and the cache with them entered. */
  decode(ids: Tensor, cache: DecoderCache): { readonly hidden: Tensor; readonly layers: readonly LayerCache[] };
  /** Logits of the next token, `[…, D] → […, vocabularySize]`. */
  logits(hidden: Tensor): Tensor;
  /** `[batch, keyHeads, capacity, headWidth]`. */
  cacheShape(batch: number, capacity: number): readonly number[];
}
