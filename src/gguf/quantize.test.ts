import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { dequantize } from './dequantize.js';
import { GgufFile } from './file.js';
import type { GgmlType } from './ggml-type.js';
import { quantize } from './quantize.js';

const file = GgufFile.open(fileURLToPath(new URL('../../test/fixtures/gguf/types.gguf', import.meta.url)));
afterAll(() => file.close());

const bytesOf = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

describe('dequantize', () => {
  it.each(['F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_K', 'Q6_K'] as GgmlType[])('reads %s as the reference does', (type) => {
    const expected = file.readFloat32(`${type}.values`);
    expect(file.tensors.get(type)!.type).toBe(type);
    expect(bytesOf(file.readFloat32(type)).equals(bytesOf(expected))).toBe(true);
    const stored = file.read(type);
    const unaligned = new Uint8Array(stored.length + 1).subarray(1);
    unaligned.set(stored);
    expect(bytesOf(dequantize(type, unaligned, expected.length)).equals(bytesOf(expected))).toBe(true);
  });

  it('refuses another number of bytes', () => {
    expect(() => dequantize('Q8_0', new Uint8Array(33), 32)).toThrow(/34 bytes for each 32 elements/);
    expect(() => dequantize('Q8_0', new Uint8Array(34), 31)).toThrow(/not 31 elements of Q8_0/);
    expect(() => dequantize('F16', new Uint8Array(34), 16)).toThrow(/not 16 elements/);
  });
});

describe('quantize', () => {
  it.each(['F16', 'BF16', 'Q8_0', 'Q4_0'] as const)('writes %s to the byte as the reference does', (type) => {
    const values = file.readFloat32('source');
    expect(Buffer.from(quantize(type, values)).equals(file.read(type))).toBe(true);
  });

  it('keeps float32', () => {
    const values = file.readFloat32('source');
    expect(dequantize('F32', quantize('F32', values), values.length)).toEqual(values);
  });

  it('refuses what no scale can say', () => {
    const values = new Float32Array(64).fill(1);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e8]) {
      for (const place of [32, 40, 63]) {
        const damaged = values.slice();
        damaged[place] = bad;
        for (const type of ['Q8_0', 'Q4_0'] as const) {
          expect(() => quantize(type, damaged)).toThrow(/elements 32 to 63: the values cannot be stored as/);
        }
      }
    }
    expect(() => quantize('Q4_0', new Float32Array(33))).toThrow(/a multiple of 32 elements/);
  });
});
