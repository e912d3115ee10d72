import { describe, expect, it } from 'vitest';
import { precisionBetween, precisionOf, type StoredModel } from './precision.js';

const stored = (...types: string[]): StoredModel => ({ types, precision: precisionOf(types) });

describe('what precision may explain between two models', () => {
  it.each<[StoredModel, StoredModel, string]>([
    [stored('F32'), stored('F32'), 'float32'],
    [stored('F32'), stored('BF16'), 'bfloat16'],
    [stored('F16', 'F32'), stored('Q8_0'), '8-bit'],
    [stored('F32', 'Q4_K', 'Q6_K'), stored('F32', 'Q8_0'), '4-bit'],
    // The norms of one were rounded.
    [stored('F16'), stored('F16', 'F32'), 'float16'],
    // An ONNX export computes in float16.
    [stored('F16'), { types: [], precision: 'float16' }, 'float16'],
    [{ types: [], precision: 'float16' }, { types: [], precision: 'float16' }, 'float16'],
    // Made of different numbers, perhaps.
    [stored('F32', 'Q8_0'), stored('F32', 'Q8_0'), '8-bit'],
  ])('%j and %j: %s', (a, b, expected) => {
    expect(precisionBetween(a, b)).toBe(expected);
    expect(precisionBetween(b, a)).toBe(expected);
  });

  it('is nothing where both are kept in the same floating types', () => {
    for (const types of [['BF16'], ['F16'], ['F16', 'F32']]) {
      expect(precisionBetween(stored(...types), stored(...types))).toBe('float32');
    }
  });
});
