import { describe, expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { JsonConfig } from './config-fields.js';
import { Llama, type LlamaConfig } from './llama.js';
import { isRedundantLlamaTensor, llamaTensors } from './llama-hf.js';
import { readLlamaConfig, writeLlamaConfig } from './llama-hf-config.js';

const readQwen3Config = (json: JsonConfig, where: string) => readLlamaConfig(json, where, 'qwen3');

const config: LlamaConfig = {
  vocabularySize: 300,
  width: 16,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  hidden: 40,
  positions: 32,
  theta: 500_000,
  epsilon: 1e-6,
  tiedHead: true,
  queryKeyNorm: false,
};

describe('the configuration', () => {
  it.each([
    [{}, readLlamaConfig, 'LlamaForCausalLM', 'llama'],
    [{ tiedHead: false, keyHeads: 1 }, readLlamaConfig, 'LlamaForCausalLM', 'llama'],
    [{ queryKeyNorm: true }, readQwen3Config, 'Qwen3ForCausalLM', 'qwen3'],
  ] as const)('comes back as it was written: %j', (change, read, architecture, modelType) => {
    const wanted = { ...config, ...change };
    const written = writeLlamaConfig(wanted);
    expect(written).toMatchObject({ architectures: [architecture], model_type: modelType, torch_dtype: 'float32' });
    expect(read(JSON.parse(JSON.stringify(written)), 'config.json')).toEqual(wanted);
  });

  it('takes the defaults of the format for what is absent or null', () => {
    const { vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads } =
      writeLlamaConfig(config);
    const least = { vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads } as {
      [key: string]: Json;
    };
    expect(readLlamaConfig({ ...least, rope_scaling: null, extra: [1] }, 'config.json')).toEqual({
      ...config,
      keyHeads: 4,
      positions: 2048,
      theta: 10_000,
      tiedHead: false,
    });
  });

  it('reads where newer files keep the rotation', () => {
    const { rope_theta, ...rest } = writeLlamaConfig(config);
    const nested = { ...rest, rope_parameters: { rope_type: 'default', rope_theta: rope_theta! } };
    expect(readLlamaConfig(nested, 'config.json')).toEqual(config);
    const stretched = { ...rest, rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 1e6 } };
    const scaled = readLlamaConfig(stretched, 'config.json');
    expect(scaled).toEqual({ ...config, theta: 1e6, scaling: { type: 'linear', factor: 4 } });
    expect(readLlamaConfig(writeLlamaConfig(scaled), 'config.json')).toEqual(scaled);
  });

  it('takes the older of two rotations that a file has, as the library does', () => {
    const { rope_theta: _, ...rest } = writeLlamaConfig(config);
    const newer = { rope_type: 'linear', factor: 2, rope_theta: 7 };
    const read = (rope_scaling: Json) =>
      readLlamaConfig({ ...rest, rope_parameters: newer, rope_scaling }, 'config.json');
    expect(read({ rope_type: 'linear', factor: 4 })).toMatchObject({ theta: 10_000, scaling: { factor: 4 } });
    for (const none of [null, {}]) expect(read(none)).toMatchObject({ theta: 7, scaling: { factor: 2 } });
  });

  it('takes null for as many key heads as heads, and for no window', () => {
    const { num_key_value_heads: _, ...rest } = writeLlamaConfig({
      ...config,
      modelType: 'qwen2',
      attentionBias: 'inputs',
    });
    const read = (change: JsonConfig) => readLlamaConfig({ ...rest, ...change }, 'config.json', 'qwen2');
    expect(read({ num_key_value_heads: null }).keyHeads).toBe(4);
    expect(() => read({})).toThrow(/a divisor of num_attention_heads/);
    expect(read({ num_key_value_heads: 4, use_sliding_window: true, sliding_window: null }).window).toBeUndefined();
  });

  it.each([
    ['mistral', { window: { size: 5, layers: [0, 1] } }],
    ['mistral', {}],
    ['qwen2', { attentionBias: 'inputs' }],
    ['qwen2', { attentionBias: 'inputs', window: { size: 8, layers: [1] } }],
    ['qwen3', { queryKeyNorm: true, headWidth: 8, attentionBias: 'all' }],
    ['llama', { headWidth: 6, attentionBias: 'all', feedForwardBias: true }],
    [
      'llama',
      {
        scaling: {
          type: 'llama3',
          factor: 8,
          lowFrequencyFactor: 1,
          highFrequencyFactor: 4,
          originalPositions: 32,
        },
      },
    ],
    [
      'llama',
      {
        scaling: {
          type: 'yarn',
          factor: 4,
          originalPositions: 16,
          betaFast: 32,
          betaSlow: 1,
          attentionFactor: 1.25,
          truncate: true,
        },
      },
    ],
  ] as const)('keeps what is particular to a %s: %j', (modelType, change) => {
    const wanted: LlamaConfig = { ...config, ...(/^[lq]\w+[a3]$/.test(modelType) ? {} : { modelType }), ...change };
    const written = writeLlamaConfig(wanted);
    expect(written.model_type).toBe(modelType);
    expect(readLlamaConfig(written, 'config.json', modelType)).toEqual(wanted);
  });

  const refused: readonly (readonly [{ [key: string]: Json }, RegExp])[] = [
    [{ hidden_size: '16' }, /config\.json: hidden_size: [\s\S]*whole number[\s\S]*"16"/],
    [{ hidden_size: null }, /hidden_size[\s\S]*got: +nothing/],
    [{ hidden_size: 1e9 }, /hidden_size[\s\S]*to 65536/],
    [{ vocab_size: 2 ** 40 }, /vocab_size/],
    [{ num_hidden_layers: 0 }, /num_hidden_layers[\s\S]*from 1 to 1024/],
    [{ num_key_value_heads: 3 }, /divisor of num_attention_heads, which is 4/],
    [
      { num_attention_heads: 6, num_key_value_heads: 6, head_dim: null },
      /num_attention_heads[\s\S]*hidden_size, which is 16/,
    ],
    [{ num_attention_heads: 16, num_key_value_heads: 1, head_dim: null }, /even/],
    [{ head_dim: 7 }, /head_dim[\s\S]*an even number[\s\S]*got: +7/],
    [{ max_position_embeddings: 2 ** 20, hidden_size: 8192, head_dim: null }, /max_position_embeddings[\s\S]*at most/],
    [{ rope_scaling: { type: 'longrope', factor: 2 } }, /type: [\s\S]*linear, dynamic, llama3 or yarn[\s\S]*longrope/],
    [{ rope_scaling: { type: 'linear' } }, /factor[\s\S]*above 0/],
    [{ rope_scaling: { rope_type: 'llama3', factor: 2, low_freq_factor: 4, high_freq_factor: 4 } }, /high_freq_factor/],
    [{ rope_theta: -1 }, /rope_theta[\s\S]*above 0/],
    [{ rope_parameters: 3 }, /rope_parameters[\s\S]*an object/],
    [{ attention_bias: 1 }, /attention_bias[\s\S]*true or false/],
    [{ use_sliding_window: true }, /use_sliding_window is not supported/],
    [{ quantization_config: { bits: 4 } }, /quantization_config is not supported/],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, /layer_types is not supported/],
    [{ hidden_act: 'gelu' }, /hidden_act is not supported[\s\S]*"silu"[\s\S]*"gelu"/],
    [{ rms_norm_eps: 0 }, /rms_norm_eps/],
    [{ tie_word_embeddings: 'yes' }, /tie_word_embeddings[\s\S]*true or false/],
  ];
  it.each(refused)('refuses %j', (change, message) => {
    const read = (): LlamaConfig => readLlamaConfig({ ...writeLlamaConfig(config), ...change }, 'config.json');
    expect(read).toThrow(InputError);
    expect(read).toThrow(message);
  });

  it('is not written where it could not be read again', () => {
    expect(() => writeLlamaConfig({ ...config, heads: 3, keyHeads: 3 })).toThrow(InputError);
  });
});

describe('llamaTensors', () => {
  it.each([{}, { tiedHead: false }, { queryKeyNorm: true, keyHeads: 1 }])(
    'covers every parameter of the model once, with its shape: %j',
    (change) => {
      const wanted = { ...config, ...change };
      const parameters = [...new Llama(wanted).namedParameters()].map(([path, { shape }]) => [path, shape]);
      const places = llamaTensors(wanted);
      expect(places.map(({ path, shape }) => [path, shape]).sort()).toEqual(parameters.sort());
      expect(new Set(places.map(({ name }) => name)).size).toBe(places.length);
    },
  );

  it('knows what may be left out', () => {
    expect(isRedundantLlamaTensor('lm_head.weight', config)).toBe(true);
    expect(isRedundantLlamaTensor('lm_head.weight', { ...config, tiedHead: false })).toBe(false);
    expect(isRedundantLlamaTensor('model.layers.0.self_attn.rotary_emb.inv_freq', config)).toBe(true);
    expect(isRedundantLlamaTensor('model.norm.bias', config)).toBe(false);
  });
});
