import type { ProtoReader } from '../util/protobuf-reader.js';
import { ONNX_DATA_TYPES, type OnnxDataType, type OnnxTensor, onnxDataTypeOf } from './model.js';

/** Elements that are listed one by one take many times their bytes; exporters write large tensors as they are in memory. */
const MOST_LISTED = 2 ** 22;

const tooMany = (reader: ProtoReader): Error => reader.unsupported('a tensor lists too many elements one by one');

/** Everything a `TensorProto` may hold, before it is known which of its fields carries the elements. */
interface TensorFields {
  name: string;
  code: number;
  external: boolean;
  raw: Uint8Array | undefined;
  readonly dims: number[];
  /** `float_data` and `double_data`: already little-endian bytes. */
  readonly floating: Uint8Array[];
  /** `int32_data`, `int64_data` and `uint64_data`: low and high half of each element. */
  readonly integers: number[];
  readonly externalData: Map<string, string>;
}

/**
 * Reads a `TensorProto`. Elements may come as raw bytes, as typed lists (`float_data`, `int32_data`, `int64_data` …,
 * which are turned into raw bytes), or lie in another file.
 *
 * @throws {CorruptFileError} if their number is not what the shape says.
 */
export function readTensor(reader: ProtoReader): OnnxTensor {
  const fields = readFields(reader);
  const { name, dims, code } = fields;
  const type = onnxDataTypeOf(code);
  if (type === undefined) throw reader.unsupported(`tensor '${name}' has element type ${code}`);
  if (dims.some((dim) => dim < 0)) throw reader.corrupt(`tensor '${name}' has a negative size`);
  const expected = dims.reduce((product, dim) => product * dim, ONNX_DATA_TYPES[type].bytes);
  if (!Number.isSafeInteger(expected)) throw reader.corrupt(`tensor '${name}' has an impossible shape`);
  const data = fields.external ? externalOf(reader, fields, expected) : embeddedOf(fields, type);
  if (data.length !== expected) {
    throw reader.corrupt(
      `tensor '${name}' of ${type} [${dims.join(', ')}] needs ${expected} bytes and has ${data.length}`,
    );
  }
  return { name, type, dims, data };
}

function readFields(reader: ProtoReader): TensorFields {
  const fields: TensorFields = {
    name: '',
    code: 0,
    external: false,
    raw: undefined,
    dims: [],
    floating: [],
    integers: [],
    externalData: new Map(),
  };
  while (reader.next()) {
    if (reader.field === 1) reader.ints(fields.dims);
    else if (reader.field === 2) fields.code = reader.int();
    else if (reader.field === 3) throw reader.unsupported('a tensor in segments');
    else if (fields.floating.length > MOST_LISTED || fields.integers.length > MOST_LISTED) throw tooMany(reader);
    else if (reader.field === 4) reader.fixed(fields.floating, 4);
    else if (reader.field === 10) reader.fixed(fields.floating, 8);
    else if (reader.field === 5 || reader.field === 7 || reader.field === 11) reader.halves(fields.integers);
    else if (reader.field === 8) fields.name = reader.string();
    else if (reader.field === 9) fields.raw = reader.bytes();
    else if (reader.field === 13) readEntry(reader.message(), fields.externalData);
    else if (reader.field === 14) fields.external = reader.int() === 1;
  }
  return fields;
}

function readEntry(reader: ProtoReader, into: Map<string, string>): void {
  let key = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.string();
  }
  into.set(key, value);
}

function externalOf(reader: ProtoReader, { name, externalData }: TensorFields, expected: number): OnnxTensor['data'] {
  const location = externalData.get('location');
  const offset = Number(externalData.get('offset') ?? 0);
  const length = Number(externalData.get('length') ?? expected);
  if (!location || !Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw reader.corrupt(`tensor '${name}' does not say where in which other file it lies`);
  }
  return { location, offset, length };
}

function embeddedOf({ raw, floating, integers }: TensorFields, type: OnnxDataType): Uint8Array {
  if (raw !== undefined) return raw;
  if (floating.length === 1) return floating[0]!;
  if (floating.length > 1) return concatenated(floating);
  return rawIntegers(integers, ONNX_DATA_TYPES[type].bytes);
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let position = 0;
  for (const chunk of chunks) {
    result.set(chunk, position);
    position += chunk.length;
  }
  return result;
}

/** Keeps the lowest `width` bytes of each integer: `int32_data` also carries the types of 8 and 16 bits. */
function rawIntegers(halves: readonly number[], width: 1 | 2 | 4 | 8): Uint8Array {
  const result = new Uint8Array((halves.length / 2) * width);
  const view = new DataView(result.buffer);
  for (let index = 0, position = 0; index < halves.length; index += 2, position += width) {
    const low = halves[index]!;
    if (width === 1) view.setUint8(position, low);
    else if (width === 2) view.setUint16(position, low, true);
    else view.setUint32(position, low, true);
    if (width === 8) view.setUint32(position + 4, halves[index + 1]!, true);
  }
  return result;
}
