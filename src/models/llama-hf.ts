import type { LlamaConfig } from './llama.js';

/** Where one tensor of a checkpoint belongs. */
export interface TensorPlace {
  /** Its name in the file. */
  readonly name: string;
  /** The path of fields that leads to the parameter, as `namedParameters` gives it. */
  readonly path: string;
  readonly shape: readonly number[];
}

/** Part of a layer: the name in the file, the path in `LlamaLayer`, and the shape. */
type LayerPart = readonly [name: string, path: string, shape: (config: LlamaConfig) => readonly number[]];

const keyWidth = ({ width, heads, keyHeads }: LlamaConfig): number => (width / heads) * keyHeads;

const LAYER_PARTS: readonly LayerPart[] = [
  ['input_layernorm', 'attentionNorm', ({ width }) => [width]],
  ['self_attn.q_proj', 'attention.q', ({ width }) => [width, width]],
  ['self_attn.k_proj', 'attention.k', (config) => [keyWidth(config), config.width]],
  ['self_attn.v_proj', 'attention.v', (config) => [keyWidth(config), config.width]],
  ['self_attn.o_proj', 'attention.o', ({ width }) => [width, width]],
  ['post_attention_layernorm', 'feedForwardNorm', ({ width }) => [width]],
  ['mlp.gate_proj', 'feedForward.gate', ({ width, hidden }) => [hidden, width]],
  ['mlp.up_proj', 'feedForward.up', ({ width, hidden }) => [hidden, width]],
  ['mlp.down_proj', 'feedForward.down', ({ width, hidden }) => [width, hidden]],
];

/** Qwen3's, in a model with normalised queries and keys. */
const NORM_PARTS: readonly LayerPart[] = [
  ['self_attn.q_norm', 'attention.queryNorm', ({ width, heads }) => [width / heads]],
  ['self_attn.k_norm', 'attention.keyNorm', ({ width, heads }) => [width / heads]],
];

/**
 * The tensors of a Llama (or Qwen3) checkpoint as Hugging Face names them, and where each belongs. A tied head has no
 * tensor of its own. Both sides keep a linear layer's weight as `[outputs, inputs]`, and rotate the halves of a head
 * against each other, so nothing is turned or reordered on the way.
 */
export function llamaTensors(config: LlamaConfig): TensorPlace[] {
  const { vocabularySize, width, layers, tiedHead, queryKeyNorm } = config;
  const parts = queryKeyNorm ? [...LAYER_PARTS, ...NORM_PARTS] : LAYER_PARTS;
  const places: TensorPlace[] = [
    { name: 'model.embed_tokens.weight', path: 'embedding.weight', shape: [vocabularySize, width] },
  ];
  for (let layer = 0; layer < layers; layer++) {
    for (const [name, path, shape] of parts) {
      places.push({
        name: `model.layers.${layer}.${name}.weight`,
        path: `layers.${layer}.${path}.weight`,
        shape: shape(config),
      });
    }
  }
  places.push({ name: 'model.norm.weight', path: 'norm.weight', shape: [width] });
  if (!tiedHead) places.push({ name: 'lm_head.weight', path: 'head.weight', shape: [vocabularySize, width] });
  return places;
}

/** Tensors that some files hold and nothing needs: a tied head written out, and tables of older libraries. */
export function isRedundantLlamaTensor(name: string, config: LlamaConfig): boolean {
  return (config.tiedHead && name === 'lm_head.weight') || name.endsWith('.rotary_emb.inv_freq');
}
