import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { ConfigFields, type JsonConfig } from './config-fields.js';
import { CONFIG_LIMITS } from './config-limits.js';
import { headWidthOf, type LlamaConfig, type LlamaModelType } from './llama.js';
import { readRotation, writeRotation } from './llama-hf-rope.js';

/** `positions · head width`: elements of the rotation tables. */
const MOST_ROTATION = 1 << 27;

/** What a configuration of a type means where it says nothing. */
const DEFAULTS: Readonly<
  Record<
    LlamaModelType,
    {
      readonly positions: number;
      readonly keyHeads?: number;
      readonly headWidth?: number;
      readonly window?: number;
      readonly fullLayers?: number;
    }
  >
> = {
  llama: { positions: 2048 },
  mistral: { positions: 131_072, keyHeads: 8, window: 4096 },
  qwen2: { positions: 32_768, keyHeads: 32, window: 4096, fullLayers: 28 },
  qwen3: { positions: 32_768, keyHeads: 32, headWidth: 128, window: 4096, fullLayers: 28 },
};

/** What a checkpoint of a model calls itself. */
export function modelTypeOf({
  modelType,
  queryKeyNorm,
}: Pick<LlamaConfig, 'modelType' | 'queryKeyNorm'>): LlamaModelType {
  return modelType ?? (queryKeyNorm ? 'qwen3' : 'llama');
}

/** Which layers see a window alone. */
function readWindow(fields: ConfigFields, modelType: LlamaModelType, layers: number): LlamaConfig['window'] {
  const { window, fullLayers = 0 } = DEFAULTS[modelType];
  // A Llama has none, and null says so too.
  if (window === undefined || fields.config.sliding_window === null) {
    if (window === undefined) fields.unsupported('use_sliding_window', [false]);
    refuseWindows(fields);
    return undefined;
  }
  const optional = modelType !== 'mistral';
  if (optional && !fields.flag('use_sliding_window', false)) {
    refuseWindows(fields);
    return undefined;
  }
  const size = fields.whole('sliding_window', [1, CONFIG_LIMITS.positions], window);
  const first = optional ? fields.whole('max_window_layers', [0, CONFIG_LIMITS.layers], fullLayers) : 0;
  const types = fields.get('layer_types');
  if (types === undefined) return { size, layers: range(layers).filter((layer) => layer >= first) };
  if (!Array.isArray(types) || types.length !== layers || !types.every((type) => LAYER_TYPES.includes(type))) {
    throw fields.fault('layer_types', `${LAYER_TYPES.join(' or ')} for each of ${layers} layers`);
  }
  return { size, layers: range(layers).filter((layer) => types[layer] === 'sliding_attention') };
}

const LAYER_TYPES: readonly Json[] = ['full_attention', 'sliding_attention'];

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function refuseWindows(fields: ConfigFields): void {
  const types = fields.get('layer_types') ?? [];
  if (!Array.isArray(types) || types.some((type) => type !== 'full_attention')) fields.unsupported('layer_types', []);
}

/** `attention_bias` where the type has that choice; Qwen2 has no choice. */
function readAttentionBias(fields: ConfigFields, modelType: LlamaModelType): LlamaConfig['attentionBias'] {
  if (modelType === 'qwen2') return 'inputs';
  if (modelType === 'mistral') {
    fields.unsupported('attention_bias', [false]);
    return undefined;
  }
  return fields.flag('attention_bias', false) ? 'all' : undefined;
}

/**
 * The configuration in a `config.json` of one of the types of this family. Keys that do not change what the model
 * computes are passed over; features that would and are not built (another `hidden_act`, quantised weights …) are
 * refused by name.
 *
 * @param where the file's name, for errors.
 * @throws {InputError} naming the key, what was expected and what came.
 */
export function readLlamaConfig(config: JsonConfig, where: string, modelType: LlamaModelType = 'llama'): LlamaConfig {
  const fields = new ConfigFields(config, where);
  const defaults = DEFAULTS[modelType];
  const width = fields.whole('hidden_size', [1, CONFIG_LIMITS.width]);
  const heads = fields.whole('num_attention_heads', [1, CONFIG_LIMITS.width]);
  // Null says: as many as heads. What an absent key says depends on the type.
  const impliedKeyHeads = config.num_key_value_heads === null ? heads : (defaults.keyHeads ?? heads);
  const keyHeads = fields.whole('num_key_value_heads', [1, CONFIG_LIMITS.width], impliedKeyHeads);
  if (heads % keyHeads !== 0) {
    throw fields.fault('num_key_value_heads', `a divisor of num_attention_heads, which is ${heads}`);
  }
  if (fields.get('head_dim') === undefined && defaults.headWidth === undefined && width % (2 * heads) !== 0) {
    throw fields.fault('num_attention_heads', `heads of an even whole width out of hidden_size, which is ${width}`);
  }
  const headWidth = fields.whole('head_dim', [1, CONFIG_LIMITS.width], defaults.headWidth ?? width / heads);
  if (headWidth % 2 !== 0) throw fields.fault('head_dim', 'an even number');
  const positions = fields.whole('max_position_embeddings', [1, CONFIG_LIMITS.positions], defaults.positions);
  if (positions * headWidth > MOST_ROTATION) {
    throw fields.fault('max_position_embeddings', `at most ${Math.floor(MOST_ROTATION / headWidth)} at this width`);
  }
  fields.unsupported('hidden_act', ['silu']);
  fields.unsupported('quantization_config', []);
  if (modelType !== 'llama') fields.unsupported('mlp_bias', [false]);
  // Sharding of the weights over machines in training; above 1 the reference computes slices, to the same values.
  fields.unsupported('pretraining_tp', [1]);
  const layers = fields.whole('num_hidden_layers', [1, CONFIG_LIMITS.layers]);
  const queryKeyNorm = modelType === 'qwen3';
  const attentionBias = readAttentionBias(fields, modelType);
  const feedForwardBias = modelType === 'llama' && fields.flag('mlp_bias', false);
  const window = readWindow(fields, modelType, layers);
  return {
    ...(modelType === modelTypeOf({ queryKeyNorm }) ? {} : { modelType }),
    vocabularySize: fields.whole('vocab_size', [1, CONFIG_LIMITS.vocabulary]),
    width,
    layers,
    heads,
    keyHeads,
    ...(headWidth === width / heads ? {} : { headWidth }),
    hidden: fields.whole('intermediate_size', [1, CONFIG_LIMITS.hidden]),
    positions,
    ...readRotation(fields, positions),
    epsilon: fields.positive('rms_norm_eps', 1, 1e-6),
    tiedHead: fields.flag('tie_word_embeddings', false),
    queryKeyNorm,
    ...(attentionBias === undefined ? {} : { attentionBias }),
    ...(feedForwardBias ? { feedForwardBias } : {}),
    ...(window === undefined ? {} : { window }),
  };
}

const CLASSES: Readonly<Record<LlamaModelType, string>> = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
};

/**
 * The `config.json` that other tools read.
 *
 * @throws {InputError} if it could not be read again.
 */
export function writeLlamaConfig(config: LlamaConfig): { [key: string]: Json } {
  const modelType = modelTypeOf(config);
  const written: { [key: string]: Json } = {
    architectures: [CLASSES[modelType]],
    model_type: modelType,
    vocab_size: config.vocabularySize,
    hidden_size: config.width,
    intermediate_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyHeads,
    // Qwen3's default is 128, whatever the width.
    head_dim: headWidthOf(config),
    max_position_embeddings: config.positions,
    rms_norm_eps: config.epsilon,
    ...writeRotation(config),
    hidden_act: 'silu',
    attention_dropout: 0,
    ...(modelType === 'llama' || modelType === 'qwen3' ? { attention_bias: config.attentionBias === 'all' } : {}),
    ...(modelType === 'llama' ? { mlp_bias: config.feedForwardBias ?? false } : {}),
    ...windowFields(config),
    tie_word_embeddings: config.tiedHead,
    torch_dtype: 'float32',
  };
  const again: { readonly [key: string]: unknown } = { ...readLlamaConfig(written, 'the model', modelType) };
  const own: { readonly [key: string]: unknown } = config as never;
  const changed = Object.keys({ ...own, ...again }).find((key) => !isDeepStrictEqual(again[key], own[key]));
  if (changed !== undefined && !isImplied(changed, config)) {
    throw new InputError('the configuration cannot be kept', { where: changed, got: JSON.stringify(own[changed]) });
  }
  return written;
}

/** Fields that say what their absence says too. */
function isImplied(key: string, config: LlamaConfig): boolean {
  if (key === 'modelType') return true;
  if (key === 'headWidth') return config.headWidth === config.width / config.heads;
  return key === 'feedForwardBias' && config.feedForwardBias === false;
}

function windowFields({ window, layers, ...config }: LlamaConfig): { [key: string]: Json } {
  const modelType = modelTypeOf(config);
  if (modelType === 'llama') return {};
  if (modelType === 'mistral') return { sliding_window: window?.size ?? null };
  if (window === undefined) return { use_sliding_window: false };
  const types = range(layers).map((layer) => (window.layers.includes(layer) ? 'sliding_attention' : 'full_attention'));
  const first = window.layers[0] ?? layers;
  return {
    use_sliding_window: true,
    sliding_window: window.size,
    max_window_layers: first,
    layer_types: types,
  };
}
