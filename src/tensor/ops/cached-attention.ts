import { defineOp } from '../op.js';
import { formatShape, ShapeError } from '../shape.js';
import type { Tensor } from '../tensor.js';

interface CachedAttentionAttributes {
  readonly heads: number;
  readonly keyHeads: number;
  readonly scale: number;
  /** How many of the nearest positions a query sees, itself included; default all. */
  readonly window?: number;
}

const cachedAttentionOp = defineOp<CachedAttentionAttributes>({
  name: 'cachedAttention',
  infer: (inputs, { heads, keyHeads }) => {
    const [q, k, v, pastKeys, pastValues, lengths, total] = inputs;
    const width = Number(q!.shape[2]) / heads;
    const fits =
      q!.shape.length === 3 &&
      k!.shape[2] === keyHeads * width &&
      v!.shape[2] === keyHeads * width &&
      pastKeys!.shape.length === 4 &&
      pastKeys!.shape[1] === keyHeads &&
      lengths!.dtype === 'int32' &&
      total!.dtype === 'int32';
    if (!fits) {
      throw new ShapeError('the inputs do not fit', {
        where: 'cachedAttention',
        expected: `q [B, T, ${heads}·D], k and v [B, T, ${keyHeads}·D], caches [B, ${keyHeads}, P, D], int32 lengths`,
        got: inputs.map(({ shape }) => formatShape(shape)).join(', '),
      });
    }
    return [q!, pastKeys!, pastValues!];
  },
  onnx: (emit, inputs, { attributes: { heads, keyHeads, scale, window } }) =>
    emit.node(
      'GroupQueryAttention',
      inputs,
      {
        num_heads: heads,
        kv_num_heads: keyHeads,
        do_rotary: inputs.length > 7 ? 1 : 0,
        scale: { float: scale },
        ...(window === undefined ? {} : { local_window_size: window }),
      },
      { domain: 'com.microsoft', outputs: 3 },
    ),
});

export interface CachedAttentionInputs {
  /** `[B, T, H·D]`, not rotated. */
  readonly q: Tensor;
  /** `[B, T, K·D]`, not rotated. */
  readonly k: Tensor;
  readonly v: Tensor;
  /** `[B, K, P, D]` with room for P positions. */
  readonly pastKeys: Tensor;
  readonly pastValues: Tensor;
  /** int32 `[B]`: positions in use after this step, minus one. */
  readonly lastPositions: Tensor;
  /** int32 `[1]`: the largest number of positions in use after this step. */
  readonly total: Tensor;
  /** Rotation tables `[P, D/2]`; leave them out for models without rotary positions. */
  readonly rotation?: { readonly cosines: Tensor; readonly sines: Tensor };
}

/**
 * Causal attention against a key-value cache: the keys and values of T new positions are rotated, entered into the
 * cache, and attended to together with the earlier ones. Runs as one fused node, which updates the cache in place
 * where its memory is donated. For generation: it has no gradient.
 */
export function cachedAttention(
  inputs: CachedAttentionInputs,
  attributes: CachedAttentionAttributes,
): { readonly y: Tensor; readonly keys: Tensor; readonly values: Tensor } {
  const { q, k, v, pastKeys, pastValues, lastPositions, total, rotation } = inputs;
  const tables = rotation ? [rotation.cosines, rotation.sines] : [];
  const [y, keys, values] = cachedAttentionOp(
    [q, k, v, pastKeys, pastValues, lastPositions, total, ...tables],
    attributes,
  );
  return { y: y!, keys: keys!, values: values! };
}
