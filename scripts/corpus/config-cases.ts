import { brokenJson, type Cases, changed, type JsonObject, type Wrong, withValue, wrongValues } from './damages.js';

export const LLAMA: JsonObject = {
  model_type: 'llama',
  vocab_size: 53,
  hidden_size: 16,
  intermediate_size: 17,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 32,
  rms_norm_eps: 0.003,
  rope_parameters: { rope_theta: 10_000, rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
  hidden_act: 'silu',
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: [2, 3],
};
export const QWEN2: JsonObject = {
  ...withoutRope(LLAMA),
  model_type: 'qwen2',
  use_sliding_window: true,
  sliding_window: 4,
  max_window_layers: 1,
  layer_types: ['full_attention', 'sliding_attention'],
};
export const GPT2: JsonObject = {
  model_type: 'gpt2',
  vocab_size: 53,
  n_embd: 12,
  n_head: 3,
  n_layer: 2,
  n_positions: 20,
  n_inner: null,
};
export const BERT: JsonObject = {
  architectures: ['BertForSequenceClassification'],
  model_type: 'bert',
  vocab_size: 53,
  hidden_size: 18,
  num_attention_heads: 3,
  num_hidden_layers: 2,
  intermediate_size: 19,
  max_position_embeddings: 19,
  id2label: { 0: 'no', 1: 'yes' },
  hidden_act: 'gelu',
};
export const T5: JsonObject = {
  model_type: 't5',
  vocab_size: 53,
  d_model: 16,
  d_kv: 6,
  d_ff: 17,
  num_layers: 2,
  num_heads: 3,
  feed_forward_proj: 'gated-gelu',
  relative_attention_num_buckets: 8,
  relative_attention_max_distance: 16,
};

function withoutRope({ rope_parameters: _, ...rest }: JsonObject): JsonObject {
  return rest;
}

const SIZE: readonly Wrong[] = ['is-zero', 'beyond-53-bits', 'is-a-text'];

export function configCases(): Cases {
  const rope = (value: JsonObject): string => withValue(LLAMA, 'rope_parameters', value);
  return {
    ...brokenJson(LLAMA),
    ...wrongValues(LLAMA, {
      model_type: ['missing', 'null', 'is-a-number', 'is-a-list', 'speaks-to-javascript', 'is-nested'],
      vocab_size: ['missing', 'negative', 'fraction', 'enormous', 'is-a-list', 'speaks-to-javascript', ...SIZE],
      hidden_size: ['missing', ...SIZE],
      intermediate_size: ['beyond-31-bits', 'is-zero'],
      num_hidden_layers: ['beyond-31-bits', 'is-zero', 'is-nested'],
      num_attention_heads: ['is-zero', 'is-a-number', 'beyond-31-bits'],
      num_key_value_heads: ['is-zero', 'is-a-number'],
      max_position_embeddings: ['beyond-31-bits', 'negative', 'is-a-text'],
      rms_norm_eps: ['negative', 'is-zero', 'is-a-text', 'enormous'],
      rope_parameters: ['is-a-list', 'is-a-text', 'is-nested'],
      'rope_parameters.rope_type': ['is-a-number', 'is-a-text', 'speaks-to-javascript'],
      'rope_parameters.factor': ['is-zero', 'enormous', 'is-a-list'],
      'rope_parameters.low_freq_factor': ['missing', 'is-a-number'],
      hidden_act: ['is-a-text', 'is-a-number', 'is-an-object'],
      tie_word_embeddings: ['is-a-number', 'is-a-text'],
      bos_token_id: ['negative', 'fraction', 'is-a-text'],
      eos_token_id: ['is-a-text', 'is-an-object', 'negative'],
    }),
    ...wrongValues(
      QWEN2,
      {
        sliding_window: SIZE,
        max_window_layers: ['negative', 'is-a-text'],
        layer_types: ['is-a-list', 'is-a-text', 'is-an-object'],
      },
      'qwen2-',
    ),
    ...wrongValues(
      GPT2,
      {
        n_embd: ['is-a-number', ...SIZE],
        n_head: SIZE,
        n_inner: SIZE,
        activation_function: ['is-a-text', 'is-a-list'],
      },
      'gpt2-',
    ),
    ...wrongValues(
      BERT,
      {
        architectures: ['is-a-text', 'is-a-list', 'speaks-to-javascript'],
        id2label: ['is-a-list', 'is-a-text', 'is-an-object'],
        'id2label.0': ['missing', 'is-a-number'],
        num_attention_heads: SIZE,
        type_vocab_size: ['beyond-31-bits'],
      },
      'bert-',
    ),
    ...wrongValues(
      T5,
      {
        feed_forward_proj: ['is-a-number', 'is-a-text', 'is-a-list'],
        relative_attention_num_buckets: ['is-zero', 'is-a-number', 'beyond-31-bits'],
        relative_attention_max_distance: ['is-zero', 'beyond-31-bits'],
        num_layers: SIZE,
        num_decoder_layers: SIZE,
        d_kv: SIZE,
        pad_token_id: ['negative', 'beyond-31-bits'],
        decoder_start_token_id: ['negative', 'is-a-text', 'beyond-31-bits'],
      },
      't5-',
    ),
    'model-type-unknown': withValue(LLAMA, 'model_type', 'phi3'),
    'model-type-of-the-prototype': withValue(LLAMA, 'model_type', '__proto__'),
    'model-type-has-a-space': withValue(LLAMA, 'model_type', 'llama '),
    'weights-are-quantised': withValue(LLAMA, 'quantization_config', { bits: 4 }),
    'rotation-in-part': withValue(LLAMA, 'partial_rotary_factor', 0.5),
    'rotation-tables-of-64-gigabytes': changed(LLAMA, (copy) =>
      Object.assign(copy, { max_position_embeddings: 2 ** 20, head_dim: 2 ** 16 }),
    ),
    'rotation-yarn-without-factor-or-positions': rope({ rope_type: 'yarn', original_max_position_embeddings: 0 }),
    'rotation-frequencies-reversed': rope({ rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1 }),
    'head-width-odd': withValue(LLAMA, 'head_dim', 3),
    'activation-of-the-prototype': withValue(GPT2, 'activation_function', 'constructor'),
    'bert-activation-of-the-prototype': withValue(BERT, 'hidden_act', 'toString'),
    'bert-head-of-the-prototype': withValue(BERT, 'architectures', ['hasOwnProperty']),
    'bert-labels-of-the-prototype': `${withValue(BERT, 'id2label', undefined).slice(0, -1)},"id2label":{"__proto__":"a","constructor":"b"}}`,
    'bert-that-decodes': withValue(BERT, 'is_decoder', true),
    't5-is-no-encoder-decoder': withValue(T5, 'is_encoder_decoder', false),
    'key-twice': `${JSON.stringify(LLAMA).slice(0, -1)},"vocab_size":-1}`,
  };
}

export const GENERATION: JsonObject = {
  bos_token_id: 1,
  eos_token_id: [2, 3],
  pad_token_id: 0,
  decoder_start_token_id: 0,
  max_new_tokens: 20,
  do_sample: true,
  temperature: 0.7,
  top_k: 20,
  top_p: 0.9,
  min_p: 0.05,
  repetition_penalty: 1.1,
};

export function generationCases(): Cases {
  return {
    ...brokenJson(GENERATION),
    ...wrongValues(GENERATION, {
      bos_token_id: ['negative', 'fraction', 'beyond-31-bits', 'is-a-list', 'is-nested'],
      pad_token_id: ['negative', 'is-a-text'],
      decoder_start_token_id: ['negative', 'is-an-object'],
      eos_token_id: ['is-a-text', 'negative', 'beyond-53-bits', 'speaks-to-javascript'],
      'eos_token_id.1': ['null', 'fraction', 'is-a-list'],
      max_new_tokens: ['is-zero', 'negative', 'enormous'],
      do_sample: ['is-a-number', 'is-a-text'],
      temperature: ['negative', 'is-a-text', 'enormous'],
      top_k: ['negative', 'fraction', 'is-true'],
      top_p: ['is-zero', 'negative', 'is-a-number'],
      min_p: ['negative', 'fraction'],
      repetition_penalty: ['is-zero', 'enormous', 'is-an-object'],
    }),
    'ends-of-2000': withValue(
      GENERATION,
      'eos_token_id',
      Array.from({ length: 2000 }, (_, i) => i),
    ),
    'temperature-infinite': JSON.stringify(GENERATION).replace('0.7', '1e999'),
  };
}
