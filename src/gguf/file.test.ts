import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AthanorError } from '../util/errors.js';
import { writeParts } from '../util/file-parts.js';
import type { GgufField } from './field.js';
import { GgufFile } from './file.js';
import { quantize } from './quantize.js';
import { type GgufTensorSource, ggufParts } from './writer.js';

const fixture = fileURLToPath(new URL('../../test/fixtures/gguf/types.gguf', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'athanor-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const numbers = Float32Array.from({ length: 96 }, (_, i) => Math.sin(i));
const source = (name: string, type: GgufTensorSource['type'], shape: number[]): GgufTensorSource => ({
  name,
  type,
  shape,
  data: () =>
    quantize(
      type as 'F32',
      numbers.subarray(
        0,
        shape.reduce((a, b) => a * b, 1),
      ),
    ),
});
const tensors = [source('a', 'Q8_0', [3, 32]), source('b', 'F32', [5]), source('c', 'F16', [2, 3, 4])];

const write = (metadata: [string, GgufField][], list = tensors, name = 'written.gguf'): string => {
  const file = path.join(folder, name);
  writeParts(file, ggufParts(new Map(metadata), list));
  return file;
};

/** Opens a file, reads all of it, closes it. */
const readAll = (file: string): GgufFile => {
  const opened = GgufFile.open(file);
  try {
    for (const name of opened.tensors.keys()) opened.readFloat32(name);
  } finally {
    opened.close();
  }
  return opened;
};

describe('GgufFile', () => {
  it('reads what the reference wrote', () => {
    const file = GgufFile.open(fixture);
    const value = (key: string): unknown => file.metadata.get(key)!.value;
    expect(value('scalar.string')).toBe('stone → 金 \ufeff');
    expect(['u8', 'i8', 'u16', 'i16', 'u32', 'i32'].map((type) => value(`scalar.${type}`))).toEqual([
      200, -100, 60000, -30000, 4000000000, -2000000000,
    ]);
    expect([value('scalar.u64'), value('scalar.i64')]).toEqual([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);
    expect([value('scalar.f32'), value('scalar.f64')]).toEqual([Math.fround(0.1), 0.1]);
    expect(value('scalar.bool')).toBe(true);
    expect(file.metadata.get('array.string')).toEqual({ type: 'array', items: 'string', value: ['', 'a', '金'] });
    expect(value('array.i32')).toEqual(Int32Array.of(1, -2, 3));
    expect(value('array.f32')).toEqual(Float32Array.of(0.5, -0.25));
    expect(value('array.bool')).toEqual([true, false]);
    expect(value('array.u64')).toEqual(Float64Array.of(1, 2 ** 40));
    expect(file.tensors.get('Q4_K')).toMatchObject({ type: 'Q4_K', shape: [2, 512], byteLength: 576 });
    expect(() => file.read('Q4_k')).toThrow(/no tensor 'Q4_k'[\s\S]*Do you mean 'Q4_K'/);
    file.close();
    expect(() => file.read('Q4_K')).toThrow(/is closed/);
    file.close();
  });

  it('is written back to the byte', () => {
    const file = GgufFile.open(fixture);
    const list = [...file.tensors].map(([name, tensor]) => ({ name, ...tensor, data: () => file.read(name) }));
    const copy = write([...file.metadata], list, 'copy.gguf');
    file.close();
    expect(readFileSync(copy).equals(readFileSync(fixture))).toBe(true);
  });

  it('reads what was written, with another alignment too', () => {
    for (const alignment of [1, 32, 64]) {
      const file = GgufFile.open(write([['general.alignment', { type: 'u32', value: alignment }]]));
      expect([...file.tensors.keys()]).toEqual(['a', 'b', 'c']);
      for (const { name, shape, data } of tensors) {
        expect(file.tensors.get(name)!.shape).toEqual(shape);
        expect(file.tensors.get(name)!.offset % alignment).toBe(0);
        expect(Buffer.from(file.read(name)).equals(data())).toBe(true);
      }
      file.close();
    }
  });

  it('keeps a large vocabulary', () => {
    const tokens = Array.from({ length: 20_000 }, (_, i) => `token ${i}`);
    const long = '金'.repeat(200_000);
    const scores = new Float32Array(100_000).fill(0.5);
    const file = write([
      ['tokens', { type: 'array', items: 'string', value: tokens }],
      ['long', { type: 'string', value: long }],
      ['scores', { type: 'array', items: 'f32', value: scores }],
    ]);
    const { metadata } = readAll(file);
    expect((metadata.get('tokens')!.value as string[]).join()).toBe(tokens.join());
    expect(metadata.get('long')!.value === long).toBe(true);
    const read = metadata.get('scores')!.value as Float32Array;
    expect(Buffer.from(read.buffer).equals(Buffer.from(scores.buffer))).toBe(true);
  });

  it('refuses to write what the format cannot hold', () => {
    const field =
      (value: GgufField): (() => string) =>
      () =>
        write([['key', value]]);
    expect(field({ type: 'u8', value: 256 })).toThrow(/key: does not fit into u8\n {2}got: {6}256/);
    expect(field({ type: 'u32', value: 1.5 })).toThrow(/does not fit into u32/);
    expect(field({ type: 'u64', value: 2 ** 53 })).toThrow(/does not fit into u64/);
    expect(field({ type: 'string', value: 1 })).toThrow(/not a value of the type string/);
    expect(field({ type: 'array', items: 'bool', value: [true, 'no'] })).toThrow(/not a value of the type bool/);
    expect(() => write([['general.alignment', { type: 'u32', value: 24 }]])).toThrow(/a power of two/);
    expect(() => write([['', { type: 'u8', value: 1 }]])).toThrow(/1 to 65535 bytes/);
    const one =
      (change: Partial<GgufTensorSource>): (() => string) =>
      () =>
        write([], [{ ...tensors[1]!, ...change }]);
    expect(one({ name: 'n'.repeat(64) })).toThrow(/1 to 63 bytes/);
    expect(one({ shape: [1, 1, 1, 1, 5] })).toThrow(/at most 4 dimensions/);
    expect(one({ shape: [2, 16], type: 'Q8_0' })).toThrow(/a multiple of 32/);
    expect(one({ data: () => new Uint8Array(3) })).toThrow(/expected: 20 bytes[\s\S]*3 bytes/);
    expect(() => write([], [tensors[1]!, tensors[1]!])).toThrow(/two tensors have one name/);
  });

  it('says what is wrong with a damaged file', () => {
    const good = readFileSync(write([['k', { type: 'array', items: 'string', value: ['x'] }]]));
    const damaged = path.join(folder, 'damaged.gguf');
    const open = (bytes: Uint8Array) => () => {
      writeFileSync(damaged, bytes);
      readAll(damaged);
    };
    const changed = (at: number, bytes: number[]) => {
      const copy = Buffer.from(good);
      copy.set(bytes, at);
      return open(copy);
    };
    const huge = [255, 255, 255, 255, 255, 255, 255, 127];
    const large = [0, 0, 0, 0, 16, 0, 0, 0];
    // magic 0, version 4, tensors 8, fields 16, then key length 24, key 32, type 33, items 37, count 41, length 49, x 57
    expect(open(good)).not.toThrow();
    expect(open(good.subarray(0, 0))).toThrow(/it ends inside its first bytes/);
    expect(open(good.subarray(0, -good.length + 40))).toThrow(/not a valid GGUF file/);
    expect(open(good.subarray(0, -40))).toThrow(/it ends inside tensor 'c'/);
    expect(changed(0, [0])).toThrow(/does not begin with GGUF/);
    expect(changed(4, [1])).toThrow(/version 2 or 3[\s\S]*Convert the model again/);
    expect(changed(4, [0, 0, 0, 3])).toThrow(/big-endian/);
    expect(changed(8, huge)).toThrow(/number of tensors is beyond 2\^53/);
    expect(changed(8, large)).toThrow(/it ends inside its list of tensors/);
    expect(changed(16, large)).toThrow(/it ends inside its metadata/);
    expect(changed(24, large)).toThrow(/longer than 65535 bytes/);
    expect(changed(33, [13])).toThrow(/metadata 'k' has an unknown type/);
    expect(changed(37, [9])).toThrow(/array of arrays/);
    expect(changed(41, large)).toThrow(/it ends inside metadata 'k'/);
    expect(changed(49, large)).toThrow(/it ends inside metadata 'k'/);
    expect(changed(57, [0xff])).toThrow(/not UTF-8/);
    // tensor a: name length 58, a 66, dimensions 67, 71 and 79, type 87, offset 91; then b: name length 99, b 107
    expect(changed(107, [0x61])).toThrow(/tensor 'a' is there twice/);
    expect(changed(67, [5])).toThrow(/too many dimensions/);
    expect(changed(71, [33])).toThrow(/not a whole number of Q8_0 blocks/);
    expect(changed(71, large)).toThrow(/it ends inside tensor 'a'/);
    expect(changed(79, [...large.slice(0, 6), 31, 0])).toThrow(/not the shape of a tensor/);
    expect(changed(87, [13])).toThrow(/tensor 'a' is stored as Q5_K, which is not supported/);
    expect(changed(87, [99])).toThrow(/unknown type/);
    expect(changed(91, [1])).toThrow(/not aligned to 32 bytes/);
    expect(changed(91, [64])).toThrow(/overlap/);
    expect(() => GgufFile.open(path.join(folder, 'absent.gguf'))).toThrow(/no such file/);
    expect(() => GgufFile.open(folder)).toThrow(/cannot read/);
  });

  it('survives any damage with an error of its own, and takes no memory on a word', () => {
    const small = readFileSync(
      write([
        ['general.alignment', { type: 'u32', value: 32 }],
        ['text', { type: 'string', value: 'a text' }],
        ['texts', { type: 'array', items: 'string', value: ['one', 'two', 'three'] }],
        ['scores', { type: 'array', items: 'f32', value: [1, 2, 3] }],
        ['flags', { type: 'array', items: 'bool', value: [true, false] }],
        ['wide', { type: 'array', items: 'u64', value: [1, 2] }],
      ]),
    );
    const damaged = path.join(folder, 'fuzzed.gguf');
    const interesting = fc.constantFrom(0, 1, 7, 8, 9, 31, 127, 128, 254, 255);
    const change = fc.record({
      at: fc.nat(small.length - 1),
      bytes: fc.array(fc.oneof(interesting, fc.nat(255)), { minLength: 1, maxLength: 9 }),
      kind: fc.constantFrom('set', 'insert', 'remove', 'cut'),
    });
    const headerChange = fc.record({
      ...{ at: fc.nat(500), bytes: fc.array(interesting, { maxLength: 9 }) },
      kind: fc.constant('set'),
    });
    const changes = fc.array(fc.oneof(change, headerChange, headerChange), { minLength: 1, maxLength: 4 });
    let readable = 0;
    const held = (): number => process.memoryUsage().arrayBuffers;
    let most = 0;
    fc.assert(
      fc.property(changes, (list) => {
        let bytes: Uint8Array = small;
        for (const { at, bytes: inserted, kind } of list) {
          const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
          if (kind === 'cut') bytes = head;
          else if (kind === 'remove') bytes = Buffer.concat([head, tail.subarray(inserted.length)]);
          else
            bytes = Buffer.concat([
              head,
              Uint8Array.from(inserted),
              kind === 'set' ? tail.subarray(inserted.length) : tail,
            ]);
        }
        writeFileSync(damaged, bytes);
        const before = held();
        try {
          readAll(damaged);
          readable++;
        } catch (error) {
          expect(error).toBeInstanceOf(AthanorError);
        }
        most = Math.max(most, held() - before);
      }),
      { seed: 3, numRuns: 1500, interruptAfterTimeLimit: 2500, markInterruptAsFailure: false },
    );
    expect(readable).toBeGreaterThan(10);
    expect(most).toBeLessThan(8 * small.length);
  });
});
