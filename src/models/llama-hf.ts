import type { Architecture, TensorPlace } from './architecture.js';
import { headWidthOf, Llama, type LlamaConfig, type LlamaModelType } from './llama.js';
import { modelTypeOf, readLlamaConfig, writeLlamaConfig } from './llama-hf-config.js';

/** Part of a layer: the name in the file, the path in `LlamaLayer`, and the shape. */
type LayerPart = readonly [name: string, path: string, shape: (config: LlamaConfig) => readonly number[]];

const queryWidth = (config: LlamaConfig): number => headWidthOf(config) * config.heads;
const keyWidth = (config: LlamaConfig): number => headWidthOf(config) * config.keyHeads;

const LAYER_PARTS: readonly LayerPart[] = [
  ['input_layernorm', 'attentionNorm', ({ width }) => [width]],
  ['self_attn.q_proj', 'attention.q', (config) => [queryWidth(config), config.width]],
  ['self_attn.k_proj', 'attention.k', (config) => [keyWidth(config), config.width]],
  ['self_attn.v_proj', 'attention.v', (config) => [keyWidth(config), config.width]],
  ['self_attn.o_proj', 'attention.o', (config) => [config.width, queryWidth(config)]],
  ['post_attention_layernorm', 'feedForwardNorm', ({ width }) => [width]],
  ['mlp.gate_proj', 'feedForward.gate', ({ width, hidden }) => [hidden, width]],
  ['mlp.up_proj', 'feedForward.up', ({ width, hidden }) => [hidden, width]],
  ['mlp.down_proj', 'feedForward.down', ({ width, hidden }) => [width, hidden]],
];

/** Qwen3's, in a model with normalised queries and keys. */
const NORM_PARTS: readonly LayerPart[] = [
  ['self_attn.q_norm', 'attention.queryNorm', (config) => [headWidthOf(config)]],
  ['self_attn.k_norm', 'attention.keyNorm', (config) => [headWidthOf(config)]],
];

/** Linear layers that have a bias beside their weight, as the start of their path. */
function isBiased(path: string, { attentionBias, feedForwardBias = false }: LlamaConfig): boolean {
  if (path.startsWith('feedForward.')) return feedForwardBias;
  return attentionBias !== undefined && /^attention\.[qkv]$/.test(path)
    ? true
    : attentionBias === 'all' && path === 'attention.o';
}

/**
 * The tensors of a checkpoint of this family as Hugging Face names them, and where each belongs. A tied head has no
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
    for (const [part, path, shapeOf] of parts) {
      const [name, place] = [`model.layers.${layer}.${part}`, `layers.${layer}.${path}`];
      const shape = shapeOf(config);
      places.push({ name: `${name}.weight`, path: `${place}.weight`, shape });
      if (isBiased(path, config)) places.push({ name: `${name}.bias`, path: `${place}.bias`, shape: [shape[0]!] });
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

function architectureNamed(modelType: LlamaModelType): Architecture<Llama> {
  return {
    modelType,
    kind: 'decoder',
    fromConfig: (config, where) => readLlamaConfig(config, where, modelType),
    toConfig: writeLlamaConfig,
    names: llamaTensors,
    isRedundant: isRedundantLlamaTensor,
    create: (config) => new Llama(config),
    writes: (model): model is Llama => model instanceof Llama && modelTypeOf(model.config) === modelType,
  };
}

/** The types of model that this family has, a line each. */
export const llamaArchitectures: readonly Architecture<Llama>[] = [
  architectureNamed('llama'),
  architectureNamed('mistral'),
  architectureNamed('qwen2'),
  architectureNamed('qwen3'),
];
