import { describe, expect, it } from 'vitest';
import type { Json } from '../util/json.js';
import { type GenerationConfig, readGenerationConfig, writeGenerationConfig } from './generation-config.js';

const read = (json: { [key: string]: Json }): GenerationConfig => readGenerationConfig(json, 'generation_config.json');

describe('the generation configuration', () => {
  it.each<GenerationConfig>([
    { eosIds: [] },
    { bosId: 0, eosIds: [6], padId: 0, temperature: 0 },
    { eosIds: [1, 2], maxNewTokens: 64, temperature: 0.7, topK: 40, topP: 0.9, minP: 0.05, repetitionPenalty: 1.1 },
    { eosIds: [3], topK: 5 },
    { eosIds: [1], padId: 0, decoderStartId: 0 },
  ])('comes back as it was written: %j', (generation) => {
    expect(read(JSON.parse(JSON.stringify(writeGenerationConfig(generation))))).toEqual(generation);
  });

  it('says greedy as other libraries do', () => {
    expect(writeGenerationConfig({ eosIds: [2], temperature: 0 })).toEqual({ eos_token_id: 2, do_sample: false });
    expect(read({ do_sample: false, temperature: 0.6 })).toEqual({ eosIds: [], temperature: 0 });
  });

  it('takes -1 for a token that there is not, and for no limit', () => {
    expect(read({ bos_token_id: -1, eos_token_id: -1, pad_token_id: -1 })).toEqual({ eosIds: [] });
    expect(read({ do_sample: true, top_k: -1 })).toEqual({ eosIds: [], topK: 0 });
  });

  it.each<[{ [key: string]: Json }, RegExp]>([
    [{ eos_token_id: 'end' }, /generation_config\.json: eos_token_id[\s\S]*a list of them[\s\S]*"end"/],
    [{ eos_token_id: [1, -2] }, /eos_token_id/],
    [{ bos_token_id: 1.5 }, /bos_token_id[\s\S]*whole number/],
    [{ temperature: 'hot' }, /temperature/],
    [{ do_sample: true, top_p: 2 }, /top_p[\s\S]*up to 1/],
    [{ max_new_tokens: 0 }, /max_new_tokens/],
    [{ max_new_tokens: -1 }, /max_new_tokens/],
    [{ pad_token_id: -2 }, /pad_token_id/],
  ])('refuses %j', (json, message) => {
    expect(() => read(json)).toThrow(message);
  });
});
