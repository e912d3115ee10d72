import { InputError } from '../util/errors.js';
import {
  GGUF_ALIGNMENT,
  GGUF_ALIGNMENT_KEY,
  GGUF_ARRAY_ID,
  GGUF_DIMENSIONS,
  GGUF_KEY_BYTES,
  GGUF_MAGIC,
  GGUF_SCALARS,
  type GgufMetadata,
  type GgufScalarType,
  isGgufAlignment,
} from './field.js';
import { GGML_TYPES, type GgmlType, ggmlByteLength } from './ggml-type.js';

/** A tensor that is to be written. */
export interface GgufTensorSource {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major: `[rows, columns]`. */
  readonly shape: readonly number[];
  /** Its bytes as `type` stores them (`quantize`); asked for when their turn comes, and not kept. */
  readonly data: () => Uint8Array;
}

/** llama.cpp keeps 64 bytes for a name, one of them for the end. */
const MAX_NAME_BYTES = 63;

/**
 * A GGUF file (version 3, little-endian) as parts for `writeParts`: the header, then one tensor after another, so that
 * no more than one is in memory. Tensors lie in the order given, aligned to `general.alignment` (32).
 *
 * @throws {InputError} at once for a name, shape or field that the format cannot hold; while the parts are read if
 * `data` gives another number of bytes than type and shape say.
 */
export function ggufParts(metadata: GgufMetadata, tensors: Iterable<GgufTensorSource>): Iterable<Uint8Array> {
  const field = metadata.get(GGUF_ALIGNMENT_KEY);
  const alignment = field === undefined ? GGUF_ALIGNMENT : field.value;
  if ((field !== undefined && field.type !== 'u32') || !isGgufAlignment(alignment)) {
    throw new InputError('not an alignment', { where: GGUF_ALIGNMENT_KEY, expected: 'a power of two, as u32' });
  }
  const sources = [...tensors];
  const header = encodeHeader(metadata, sources, alignment);
  return parts(header, sources, alignment);
}

function* parts(header: Uint8Array, sources: readonly GgufTensorSource[], alignment: number): Iterable<Uint8Array> {
  yield header;
  for (const { name, type, shape, data } of sources) {
    const expected = ggmlByteLength(type, shape, name);
    const bytes = data();
    if (bytes.length !== expected) {
      throw new InputError('a tensor has another length than its type and shape say', {
        where: `tensor '${name}', ${type} [${shape.join(', ')}]`,
        expected: `${expected} bytes`,
        got: `${bytes.length} bytes`,
      });
    }
    yield bytes;
    const padding = padded(expected, alignment) - expected;
    if (padding > 0) yield new Uint8Array(padding);
  }
}

const padded = (length: number, alignment: number): number => Math.ceil(length / alignment) * alignment;

function encodeHeader(metadata: GgufMetadata, sources: readonly GgufTensorSource[], alignment: number): Uint8Array {
  const writer = new HeaderWriter();
  writer.number('u32', GGUF_MAGIC, 'magic');
  writer.number('u32', 3, 'version');
  writer.number('u64', sources.length, 'tensors');
  writer.number('u64', metadata.size, 'metadata');
  for (const [key, field] of metadata) {
    writer.name(key, GGUF_KEY_BYTES, 'metadata key');
    if (field.type !== 'array') {
      writer.number('u32', GGUF_SCALARS[field.type].id, key);
      writer.scalar(field.type, field.value, key);
      continue;
    }
    writer.number('u32', GGUF_ARRAY_ID, key);
    writer.number('u32', GGUF_SCALARS[field.items].id, key);
    writer.number('u64', field.value.length, key);
    for (const value of field.value) writer.scalar(field.items, value, key);
  }
  const seen = new Set<string>();
  let offset = 0;
  for (const { name, type, shape } of sources) {
    if (seen.has(name)) throw new InputError('two tensors have one name', { where: `tensor '${name}'` });
    seen.add(name);
    if (shape.length > GGUF_DIMENSIONS) {
      throw new InputError(`GGUF has at most ${GGUF_DIMENSIONS} dimensions`, {
        where: `tensor '${name}'`,
        got: `[${shape.join(', ')}]`,
      });
    }
    writer.name(name, MAX_NAME_BYTES, 'tensor name');
    writer.number('u32', shape.length, name);
    for (const size of [...shape].reverse()) writer.number('u64', size, name);
    writer.number('u32', GGML_TYPES[type].id, name);
    writer.number('u64', offset, name);
    offset += padded(ggmlByteLength(type, shape, `tensor '${name}'`), alignment);
  }
  return writer.take(alignment);
}

const RANGES: Readonly<Partial<Record<GgufScalarType, readonly [number, number]>>> = {
  u8: [0, 2 ** 8 - 1],
  i8: [-(2 ** 7), 2 ** 7 - 1],
  u16: [0, 2 ** 16 - 1],
  i16: [-(2 ** 15), 2 ** 15 - 1],
  u32: [0, 2 ** 32 - 1],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u64: [0, Number.MAX_SAFE_INTEGER],
  i64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

type NumberType = Exclude<GgufScalarType, 'string' | 'bool'>;

const SETTERS: Readonly<Record<NumberType, (view: DataView, at: number, value: number) => void>> = {
  u8: (view, at, value) => view.setUint8(at, value),
  i8: (view, at, value) => view.setInt8(at, value),
  u16: (view, at, value) => view.setUint16(at, value, true),
  i16: (view, at, value) => view.setInt16(at, value, true),
  u32: (view, at, value) => view.setUint32(at, value, true),
  i32: (view, at, value) => view.setInt32(at, value, true),
  u64: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  i64: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  f32: (view, at, value) => view.setFloat32(at, value, true),
  f64: (view, at, value) => view.setFloat64(at, value, true),
};

/** Bytes that grow as values are put behind one another. */
class HeaderWriter {
  private bytes = new Uint8Array(1 << 16);
  private view = new DataView(this.bytes.buffer);
  private length = 0;
  private readonly encoder = new TextEncoder();

  name(text: string, limit: number, what: string): void {
    const length = Buffer.byteLength(text);
    if (length === 0 || length > limit) {
      throw new InputError(`not usable as a ${what}`, {
        where: text.slice(0, 80),
        expected: `1 to ${limit} bytes`,
        got: `${length} bytes`,
      });
    }
    this.text(text);
  }

  scalar(type: GgufScalarType, value: number | boolean | string, key: string): void {
    if (type === 'string' && typeof value === 'string') this.text(value);
    else if (type === 'bool' && typeof value === 'boolean') this.number('u8', value ? 1 : 0, key);
    else if (type !== 'string' && type !== 'bool' && typeof value === 'number') this.number(type, value, key);
    else throw new InputError(`not a value of the type ${type}`, { where: key, got: String(value).slice(0, 80) });
  }

  number(type: NumberType, value: number, where: string): void {
    const range = RANGES[type];
    if (range !== undefined && !(Number.isInteger(value) && value >= range[0] && value <= range[1])) {
      throw new InputError(`does not fit into ${type}`, { where, got: String(value) });
    }
    const at = this.grow(GGUF_SCALARS[type].bytes);
    SETTERS[type](this.view, at, value);
  }

  /** All bytes so far, and zeros up to the next multiple of `alignment`. */
  take(alignment: number): Uint8Array {
    const end = padded(this.length, alignment);
    this.grow(end - this.length);
    return this.bytes.subarray(0, end);
  }

  private text(text: string): void {
    const bytes = this.encoder.encode(text);
    this.number('u64', bytes.length, 'text');
    const at = this.grow(bytes.length);
    this.bytes.set(bytes, at);
  }

  private grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(2 * this.length);
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }
}
