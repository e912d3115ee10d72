import type { Architecture, TensorPlace } from './architecture.js';
import { Gpt2, type Gpt2Config } from './gpt2.js';
import { readGpt2Config, writeGpt2Config } from './gpt2-hf-config.js';

/** A matrix of a layer and its bias: the name in the file, the path in `Gpt2Layer`, and the matrix's `[outputs, inputs]`. */
type LayerMatrix = readonly [name: string, path: string, shape: (config: Gpt2Config) => readonly [number, number]];

const LAYER_MATRICES: readonly LayerMatrix[] = [
  ['attn.c_proj', 'attention.o', ({ width }) => [width, width]],
  ['mlp.c_fc', 'feedForward.up', ({ width, hidden }) => [hidden, width]],
  ['mlp.c_proj', 'feedForward.down', ({ width, hidden }) => [width, hidden]],
];

const LAYER_NORMS = [
  ['ln_1', 'attentionNorm'],
  ['ln_2', 'feedForwardNorm'],
] as const;

/** The parts of `c_attn`, in its order. */
const ATTENTION_PARTS = ['q', 'k', 'v'] as const;

function layerTensors(config: Gpt2Config, layer: number): TensorPlace[] {
  const { width } = config;
  const [file, own] = [`transformer.h.${layer}`, `layers.${layer}`];
  const places: TensorPlace[] = [];
  for (const [name, path] of LAYER_NORMS) {
    for (const part of ['weight', 'bias']) {
      places.push({ name: `${file}.${name}.${part}`, path: `${own}.${path}.${part}`, shape: [width] });
    }
  }
  for (const kind of ['weight', 'bias']) {
    for (const [i, part] of ATTENTION_PARTS.entries()) {
      places.push({
        name: `${file}.attn.c_attn.${kind}`,
        path: `${own}.attention.${part}.${kind}`,
        shape: kind === 'weight' ? [width, width] : [width],
        transposed: kind === 'weight',
        rows: { at: i * width, of: 3 * width },
      });
    }
  }
  for (const [name, path, shape] of LAYER_MATRICES) {
    const [outputs, inputs] = shape(config);
    places.push(
      { name: `${file}.${name}.weight`, path: `${own}.${path}.weight`, shape: [outputs, inputs], transposed: true },
      { name: `${file}.${name}.bias`, path: `${own}.${path}.bias`, shape: [outputs] },
    );
  }
  return places;
}

/**
 * The tensors of a GPT-2 checkpoint as Hugging Face names them, and where each belongs. Its matrices are kept as
 * `[inputs, outputs]`, and queries, keys and values as one. A tied head has no tensor of its own.
 */
export function gpt2Tensors(config: Gpt2Config): TensorPlace[] {
  const { vocabularySize, width, positions, tiedHead } = config;
  const places: TensorPlace[] = [
    { name: 'transformer.wte.weight', path: 'embedding.weight', shape: [vocabularySize, width] },
    { name: 'transformer.wpe.weight', path: 'positionEmbedding.weight', shape: [positions, width] },
  ];
  for (let layer = 0; layer < config.layers; layer++) places.push(...layerTensors(config, layer));
  places.push(
    { name: 'transformer.ln_f.weight', path: 'norm.weight', shape: [width] },
    { name: 'transformer.ln_f.bias', path: 'norm.bias', shape: [width] },
  );
  if (!tiedHead) places.push({ name: 'lm_head.weight', path: 'head.weight', shape: [vocabularySize, width] });
  return places;
}

/** The published files hold the model without its head, whose names have no prefix. */
export function gpt2Alias(name: string): string {
  return /^(h|wte|wpe|ln_f)\./.test(name) ? `transformer.${name}` : name;
}

/** Tensors that some files hold and nothing needs: a tied head written out, and the masks of older libraries. */
export function isRedundantGpt2Tensor(name: string, config: Gpt2Config): boolean {
  return (config.tiedHead && name === 'lm_head.weight') || /\.h\.\d+\.attn\.(masked_)?bias$/.test(name);
}

export const gpt2Architecture: Architecture<Gpt2> = {
  modelType: 'gpt2',
  kind: 'decoder',
  fromConfig: readGpt2Config,
  toConfig: writeGpt2Config,
  names: gpt2Tensors,
  alias: gpt2Alias,
  isRedundant: isRedundantGpt2Tensor,
  create: (config) => new Gpt2(config),
  writes: (model) => model instanceof Gpt2,
};
