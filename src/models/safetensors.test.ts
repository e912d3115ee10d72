import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AthanorError, CorruptFileError, InputError } from '../util/errors.js';
import { writeParts } from '../util/file-parts.js';
import { float32ToBfloat16, float32ToFloat16 } from '../util/half.js';
import { SafetensorsFile, type SafetensorsTensor, safetensorsParts } from './safetensors.js';
import { SAFETENSORS_DTYPES, type SafetensorsDtype } from './safetensors-header.js';

let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-safetensors-'));
  file = path.join(folder, 'model.safetensors');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const SAMPLE = new Map<string, SafetensorsTensor>([
  ['norm.weight', { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) }],
  ['ids', { dtype: 'I64', shape: [2, 1], data: BigInt64Array.of(-5n, 2n ** 62n) }],
  ['mask', { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ['scale', { dtype: 'F64', shape: [], data: Float64Array.of(Math.E) }],
  ['empty', { dtype: 'F32', shape: [0, 7], data: new Float32Array(0) }],
  ['half', { dtype: 'F16', shape: [2], data: float32ToFloat16(Float32Array.of(0.5, -2)) }],
  ['brain', { dtype: 'BF16', shape: [2], data: float32ToBfloat16(Float32Array.of(0.25, -4)) }],
]);

function reopened<T>(use: (opened: SafetensorsFile) => T): T {
  const opened = SafetensorsFile.open(file);
  try {
    return use(opened);
  } finally {
    opened.close();
  }
}

/** A file with this header text and so many bytes of data. */
function handmade(header: unknown, dataBytes: number): void {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  fs.writeFileSync(file, Buffer.concat([prefix, text, Buffer.alloc(dataBytes)]));
}

describe('safetensors', () => {
  it('brings back names, shapes, types, elements and metadata', () => {
    writeParts(file, safetensorsParts(SAMPLE, { format: 'pt', note: '炉' }));
    reopened((opened) => {
      expect(opened.metadata).toEqual({ format: 'pt', note: '炉' });
      expect(opened.entries.size).toBe(SAMPLE.size);
      for (const [name, { dtype, shape, data }] of SAMPLE) {
        expect(opened.entry(name)).toMatchObject({ dtype, shape });
        expect(opened.read(name)).toEqual(data);
        expect(opened.entry(name).offset % SAFETENSORS_DTYPES[dtype].bytes).toBe(0);
      }
      expect(opened.readFloat32('half')).toEqual(Float32Array.of(0.5, -2));
      expect(opened.readFloat32('brain')).toEqual(Float32Array.of(0.25, -4));
      expect(opened.readFloat32('scale')).toEqual(Float32Array.of(Math.E));
      expect(() => opened.readFloat32('ids')).toThrow(InputError);
      expect(() => opened.read('nrom.weight')).toThrow(/no tensor 'nrom.weight'[\s\S]*norm.weight/);
    });
  });

  it('keeps any set of tensors', () => {
    const dtypes = Object.keys(SAFETENSORS_DTYPES) as SafetensorsDtype[];
    const tensor = fc
      .tuple(fc.constantFrom(...dtypes), fc.array(fc.nat(4), { maxLength: 3 }))
      .chain(([dtype, shape]) => {
        const { bytes, array } = SAFETENSORS_DTYPES[dtype];
        const length = shape.reduce((a, b) => a * b, bytes);
        return fc
          .uint8Array({ minLength: length, maxLength: length })
          .map((raw) => ({ dtype, shape, data: new array(raw.slice().buffer) }));
      });
    const name = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => text !== '__metadata__');
    const tensors = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 });
    fc.assert(
      fc.property(tensors, (list) => {
        writeParts(file, safetensorsParts(new Map(list)));
        reopened((opened) => {
          expect(new Map([...opened.entries.keys()].map((key) => [key, opened.read(key)]))).toEqual(
            new Map(list.map(([key, { data }]) => [key, data])),
          );
        });
      }),
      { numRuns: 60 },
    );
  });

  it('writes the same bytes in whatever order the tensors come, and views of a larger buffer right', () => {
    const bytes = (tensors: Iterable<[string, SafetensorsTensor]>) =>
      Buffer.concat([...safetensorsParts(new Map(tensors), { b: '2', a: '1' })]);
    expect(bytes(SAMPLE)).toEqual(bytes([...SAMPLE].reverse()));
    const view = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    writeParts(file, safetensorsParts(new Map([['v', { dtype: 'F32', shape: [2], data: view }]])));
    expect(reopened((opened) => opened.read('v'))).toEqual(Float32Array.of(1, 2));
  });

  it('has the layout of the format', () => {
    const tensors = new Map<string, SafetensorsTensor>([['w', { dtype: 'U8', shape: [2], data: Uint8Array.of(7, 8) }]]);
    const bytes = Buffer.concat([...safetensorsParts(tensors)]);
    const text = '{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   ';
    expect(bytes.readBigUInt64LE()).toBe(BigInt(text.length));
    expect(bytes.subarray(8).toString('latin1')).toBe(`${text}\x07\x08`);
  });

  it('refuses to write an array that is not what type and shape say', () => {
    const write =
      (tensor: SafetensorsTensor, name = 'w') =>
      () =>
        safetensorsParts(new Map([[name, tensor]]));
    expect(write({ dtype: 'F32', shape: [3], data: new Float32Array(2) })).toThrow(/Float32Array of 3[\s\S]*of 2/);
    expect(write({ dtype: 'F32', shape: [2], data: new Float64Array(2) })).toThrow(InputError);
    expect(write({ dtype: 'F32', shape: [2], data: new Float32Array(2) }, '__metadata__')).toThrow(InputError);
  });

  const tensor = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  it.each<[string, unknown, number, RegExp]>([
    ['an overlap', { a: tensor(0, 8), b: tensor(4, 12) }, 12, /'b' does not follow/],
    ['the same place twice', { a: tensor(0, 8), b: tensor(0, 8) }, 8, /does not follow/],
    ['a hole', { a: tensor(0, 4), b: tensor(8, 12) }, 12, /'b' does not follow/],
    ['a hole at the start', { a: tensor(4, 8) }, 8, /'a' does not follow/],
    ['missing data', { a: tensor(0, 8) }, 7, /cut off/],
    ['data too many', { a: tensor(0, 8) }, 9, /goes on after/],
    ['a shape of another length', { a: tensor(0, 8, [3]) }, 8, /wrong length/],
    ['a shape beyond all bounds', { a: tensor(0, 8, [2 ** 52, 2 ** 52]) }, 8, /wrong length/],
    ['a negative size', { a: tensor(0, 8, [-1, -2]) }, 8, /bad shape/],
    ['a size that is no integer', { a: tensor(0, 8, [0.5, 4]) }, 8, /bad shape/],
    ['offsets the wrong way round', { a: tensor(8, 0, [2]) }, 8, /bad offsets/],
    ['one offset', { a: { ...tensor(0, 8), data_offsets: [0] } }, 8, /bad offsets/],
    ['an unknown type', { a: tensor(0, 8, [2], 'F33') }, 8, /unknown type/],
    ['a type from the prototype', { a: tensor(0, 8, [2], 'toString') }, 8, /unknown type/],
    ['a tensor that is null', { a: null }, 0, /not described/],
    ['metadata that is no text', { __metadata__: { a: 1 } }, 0, /metadata/],
    ['a list', [], 0, /not a JSON object/],
    ['no JSON', '{"a":', 0, /not JSON/],
  ])('refuses %s', (_, header, dataBytes, message) => {
    handmade(header, dataBytes);
    expect(() => SafetensorsFile.open(file)).toThrow(CorruptFileError);
    expect(() => SafetensorsFile.open(file)).toThrow(message);
  });

  it('believes no header length that the file or the format does not bear out', () => {
    for (const prefix of [[], [1, 2, 3], [1, 0, 0, 0, 0, 0, 0, 0], Array(8).fill(255), [0, 0, 0, 0x40, 0, 0, 0, 0]]) {
      fs.writeFileSync(file, Uint8Array.from(prefix));
      expect(() => SafetensorsFile.open(file)).toThrow(CorruptFileError);
    }
  });

  it('meets every truncation with CorruptFileError, and every flipped bit of a header in an orderly way', () => {
    const whole = Buffer.concat([...safetensorsParts(SAMPLE)]);
    for (let length = 0; length < whole.length; length += 3) {
      fs.writeFileSync(file, whole.subarray(0, length));
      expect(() => SafetensorsFile.open(file)).toThrow(CorruptFileError);
    }
    for (let index = 0; index < whole.length; index++) {
      const damaged = Buffer.from(whole);
      damaged[index]! ^= 1 << (index % 8);
      fs.writeFileSync(file, damaged);
      try {
        reopened((opened) => [...opened.entries.keys()].map((name) => opened.read(name)));
      } catch (error) {
        expect(error).toBeInstanceOf(AthanorError);
      }
    }
  });

  it('reports a missing file, a folder, a closed file, and a file that shrank while open', () => {
    expect(() => SafetensorsFile.open(path.join(folder, 'absent'))).toThrow(/absent: cannot read: no such file/);
    expect(() => SafetensorsFile.open(folder)).toThrow(InputError);
    writeParts(file, safetensorsParts(SAMPLE));
    const opened = SafetensorsFile.open(file);
    fs.truncateSync(file, 20);
    expect(() => opened.read('norm.weight')).toThrow(CorruptFileError);
    opened.close();
    opened.close();
    expect(() => opened.read('norm.weight')).toThrow(/closed/);
  });
});
