import { describe, expect, it } from 'vitest';
import type { Json } from '../util/json.js';
import { Gpt2, type Gpt2Config } from './gpt2.js';
import { gpt2Alias, gpt2Tensors, isRedundantGpt2Tensor } from './gpt2-hf.js';
import { readGpt2Config, writeGpt2Config } from './gpt2-hf-config.js';

const config: Gpt2Config = {
  vocabularySize: 30,
  width: 8,
  layers: 2,
  heads: 2,
  positions: 16,
  hidden: 32,
  activation: 'geluTanh',
  epsilon: 1e-5,
  tiedHead: true,
};

describe('the configuration', () => {
  it.each<Partial<Gpt2Config>>([
    {},
    { tiedHead: false, hidden: 20, activation: 'relu', epsilon: 1e-6 },
    { activation: 'gelu', heads: 4 },
  ])('comes back as it was written: %j', (change) => {
    const wanted = { ...config, ...change };
    const written = writeGpt2Config(wanted);
    expect(written).toMatchObject({ architectures: ['GPT2LMHeadModel'], model_type: 'gpt2' });
    expect(readGpt2Config(JSON.parse(JSON.stringify(written)), 'config.json')).toEqual(wanted);
  });

  it('takes the defaults of the format, which are the smallest published model', () => {
    expect(readGpt2Config({ model_type: 'gpt2', n_inner: null }, 'config.json')).toEqual({
      vocabularySize: 50_257,
      width: 768,
      layers: 12,
      heads: 12,
      positions: 1024,
      hidden: 3072,
      activation: 'geluTanh',
      epsilon: 1e-5,
      tiedHead: true,
    });
  });

  it('may be said by the general names, which count where a file has both', () => {
    const general = { hidden_size: 8, num_attention_heads: 4, num_hidden_layers: 3, max_position_embeddings: 20 };
    const read = readGpt2Config({ ...writeGpt2Config(config), ...general }, 'config.json');
    expect(read).toEqual({ ...config, heads: 4, layers: 3, positions: 20 });
  });

  it.each<[{ [key: string]: Json }, RegExp]>([
    [{ scale_attn_weights: false }, /scale_attn_weights is not supported/],
    [{ scale_attn_by_inverse_layer_idx: true }, /scale_attn_by_inverse_layer_idx is not supported/],
    [{ reorder_and_upcast_attn: true }, /reorder_and_upcast_attn is not supported/],
    [{ add_cross_attention: true }, /add_cross_attention is not supported/],
    [{ quantization_config: {} }, /quantization_config is not supported/],
    [{ activation_function: 'toString' }, /activation_function[\s\S]*gelu_new/],
    [{ n_head: 5 }, /n_head[\s\S]*a divisor of n_embd, which is 8/],
    [{ n_embd: 1e9 }, /n_embd/],
    [{ n_layer: 0 }, /n_layer/],
    [{ n_positions: '16' }, /n_positions/],
    [{ layer_norm_epsilon: -1 }, /layer_norm_epsilon/],
    [{ tie_word_embeddings: 1 }, /tie_word_embeddings/],
  ])('refuses %j', (change, message) => {
    expect(() => readGpt2Config({ ...writeGpt2Config(config), ...change }, 'config.json')).toThrow(message);
  });

  it('refuses to write what could not be read again', () => {
    expect(() => writeGpt2Config({ ...config, epsilon: 2 })).toThrow(/layer_norm_epsilon/);
  });
});

describe('the names of tensors', () => {
  it.each([true, false])('are one for each parameter, parts apart; tied head: %s', (tiedHead) => {
    const places = gpt2Tensors({ ...config, tiedHead });
    const parameters = new Map(new Gpt2({ ...config, tiedHead }).namedParameters());
    expect(new Map(places.map(({ path, shape }) => [path, shape]))).toEqual(
      new Map([...parameters].map(([path, { shape }]) => [path, shape])),
    );
    expect(places).toHaveLength(parameters.size);
    const key = places.find(({ path }) => path === 'layers.1.attention.k.weight')!;
    expect(key).toMatchObject({
      name: 'transformer.h.1.attn.c_attn.weight',
      transposed: true,
      rows: { at: 8, of: 24 },
    });
  });

  it('of the published files have no prefix', () => {
    expect(
      ['wte.weight', 'h.1.ln_2.bias', 'ln_f.bias', 'transformer.wpe.weight', 'lm_head.weight'].map(gpt2Alias),
    ).toEqual([
      'transformer.wte.weight',
      'transformer.h.1.ln_2.bias',
      'transformer.ln_f.bias',
      'transformer.wpe.weight',
      'lm_head.weight',
    ]);
  });

  it('that nothing needs are the masks of attention, and a tied head', () => {
    const redundant = (name: string, change = {}) => isRedundantGpt2Tensor(gpt2Alias(name), { ...config, ...change });
    expect(redundant('h.0.attn.bias')).toBe(true);
    expect(redundant('transformer.h.11.attn.masked_bias')).toBe(true);
    expect(redundant('lm_head.weight')).toBe(true);
    expect(redundant('lm_head.weight', { tiedHead: false })).toBe(false);
    expect(redundant('h.0.attn.c_attn.bias')).toBe(false);
    expect(redundant('score.weight')).toBe(false);
  });
});
