import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { ConfigFields, type JsonConfig } from './config-fields.js';
import type { LlamaConfig } from './llama.js';

/** Sizes beyond which a configuration is refused: every published model of this shape is smaller. */
const LIMITS = {
  vocabulary: 1 << 22,
  width: 1 << 16,
  hidden: 1 << 18,
  layers: 1024,
  positions: 1 << 20,
  /** `positions · head width`: elements of the rotation tables. */
  rotation: 1 << 27,
} as const;

/** Reads the rotation's base, and refuses the schemes that stretch it; newer files keep both under `rope_parameters`. */
function readTheta(fields: ConfigFields): number {
  const nested = fields.get('rope_parameters');
  fields.unsupported('rope_scaling', []);
  fields.unsupported('partial_rotary_factor', [1]);
  if (nested === undefined) return fields.positive('rope_theta', 1e12, 10_000);
  if (typeof nested !== 'object' || nested === null || Array.isArray(nested)) {
    throw fields.fault('rope_parameters', 'an object');
  }
  const inner = new ConfigFields(nested, `${fields.where}: rope_parameters`);
  inner.unsupported('rope_type', ['default']);
  inner.unsupported('partial_rotary_factor', [1]);
  return inner.positive('rope_theta', 1e12, 10_000);
}

/** As `readLlamaConfig`, for both model types. */
function readConfig(config: JsonConfig, where: string, queryKeyNorm: boolean): LlamaConfig {
  const fields = new ConfigFields(config, where);
  const width = fields.whole('hidden_size', [1, LIMITS.width]);
  const heads = fields.whole('num_attention_heads', [1, LIMITS.width]);
  const keyHeads = fields.whole('num_key_value_heads', [1, LIMITS.width], heads);
  if (heads % keyHeads !== 0) {
    throw fields.fault('num_key_value_heads', `a divisor of num_attention_heads, which is ${heads}`);
  }
  if (width % (2 * heads) !== 0) {
    throw fields.fault('num_attention_heads', `heads of an even whole width out of hidden_size, which is ${width}`);
  }
  const headWidth = width / heads;
  fields.unsupported('head_dim', [headWidth]);
  const positions = fields.whole('max_position_embeddings', [1, LIMITS.positions], queryKeyNorm ? 32_768 : 2048);
  if (positions * headWidth > LIMITS.rotation) {
    throw fields.fault('max_position_embeddings', `at most ${Math.floor(LIMITS.rotation / headWidth)} at this width`);
  }
  fields.unsupported('hidden_act', ['silu']);
  for (const key of ['attention_bias', 'mlp_bias', 'use_sliding_window', 'quantization_config']) {
    fields.unsupported(key, [false]);
  }
  const layerTypes = fields.get('layer_types') ?? [];
  if (!Array.isArray(layerTypes) || layerTypes.some((type) => type !== 'full_attention')) {
    fields.unsupported('layer_types', []);
  }
  // Sharding of the weights over machines in training; above 1 the reference computes slices, to the same values.
  fields.unsupported('pretraining_tp', [1]);
  return {
    vocabularySize: fields.whole('vocab_size', [1, LIMITS.vocabulary]),
    width,
    layers: fields.whole('num_hidden_layers', [1, LIMITS.layers]),
    heads,
    keyHeads,
    hidden: fields.whole('intermediate_size', [1, LIMITS.hidden]),
    positions,
    theta: readTheta(fields),
    epsilon: fields.positive('rms_norm_eps', 1, 1e-6),
    tiedHead: fields.flag('tie_word_embeddings', false),
    queryKeyNorm,
  };
}

/**
 * The configuration in a `config.json` of `model_type` `llama`. Keys that do not change what the model computes are
 * passed over; features that would and are not built (`rope_scaling`, `attention_bias`, another `hidden_act` …) are
 * refused by name.
 *
 * @param where the file's name, for errors.
 * @throws {InputError} naming the key, what was expected and what came.
 */
export function readLlamaConfig(config: JsonConfig, where: string): LlamaConfig {
  return readConfig(config, where, false);
}

/** The same for `model_type` `qwen3`, which is Llama with normalised queries and keys. @throws {InputError} */
export function readQwen3Config(config: JsonConfig, where: string): LlamaConfig {
  return readConfig(config, where, true);
}

/**
 * The `config.json` that other tools read: a Llama, or, with normalised queries and keys, a Qwen3.
 *
 * @throws {InputError} if it could not be read again.
 */
export function writeLlamaConfig(config: LlamaConfig): { [key: string]: Json } {
  const written: { [key: string]: Json } = {
    architectures: [config.queryKeyNorm ? 'Qwen3ForCausalLM' : 'LlamaForCausalLM'],
    model_type: config.queryKeyNorm ? 'qwen3' : 'llama',
    vocab_size: config.vocabularySize,
    hidden_size: config.width,
    intermediate_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyHeads,
    // Qwen3's default is 128, whatever the width.
    head_dim: config.width / config.heads,
    max_position_embeddings: config.positions,
    rms_norm_eps: config.epsilon,
    rope_theta: config.theta,
    hidden_act: 'silu',
    attention_bias: false,
    attention_dropout: 0,
    ...(config.queryKeyNorm ? { use_sliding_window: false } : { mlp_bias: false }),
    tie_word_embeddings: config.tiedHead,
    torch_dtype: 'float32',
  };
  const again = readConfig(written, 'the configuration of the model', config.queryKeyNorm);
  const changed = (Object.keys(again) as (keyof LlamaConfig)[]).find((key) => again[key] !== config[key]);
  if (changed !== undefined) {
    throw new InputError('the configuration cannot be kept', { where: changed, got: String(config[changed]) });
  }
  return written;
}
