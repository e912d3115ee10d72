import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { activationName, readActivation } from './activation-names.js';
import { ConfigFields, type JsonConfig, withOwnNames } from './config-fields.js';
import { CONFIG_LIMITS } from './config-limits.js';
import type { Gpt2Config } from './gpt2.js';

const OWN_NAMES = {
  hidden_size: 'n_embd',
  max_position_embeddings: 'n_positions',
  num_attention_heads: 'n_head',
  num_hidden_layers: 'n_layer',
} as const;

/**
 * The configuration in a `config.json` of `model_type` `gpt2`. Keys that do not change what the model computes are
 * passed over; features that would and are not built (`scale_attn_by_inverse_layer_idx`, cross-attention …) are refused
 * by name.
 *
 * @param where the file's name, for errors.
 * @throws {InputError} naming the key, what was expected and what came.
 */
export function readGpt2Config(config: JsonConfig, where: string): Gpt2Config {
  const fields = new ConfigFields(withOwnNames(config, OWN_NAMES), where);
  const width = fields.whole('n_embd', [1, CONFIG_LIMITS.width], 768);
  const heads = fields.whole('n_head', [1, CONFIG_LIMITS.width], 12);
  if (width % heads !== 0) throw fields.fault('n_head', `a divisor of n_embd, which is ${width}`);
  fields.unsupported('scale_attn_weights', [true]);
  for (const key of [
    'scale_attn_by_inverse_layer_idx',
    'reorder_and_upcast_attn',
    'add_cross_attention',
    'quantization_config',
  ]) {
    fields.unsupported(key, [false]);
  }
  return {
    vocabularySize: fields.whole('vocab_size', [1, CONFIG_LIMITS.vocabulary], 50_257),
    width,
    layers: fields.whole('n_layer', [1, CONFIG_LIMITS.layers], 12),
    heads,
    positions: fields.whole('n_positions', [1, CONFIG_LIMITS.positions], 1024),
    hidden: fields.whole('n_inner', [1, CONFIG_LIMITS.hidden], 4 * width),
    activation: readActivation(fields, 'activation_function', 'geluTanh'),
    epsilon: fields.positive('layer_norm_epsilon', 1, 1e-5),
    tiedHead: fields.flag('tie_word_embeddings', true),
  };
}

/** The `config.json` that other tools read. @throws {InputError} if it could not be read again. */
export function writeGpt2Config(config: Gpt2Config): { [key: string]: Json } {
  const written: { [key: string]: Json } = {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: config.vocabularySize,
    n_positions: config.positions,
    n_ctx: config.positions,
    n_embd: config.width,
    n_layer: config.layers,
    n_head: config.heads,
    n_inner: config.hidden === 4 * config.width ? null : config.hidden,
    activation_function: activationName(config.activation),
    layer_norm_epsilon: config.epsilon,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    tie_word_embeddings: config.tiedHead,
    torch_dtype: 'float32',
  };
  const again = readGpt2Config(written, 'the configuration of the model');
  const changed = (Object.keys(again) as (keyof Gpt2Config)[]).find((key) => again[key] !== config[key]);
  if (changed !== undefined) {
    throw new InputError('the configuration cannot be kept', { where: changed, got: String(config[changed]) });
  }
  return written;
}
