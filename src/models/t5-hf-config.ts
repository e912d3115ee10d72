import type { Activation } from '../nn/feed-forward.js';
import type { Json } from '../util/json.js';
import { activationName, readActivation } from './activation-names.js';
import { ConfigFields, type JsonConfig, withOwnNames } from './config-fields.js';
import { CONFIG_LIMITS } from './config-limits.js';
import type { T5Config } from './t5.js';

/** Sizes of the table of distances beyond which a configuration is refused. */
const LIMITS = { buckets: 1 << 16, distance: 1 << 20 } as const;

/** What the two libraries' names stand for where a file leaves something out. */
const DEFAULTS = {
  t5: { feedForward: 'relu', layers: 6, heads: 8, hidden: 2048 },
  mt5: { feedForward: 'gated-gelu', layers: 8, heads: 6, hidden: 1024 },
} as const;

const OWN_NAMES = {
  hidden_size: 'd_model',
  num_attention_heads: 'num_heads',
  num_hidden_layers: 'num_layers',
  head_dim: 'd_kv',
} as const;

/**
 * `relu`, `gated-silu` …; the word `gated-gelu` stands for the tanh approximation. Files may name the activation once
 * more, as `dense_act_fn`, and that name counts.
 */
function readFeedForward(fields: ConfigFields, fallback: string): { activation: Activation; gated: boolean } {
  const { activation, gated } = readProjection(fields, fallback);
  return { activation: readActivation(fields, 'dense_act_fn', activation), gated };
}

function readProjection(fields: ConfigFields, fallback: string): { activation: Activation; gated: boolean } {
  const key = 'feed_forward_proj';
  const name = fields.get(key) ?? fallback;
  if (typeof name !== 'string') throw fields.fault(key, 'a name, such as relu or gated-gelu');
  const gated = name.startsWith('gated-');
  if (name === 'gated-gelu') return { activation: 'geluTanh', gated };
  const inner = new ConfigFields({ [key]: gated ? name.slice('gated-'.length) : name }, fields.where);
  return { activation: readActivation(inner, key, 'relu'), gated };
}

function feedForwardName({ activation, gated }: T5Config): string {
  if (!gated) return activationName(activation);
  return activation === 'geluTanh' ? 'gated-gelu' : `gated-${activationName(activation)}`;
}

/**
 * Whether hidden vectors are scaled before the head. T5 1.0 does it, and says so by its tied head; transformers 5 ties
 * every head when it makes a model, and writes the scaling under a name of its own. mT5 never does it.
 */
function readScaledHead(fields: ConfigFields, modelType: T5Config['modelType']): boolean {
  if (modelType === 'mt5') return false;
  return fields.flag('scale_decoder_outputs', fields.flag('tie_word_embeddings', true));
}

/** As `readT5Config`, for both model types. */
function readConfig(config: JsonConfig, where: string, modelType: T5Config['modelType']): T5Config {
  const fields = new ConfigFields(withOwnNames(config, OWN_NAMES), where);
  const defaults = DEFAULTS[modelType];
  const layers = fields.whole('num_layers', [1, CONFIG_LIMITS.layers], defaults.layers);
  const feedForward = readFeedForward(fields, defaults.feedForward);
  fields.unsupported('is_encoder_decoder', [true]);
  fields.unsupported('is_gated_act', [feedForward.gated]);
  fields.unsupported('quantization_config', []);
  const maxDistance = fields.whole('relative_attention_max_distance', [2, LIMITS.distance], 128);
  const buckets = fields.whole('relative_attention_num_buckets', [4, LIMITS.buckets], 32);
  if (buckets % 2 !== 0) throw fields.fault('relative_attention_num_buckets', 'an even number');
  if (maxDistance <= buckets / 2) {
    throw fields.fault('relative_attention_max_distance', `a distance above ${buckets / 2}, half of the buckets`);
  }
  const scaledHead = readScaledHead(fields, modelType);
  const padId = fields.whole('pad_token_id', [0, CONFIG_LIMITS.vocabulary], 0);
  const vocabularySize = fields.whole('vocab_size', [1, CONFIG_LIMITS.vocabulary], modelType === 't5' ? 32128 : 250112);
  const decoderStartId = fields.whole('decoder_start_token_id', [0, CONFIG_LIMITS.vocabulary], padId);
  if (decoderStartId >= vocabularySize) {
    throw fields.fault('decoder_start_token_id', `an id below ${vocabularySize}, as vocab_size says`);
  }
  return {
    modelType,
    vocabularySize,
    width: fields.whole('d_model', [1, CONFIG_LIMITS.width], 512),
    layers,
    decoderLayers: fields.whole('num_decoder_layers', [1, CONFIG_LIMITS.layers], layers),
    heads: fields.whole('num_heads', [1, CONFIG_LIMITS.width], defaults.heads),
    headWidth: fields.whole('d_kv', [1, CONFIG_LIMITS.width], 64),
    hidden: fields.whole('d_ff', [1, CONFIG_LIMITS.hidden], defaults.hidden),
    ...feedForward,
    positions: fields.whole('n_positions', [1, CONFIG_LIMITS.positions], 512),
    buckets,
    maxDistance,
    epsilon: fields.positive('layer_norm_epsilon', 1, 1e-6),
    decoderStartId,
    tiedHead: scaledHead,
    scaledHead,
  };
}

/**
 * The configuration in a `config.json` of `model_type` `t5`: version 1.0, 1.1 and FLAN. An unscaled head is taken for one of
 * its own until the weights show that there is none (`fitT5Config`): what `tie_word_embeddings` says of it depends on the
 * library that wrote it.
 *
 * @param where the file's name, for errors.
 * @throws {InputError} naming the key, what was expected and what came.
 */
export function readT5Config(config: JsonConfig, where: string): T5Config {
  return readConfig(config, where, 't5');
}

/** The same for `model_type` `mt5`. @throws {InputError} */
export function readMt5Config(config: JsonConfig, where: string): T5Config {
  return readConfig(config, where, 'mt5');
}

/** The configuration, where the files hold a head or none. One that is scaled is tied, and a copy of it is passed over. */
export function fitT5Config(config: T5Config, held: ReadonlySet<string>): T5Config {
  return { ...config, tiedHead: config.scaledHead || !held.has('lm_head.weight') };
}

/** The `config.json` that other tools read. @throws {InputError} if it could not be read again. */
export function writeT5Config(config: T5Config): { [key: string]: Json } {
  const { modelType } = config;
  const written: { [key: string]: Json } = {
    architectures: [modelType === 't5' ? 'T5ForConditionalGeneration' : 'MT5ForConditionalGeneration'],
    model_type: modelType,
    is_encoder_decoder: true,
    vocab_size: config.vocabularySize,
    d_model: config.width,
    d_kv: config.headWidth,
    d_ff: config.hidden,
    num_layers: config.layers,
    num_decoder_layers: config.decoderLayers,
    num_heads: config.heads,
    n_positions: config.positions,
    relative_attention_num_buckets: config.buckets,
    relative_attention_max_distance: config.maxDistance,
    layer_norm_epsilon: config.epsilon,
    feed_forward_proj: feedForwardName(config),
    dropout_rate: 0,
    decoder_start_token_id: config.decoderStartId,
    tie_word_embeddings: config.tiedHead,
    ...(modelType === 't5' ? { scale_decoder_outputs: config.scaledHead } : {}),
    torch_dtype: 'float32',
  };
  const read = readConfig(written, 'the configuration of the model', modelType);
  const again = fitT5Config(read, new Set(config.tiedHead ? [] : ['lm_head.weight']));
  const changed = (Object.keys(again) as (keyof T5Config)[]).find((key) => again[key] !== config[key]);
  if (changed === undefined) return written;
  const fields = new ConfigFields({ [changed]: config[changed] }, 'the configuration of the model');
  throw fields.fault(changed, `${again[changed]}, as it would be read again`);
}
