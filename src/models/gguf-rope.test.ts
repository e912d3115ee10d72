import { describe, expect, it } from 'vitest';
import type { GgufField } from '../gguf/field.js';
import { type RopeScaling, rotaryFrequencies, yarnAttentionFactor } from '../nn/rope-scaling.js';
import { InputError } from '../util/errors.js';
import { GgufFields, shortestFloat32 } from './gguf-fields.js';
import { readGgufScaling, writeGgufScaling } from './gguf-rope.js';
import { inferLlama3Scaling } from './gguf-rope-factors.js';

const rotation = { headWidth: 64, theta: 500_000 };

function fieldsOf(entries: readonly (readonly [string, GgufField])[]): GgufFields {
  const prefixed = entries.map(([key, field]): [string, GgufField] => [`llama.${key}`, field]);
  return new GgufFields(new Map(prefixed), 'x.gguf', 'llama');
}

const read = (entries: readonly (readonly [string, GgufField])[], factors?: Float32Array): unknown =>
  readGgufScaling(fieldsOf(entries), { ...rotation, factors });

const text = (value: string): GgufField => ({ type: 'string', value });
const float = (value: number): GgufField => ({ type: 'f32', value: Math.fround(value) });
const whole = (value: number): GgufField => ({ type: 'u32', value });

/** Factors as a converter makes them that knows the settings. */
function factorsOf(scaling: RopeScaling): Float32Array {
  const plain = rotaryFrequencies(64, 500_000).frequencies;
  const scaled = rotaryFrequencies(64, 500_000, scaling).frequencies;
  return Float32Array.from(plain, (frequency, i) => Math.fround(Math.fround(frequency) / Math.fround(scaled[i]!)));
}

const llama3 = (change: Partial<RopeScaling & { type: 'llama3' }>): RopeScaling & { type: 'llama3' } => ({
  type: 'llama3',
  factor: 32,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalPositions: 8192,
  ...change,
});

describe("Llama 3's factors", () => {
  it.each([
    ['of every published model', llama3({}), undefined],
    ['with another factor', llama3({ factor: 8 }), undefined],
    ['with other positions', llama3({ originalPositions: 2048 }), 2048],
    ['with other borders', llama3({ lowFrequencyFactor: 2, highFrequencyFactor: 6, originalPositions: 4096 }), 4096],
  ])('%s give the settings back', (_, scaling, original) => {
    expect(inferLlama3Scaling(factorsOf(scaling), rotation, original)).toEqual(scaling);
  });

  it('give settings that mean the same where only their ratios can be known', () => {
    const scaling = llama3({ lowFrequencyFactor: 2, highFrequencyFactor: 6, originalPositions: 4096 });
    const found = inferLlama3Scaling(factorsOf(scaling), rotation, undefined) as RopeScaling;
    expect(found).toEqual(llama3({ lowFrequencyFactor: 1, highFrequencyFactor: 3, originalPositions: 2048 }));
    const frequencies = (one: RopeScaling): Float64Array => rotaryFrequencies(64, 500_000, one).frequencies;
    expect([...frequencies(found)]).toEqual([...frequencies(scaling)]);
  });

  it('are no scaling where all are 1, and unknown where they follow no such rule', () => {
    expect(inferLlama3Scaling(new Float32Array(32).fill(1), rotation, undefined)).toBe('none');
    const odd = factorsOf(llama3({}));
    odd[3] = 1.5;
    for (const factors of [
      odd,
      new Float32Array(32).fill(0.5),
      new Float32Array(32).fill(Number.NaN),
      new Float32Array(32).fill(Number.POSITIVE_INFINITY),
      new Float32Array(31).fill(2),
    ]) {
      expect(inferLlama3Scaling(factors, rotation, undefined)).toBeUndefined();
      expect(() => read([], factors)).toThrow(InputError);
      expect(() => read([], factors)).toThrow(/rope_freqs.weight.*not supported/);
    }
  });
});

describe('the stretching of a GGUF file', () => {
  it.each<[string, [string, GgufField][], unknown]>([
    ['nothing', [], undefined],
    ['none', [['rope.scaling.type', text('none')]], undefined],
    [
      'none, with a factor',
      [
        ['rope.scaling.type', text('none')],
        ['rope.scaling.factor', float(4)],
      ],
      undefined,
    ],
    [
      'linear',
      [
        ['rope.scaling.type', text('linear')],
        ['rope.scaling.factor', float(4)],
      ],
      linear(4),
    ],
    ['a factor alone', [['rope.scaling.factor', float(2)]], linear(2)],
    ['the older key', [['rope.scale_linear', float(2)]], linear(2)],
  ])('reads %s', (_, entries, expected) => {
    expect(read(entries)).toEqual(expected);
  });

  it.each<[string, [string, GgufField][], RegExp]>([
    [
      'longrope',
      [
        ['rope.scaling.type', text('longrope')],
        ['rope.scaling.factor', float(4)],
      ],
      /none, linear or yarn/,
    ],
    ['yarn without a factor', [['rope.scaling.type', text('yarn')]], /the factor of yarn/],
    [
      'yarn without its first positions',
      [
        ['rope.scaling.type', text('yarn')],
        ['rope.scaling.factor', float(4)],
      ],
      /original_context_length/,
    ],
    ['a type that is a number', [['rope.scaling.type', whole(3)]], /a text/],
    ['a negative factor', [['rope.scaling.factor', float(-1)]], /a number above 0/],
    ['another blend', [['rope.scaling.yarn_ext_factor', float(0.5)]], /yarn_ext_factor.*not supported/],
  ])('refuses %s', (_, entries, message) => {
    expect(() => read(entries)).toThrow(InputError);
    expect(() => read(entries)).toThrow(message);
  });

  it('keeps every scheme that llama.cpp has', () => {
    const yarn = {
      type: 'yarn',
      factor: 4,
      originalPositions: 4096,
      betaFast: 32,
      betaSlow: 1,
      truncate: true,
    } as const;
    for (const attentionFactor of [yarnAttentionFactor(4), 1, 1.25]) {
      const { fields } = writeGgufScaling({ ...yarn, attentionFactor }, 'qwen2', 64, 500_000);
      const { attention_factor, ...rest } = read(fields) as { attention_factor: number };
      expect(attention_factor).toBeCloseTo(attentionFactor, 6);
      expect(rest).toMatchObject({
        rope_type: 'yarn',
        factor: 4,
        original_max_position_embeddings: 4096,
        beta_fast: 32,
      });
    }
    const written = writeGgufScaling(llama3({ originalPositions: 2048 }), 'llama', 64, 500_000);
    expect(read(written.fields, written.factors)).toEqual({
      rope_type: 'llama3',
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 2048,
    });
    expect(read(writeGgufScaling({ type: 'linear', factor: 3 }, 'llama', 64, 500_000).fields)).toEqual(linear(3));
  });
});

function linear(factor: number): unknown {
  return { rope_type: 'linear', factor };
}

describe('shortestFloat32', () => {
  it('gives the number that was written back, for what float32 made of it', () => {
    for (const value of [1e-5, 1e-6, 1e-12, 0.1, 1.3, 10_000, 500_000, 1e6, 3.4e38]) {
      expect(shortestFloat32(Math.fround(value))).toBe(value);
    }
    expect(shortestFloat32(Math.fround(1 / 3))).toBe(0.33333334);
    expect(shortestFloat32(1 / 3)).toBe(1 / 3);
  });
});
