import type { Architecture, TensorPlace } from './architecture.js';
import { T5, type T5Config } from './t5.js';
import { fitT5Config, readMt5Config, readT5Config, writeT5Config } from './t5-hf-config.js';

/** The matrices of an attention, by the same names on both sides. */
const ATTENTION_PARTS = ['q', 'k', 'v', 'o'] as const;

/** A part of a layer: the name in the file, the path in the layer, the shape. */
type Place = readonly [name: string, path: string, shape: readonly number[]];

function attentionTensors({ width, heads, headWidth }: T5Config, name: string, path: string): Place[] {
  const inner = heads * headWidth;
  return ATTENTION_PARTS.map((part) => [
    `${name}.${part}`,
    `${path}.${part}`,
    part === 'o' ? [width, inner] : [inner, width],
  ]);
}

function feedForwardTensors({ width, hidden, gated }: T5Config, name: string): Place[] {
  const inner: Place[] = gated
    ? [
        [`${name}.wi_0`, 'feedForward.gate', [hidden, width]],
        [`${name}.wi_1`, 'feedForward.up', [hidden, width]],
      ]
    : [[`${name}.wi`, 'feedForward.up', [hidden, width]]];
  return [...inner, [`${name}.wo`, 'feedForward.down', [width, hidden]]];
}

/** The parts of a layer: the file numbers them, with a norm in front of each. */
function layerTensors(config: T5Config, half: 'encoder' | 'decoder'): Place[] {
  const { width } = config;
  const crosses = half === 'decoder';
  const last = crosses ? 2 : 1;
  return [
    ['layer.0.layer_norm', 'attentionNorm', [width]],
    ...attentionTensors(config, 'layer.0.SelfAttention', 'attention'),
    ...(crosses
      ? [
          ['layer.1.layer_norm', 'crossAttentionNorm', [width]] as const,
          ...attentionTensors(config, 'layer.1.EncDecAttention', 'crossAttention'),
        ]
      : []),
    [`layer.${last}.layer_norm`, 'feedForwardNorm', [width]],
    ...feedForwardTensors(config, `layer.${last}.DenseReluDense`),
  ];
}

function halfTensors(config: T5Config, half: 'encoder' | 'decoder'): TensorPlace[] {
  const { width, heads, buckets } = config;
  const count = half === 'encoder' ? config.layers : config.decoderLayers;
  const places: TensorPlace[] = [
    {
      name: `${half}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`,
      path: `${half}.positionBias.weight`,
      shape: [buckets, heads],
    },
  ];
  for (let layer = 0; layer < count; layer++) {
    for (const [name, path, shape] of layerTensors(config, half)) {
      places.push({
        name: `${half}.block.${layer}.${name}.weight`,
        path: `${half}.layers.${layer}.${path}.weight`,
        shape,
      });
    }
  }
  places.push({ name: `${half}.final_layer_norm.weight`, path: `${half}.norm.weight`, shape: [width] });
  return places;
}

/**
 * The tensors of a T5 checkpoint as Hugging Face names them, and where each belongs. The bias of relative distances stands
 * in the first layer's attention and is that of all layers. A tied head has no tensor of its own.
 */
export function t5Tensors(config: T5Config): TensorPlace[] {
  const { vocabularySize, width, tiedHead } = config;
  const shape = [vocabularySize, width];
  const places: TensorPlace[] = [
    { name: 'shared.weight', path: 'embedding.weight', shape },
    ...halfTensors(config, 'encoder'),
    ...halfTensors(config, 'decoder'),
  ];
  if (!tiedHead) places.push({ name: 'lm_head.weight', path: 'head.weight', shape });
  return places;
}

/** Written by older libraries: the embeddings of both halves, which are the shared ones, and a bias that nothing reads. */
const OLD_TENSORS: ReadonlySet<string> = new Set([
  'encoder.embed_tokens.weight',
  'decoder.embed_tokens.weight',
  'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight',
]);

/** Tensors that some files hold and nothing needs; a tied head written out among them. */
export function isRedundantT5Tensor(name: string, config: T5Config): boolean {
  return (config.tiedHead && name === 'lm_head.weight') || OLD_TENSORS.has(name);
}

const t5: Omit<Architecture<T5>, 'modelType' | 'fromConfig' | 'writes'> = {
  kind: 'encoder-decoder',
  toConfig: writeT5Config,
  names: t5Tensors,
  fitted: fitT5Config,
  isRedundant: isRedundantT5Tensor,
  create: (config) => new T5(config),
};

export const t5Architecture: Architecture<T5> = {
  ...t5,
  modelType: 't5',
  fromConfig: readT5Config,
  writes: (model): model is T5 => model instanceof T5 && model.config.modelType === 't5',
};

export const mt5Architecture: Architecture<T5> = {
  ...t5,
  modelType: 'mt5',
  fromConfig: readMt5Config,
  writes: (model): model is T5 => model instanceof T5 && model.config.modelType === 'mt5',
};
