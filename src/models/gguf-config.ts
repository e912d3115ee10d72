import type { GgufTensor } from '../gguf/header.js';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { JsonConfig } from './config-fields.js';
import { CONFIG_LIMITS } from './config-limits.js';
import type { GgufFields } from './gguf-fields.js';
import { GGUF_ARCHITECTURES } from './gguf-names.js';
import { type GgufRotation, readGgufScaling } from './gguf-rope.js';

type Tensors = ReadonlyMap<string, GgufTensor>;

/** Features of other models that llama.cpp builds under the same names, and the values under which they are off. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  expert_count: [0],
  use_parallel_residual: [false],
  tensor_data_layout: [],
  logit_scale: [0, 1],
  residual_scale: [0, 1],
  embedding_scale: [0, 1],
  attn_logit_softcapping: [0],
  final_logit_softcapping: [0],
  pooling_type: [0],
  'attention.causal': [true],
  'attention.clamp_kqv': [0],
  'attention.max_alibi_bias': [0],
  'attention.temperature_scale': [0],
  'rope.dimension_sections': [],
};

/**
 * What a GGUF file says of a model, as the keys of a `config.json`. Features that would change what is computed and
 * are not built are refused by name.
 *
 * @param factors reads the tensor of rotation factors; called if the file has one of the right size.
 * @throws {InputError} naming the key, what was expected and what came.
 */
export function readGgufConfig(
  fields: GgufFields,
  tensors: Tensors,
  factors: (headWidth: number) => Float32Array | undefined,
): JsonConfig {
  for (const [key, allowed] of Object.entries(NEUTRAL)) fields.unsupported(key, allowed);
  const size = {
    vocabularySize: rowsOf(fields, tensors, 'token_embd.weight'),
    width: fields.whole('embedding_length', [1, CONFIG_LIMITS.width]),
    layers: fields.whole('block_count', [1, CONFIG_LIMITS.layers]),
    heads: fields.whole('attention.head_count', [1, CONFIG_LIMITS.width]),
    positions: fields.whole('context_length', [1, CONFIG_LIMITS.positions]),
    tiedHead: !tensors.has('output.weight'),
  };
  return fields.architecture === 'gpt2' ? gpt2Config(fields, size) : llamaConfig(fields, size, tensors, factors);
}

type Size = Readonly<Record<'vocabularySize' | 'width' | 'layers' | 'heads' | 'positions', number>> & {
  readonly tiedHead: boolean;
};

/** The architecture that a file names. @throws {InputError} if it is not built, or the file holds no model. */
export function ggufArchitectureOf(metadata: GgufFields['metadata'], where: string): string {
  const type = metadata.get('general.type')?.value ?? 'model';
  if (type !== 'model') {
    throw new InputError('this GGUF file holds no model', {
      where: `${where}: general.type`,
      expected: 'model',
      got: String(type).slice(0, 80),
    });
  }
  const parts = metadata.get('split.count')?.value ?? 0;
  if (typeof parts !== 'number' || parts > 1) {
    throw new InputError('a model that is split into several files is not supported', {
      where: `${where}: split.count`,
      expected: 'one file',
      got: String(parts).slice(0, 80),
      hint: 'Join the files with llama-gguf-split --merge.',
    });
  }
  const architecture = metadata.get('general.architecture')?.value;
  if (typeof architecture === 'string' && GGUF_ARCHITECTURES.includes(architecture)) return architecture;
  throw new InputError('this type of model is not supported', {
    where: `${where}: general.architecture`,
    expected: GGUF_ARCHITECTURES.join(', '),
    got: String(architecture ?? 'nothing').slice(0, 80),
  });
}

function rowsOf(fields: GgufFields, tensors: Tensors, name: string): number {
  const rows = tensors.get(name)?.shape[0];
  if (rows !== undefined) return rows;
  throw new InputError('the file has no weights of a model', { where: fields.where, expected: `a tensor '${name}'` });
}

function gpt2Config(fields: GgufFields, size: Size): JsonConfig {
  fields.unsupported('attention.head_count_kv', [size.heads]);
  return {
    model_type: 'gpt2',
    vocab_size: size.vocabularySize,
    n_embd: size.width,
    n_layer: size.layers,
    n_head: size.heads,
    n_positions: size.positions,
    n_inner: fields.whole('feed_forward_length', [1, CONFIG_LIMITS.hidden]),
    layer_norm_epsilon: fields.positive('attention.layer_norm_epsilon'),
    activation_function: 'gelu_new',
    tie_word_embeddings: size.tiedHead,
  };
}

function llamaConfig(
  fields: GgufFields,
  { vocabularySize, width, layers, heads, positions, tiedHead }: Size,
  tensors: Tensors,
  factors: (headWidth: number) => Float32Array | undefined,
): JsonConfig {
  const keyHeads = fields.whole('attention.head_count_kv', [1, CONFIG_LIMITS.width], heads);
  if (heads % keyHeads !== 0) throw fields.fault('attention.head_count_kv', `a divisor of ${heads} heads`);
  const headWidth = fields.whole('attention.key_length', [1, CONFIG_LIMITS.width], width / heads);
  if (headWidth % 2 !== 0) throw fields.fault('attention.key_length', 'an even number');
  fields.unsupported('attention.value_length', [headWidth]);
  fields.unsupported('rope.dimension_count', [headWidth]);
  const scale = fields.get('attention.scale') ?? 0;
  if (scale !== 0 && Math.abs(Number(scale) * Math.sqrt(headWidth) - 1) > 1e-6) {
    throw fields.fault('attention.scale', `nothing, or 1/√${headWidth}`);
  }
  const theta = fields.positive('rope.freq_base', 10_000);
  const rotation: GgufRotation = { headWidth, theta, factors: factors(headWidth) };
  const scaling = readGgufScaling(fields, rotation);
  const window = readWindow(fields, layers, positions);
  const { architecture } = fields;
  const isMistral = architecture === 'llama' && window.sliding_window !== undefined;
  return {
    model_type: isMistral ? 'mistral' : architecture,
    vocab_size: vocabularySize,
    hidden_size: width,
    intermediate_size: fields.whole('feed_forward_length', [1, CONFIG_LIMITS.hidden]),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    head_dim: headWidth,
    max_position_embeddings: positions,
    rms_norm_eps: fields.positive('attention.layer_norm_rms_epsilon'),
    rope_theta: theta,
    ...(scaling === undefined ? {} : { rope_scaling: scaling }),
    ...(architecture === 'llama' && !isMistral
      ? { attention_bias: tensors.has('blk.0.attn_q.bias'), mlp_bias: tensors.has('blk.0.ffn_up.bias') }
      : {}),
    ...window,
    tie_word_embeddings: tiedHead,
  };
}

/** A window that is as long as the context, or longer, is none. */
function readWindow(fields: GgufFields, layers: number, positions: number): { [key: string]: Json } {
  const [sizeKey, patternKey] = ['attention.sliding_window', 'attention.sliding_window_pattern'] as const;
  const size = fields.get(sizeKey) === undefined ? 0 : fields.whole(sizeKey, [0, 2 ** 32 - 1]);
  if (size === 0 || size >= positions) return {};
  const pattern = fields.get(patternKey) ?? fields.architecture === 'llama';
  if (pattern === false && fields.get(patternKey) === undefined) {
    throw fields.fault(patternKey, 'which layers have the window', 'llama.cpp has no windows in this architecture.');
  }
  const all = Array.isArray(pattern) ? pattern : new Array(layers).fill(pattern);
  if (all.length !== layers || all.some((value) => typeof value !== 'boolean')) {
    throw fields.fault(patternKey, `true or false for each of ${layers} layers`);
  }
  if (!all.includes(true)) return {};
  if (fields.architecture === 'llama') {
    if (all.includes(false)) throw fields.fault(patternKey, 'all layers alike');
    return { sliding_window: size };
  }
  return {
    use_sliding_window: true,
    sliding_window: size,
    max_window_layers: all.indexOf(true),
    layer_types: all.map((value) => (value ? 'sliding_attention' : 'full_attention')),
  };
}
