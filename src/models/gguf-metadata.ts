import type { GgufField } from '../gguf/field.js';
import { InputError } from '../util/errors.js';
import { writeGgufScaling } from './gguf-rope.js';
import { GGUF_FILE_TYPES, type GgufModelType } from './gguf-types.js';
import { Gpt2, type Gpt2Config } from './gpt2.js';
import { headWidthOf, Llama, type LlamaConfig } from './llama.js';

/** The version of the block formats. */
const QUANTIZATION_VERSION = 2;

type Fields = (readonly [string, GgufField])[];

/** What is written of a configuration. */
export interface GgufConfig {
  /** By whole keys, in the order of the file. */
  readonly fields: ReadonlyMap<string, GgufField>;
  /** Elements of the tensor of rotation factors. */
  readonly rotationFactors?: Float32Array | undefined;
  /** What llama.cpp will compute otherwise, in full sentences. */
  readonly notes: readonly string[];
}

const whole = (key: string, value: number): readonly [string, GgufField] => [key, { type: 'u32', value }];
const float = (key: string, value: number): readonly [string, GgufField] => [key, { type: 'f32', value }];
const text = (key: string, value: string): readonly [string, GgufField] => [key, { type: 'string', value }];

/**
 * A model's configuration as the metadata that llama.cpp's converter writes.
 *
 * @param architecture `general.architecture`. @param name of the model, for people.
 * @throws {InputError} if llama.cpp has no such model; the feature is named.
 */
export function writeGgufConfig(
  model: unknown,
  architecture: string,
  { name, type }: { readonly name: string | undefined; readonly type: GgufModelType },
): GgufConfig {
  const general: Fields = [
    text('general.architecture', architecture),
    text('general.type', 'model'),
    ...(name === undefined ? [] : [text('general.name', name)]),
    whole('general.file_type', GGUF_FILE_TYPES[type]),
    whole('general.quantization_version', QUANTIZATION_VERSION),
  ];
  const notes: string[] = [];
  let own: Fields = [];
  let rotationFactors: Float32Array | undefined;
  if (model instanceof Gpt2) own = gpt2Fields(model.config);
  if (model instanceof Llama) {
    const { config } = model;
    const scaling = writeGgufScaling(config.scaling, architecture, headWidthOf(config), config.theta);
    if (scaling.note !== undefined) notes.push(scaling.note);
    rotationFactors = scaling.factors;
    own = [...llamaFields(config, architecture, notes), ...scaling.fields];
  }
  const prefixed = own.map(([key, field]): [string, GgufField] => [`${architecture}.${key}`, field]);
  return { fields: new Map([...general, ...prefixed]), rotationFactors, notes };
}

function refuse(feature: string, architecture: string): InputError {
  return new InputError(`llama.cpp has no ${architecture} with ${feature}`, {
    where: 'the configuration of the model',
    hint: 'Export the model as safetensors or ONNX.',
  });
}

function gpt2Fields(config: Gpt2Config): Fields {
  if (config.activation !== 'geluTanh') throw refuse(`the activation ${config.activation}`, 'gpt2');
  return [
    whole('context_length', config.positions),
    whole('embedding_length', config.width),
    whole('feed_forward_length', config.hidden),
    whole('block_count', config.layers),
    whole('attention.head_count', config.heads),
    float('attention.layer_norm_epsilon', config.epsilon),
  ];
}

function llamaFields(config: LlamaConfig, architecture: string, notes: string[]): Fields {
  const headWidth = headWidthOf(config);
  if (architecture === 'qwen3' && config.attentionBias !== undefined) throw refuse('biases in attention', architecture);
  return [
    whole('context_length', config.positions),
    whole('embedding_length', config.width),
    whole('block_count', config.layers),
    whole('feed_forward_length', config.hidden),
    whole('vocab_size', config.vocabularySize),
    whole('attention.head_count', config.heads),
    whole('attention.head_count_kv', config.keyHeads),
    whole('attention.key_length', headWidth),
    whole('attention.value_length', headWidth),
    float('attention.layer_norm_rms_epsilon', config.epsilon),
    whole('rope.dimension_count', headWidth),
    float('rope.freq_base', config.theta),
    ...windowFields(config, notes),
  ];
}

/** llama.cpp does not read these fields in the architectures that are written here; other readers may. */
function windowFields({ window, layers, positions }: LlamaConfig, notes: string[]): Fields {
  if (window === undefined || window.layers.length === 0 || window.size >= positions) return [];
  notes.push(
    `llama.cpp has no window of ${window.size} positions in this architecture: it continues longer texts otherwise.`,
  );
  const value = Array.from({ length: layers }, (_, layer) => window.layers.includes(layer));
  return [
    whole('attention.sliding_window', window.size),
    ['attention.sliding_window_pattern', { type: 'array', items: 'bool', value }],
  ];
}
