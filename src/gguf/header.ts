import { AthanorError, InputError, messageOf } from '../util/errors.js';
import {
  GGUF_ALIGNMENT,
  GGUF_ALIGNMENT_KEY,
  GGUF_ARRAY_ID,
  GGUF_DIMENSIONS,
  GGUF_KEY_BYTES,
  GGUF_MAGIC,
  GGUF_SCALARS,
  type GgufField,
  type GgufMetadata,
  type GgufScalarType,
  isGgufAlignment,
} from './field.js';
import { GGML_TYPES, type GgmlType, ggmlByteLength, ggmlTypeOf } from './ggml-type.js';
import { HeaderCursor, type ReadAt } from './header-cursor.js';

/** One tensor of a file. */
export interface GgufTensor {
  readonly type: GgmlType;
  /** Row-major: `[rows, columns]`, which is the reverse of the order in the file. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** What stands before the tensors' own bytes. */
export interface GgufHeader {
  readonly metadata: GgufMetadata;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const SCALAR_OF_ID: ReadonlyMap<number, GgufScalarType> = new Map(
  Object.entries(GGUF_SCALARS).map(([type, { id }]) => [id, type as GgufScalarType]),
);

/** Key, type and one byte of value; name, dimensions, type and offset. */
const LEAST_FIELD_BYTES = 8 + 1 + 4 + 1;
const LEAST_TENSOR_BYTES = 8 + 1 + 4 + 4 + 8;

/** Real files have some sixty fields, a thousand tensors, and lists of half a million texts; each costs far more here than there. */
const MOST_FIELDS = 1 << 16;
const MOST_TENSORS = 1 << 16;
const MOST_ITEMS = 1 << 23;

/**
 * Reads and checks a header, version 2 or 3: every count and length against the file, no name twice, every tensor
 * aligned, inside the file and apart from the others.
 *
 * @param size the file's bytes. @param where its name, for errors.
 * @throws {CorruptFileError} if something does not hold together.
 * @throws {InputError} if a tensor has a type that is not supported; tensor and type are named.
 */
export function readGgufHeader(readAt: ReadAt, size: number, where: string): GgufHeader {
  const cursor = new HeaderCursor(readAt, size, where);
  const magic = cursor.u32('its first bytes');
  if (magic !== GGUF_MAGIC) throw cursor.corrupt('it does not begin with GGUF');
  checkVersion(cursor, where);
  const tensorCount = cursor.u64('the number of tensors');
  const fieldCount = cursor.u64('the number of metadata fields');
  cursor.mustHold(fieldCount, LEAST_FIELD_BYTES, 'its metadata');
  cursor.mustHold(tensorCount, LEAST_TENSOR_BYTES, 'its list of tensors');
  if (fieldCount > MOST_FIELDS) throw cursor.corrupt('it has more metadata than any model', `${fieldCount} fields`);
  if (tensorCount > MOST_TENSORS) throw cursor.corrupt('it has more tensors than any model', String(tensorCount));
  const metadata = new Map<string, GgufField>();
  for (let i = 0; i < fieldCount; i++) {
    const key = cursor.text(`key ${i} of the metadata`, GGUF_KEY_BYTES);
    if (key === '') throw cursor.corrupt('a metadata key is empty');
    if (metadata.has(key)) throw cursor.corrupt(`metadata '${shown(key)}' is there twice`);
    metadata.set(key, readField(cursor, `metadata '${shown(key)}'`));
  }
  const entries = new Map<string, GgufTensor>();
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.text(`the name of tensor ${i}`, GGUF_KEY_BYTES);
    if (name === '') throw cursor.corrupt('the name of a tensor is empty');
    if (entries.has(name)) throw cursor.corrupt(`tensor '${shown(name)}' is there twice`);
    entries.set(name, readTensor(cursor, shown(name), where));
  }
  return { metadata, tensors: placed(entries, cursor, metadata.get(GGUF_ALIGNMENT_KEY), size) };
}

function checkVersion(cursor: HeaderCursor, where: string): void {
  const version = cursor.u32('its version');
  if (version === 2 || version === 3) return;
  if ((version & 0xffff) === 0 && version !== 0) {
    throw new InputError('this GGUF file is written for big-endian machines', {
      where,
      hint: 'Take the little-endian file, which is the usual one.',
    });
  }
  throw new InputError('this version of GGUF is not supported', {
    where,
    expected: 'version 2 or 3',
    got: `version ${version}`,
    hint: version === 1 ? 'Convert the model again with current tools.' : 'The file may be damaged.',
  });
}

function readField(cursor: HeaderCursor, what: string): GgufField {
  const id = cursor.u32(`the type of ${what}`);
  if (id !== GGUF_ARRAY_ID) {
    const type = scalarType(cursor, id, what);
    return { type, value: readScalar(cursor, type, what) };
  }
  const itemId = cursor.u32(`the type of ${what}`);
  if (itemId === GGUF_ARRAY_ID) throw cursor.corrupt(`${what} is an array of arrays, which is not supported`);
  const items = scalarType(cursor, itemId, what);
  const count = cursor.u64(`the length of ${what}`);
  cursor.mustHold(count, GGUF_SCALARS[items].bytes, what);
  if (count > MOST_ITEMS) throw cursor.corrupt(`${what} is longer than any list of a model`, String(count));
  return { type: 'array', items, value: readItems(cursor, items, count, what) };
}

function scalarType(cursor: HeaderCursor, id: number, what: string): GgufScalarType {
  const type = SCALAR_OF_ID.get(id);
  if (type === undefined) throw cursor.corrupt(`${what} has an unknown type`, String(id));
  return type;
}

function readScalar(cursor: HeaderCursor, type: GgufScalarType, what: string): number | boolean | string {
  switch (type) {
    case 'string':
      return cursor.text(what);
    case 'bool': {
      const value = cursor.u8(what);
      if (value > 1) throw cursor.corrupt(`${what} is neither true nor false`, String(value));
      return value === 1;
    }
    case 'u64':
      return cursor.u64(what);
    case 'i64':
      return cursor.i64(what);
    default:
      return numbersOf(type, cursor.bytes(GGUF_SCALARS[type].bytes, what))[0]!;
  }
}

function readItems(
  cursor: HeaderCursor,
  items: GgufScalarType,
  count: number,
  what: string,
): Exclude<GgufField['value'], number | boolean | string> {
  if (items === 'string' || items === 'bool') {
    const values: (string | boolean)[] = [];
    for (let i = 0; i < count; i++) values.push(readScalar(cursor, items, what) as string | boolean);
    return values;
  }
  if (items === 'u64' || items === 'i64') {
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) values[i] = items === 'u64' ? cursor.u64(what) : cursor.i64(what);
    return values;
  }
  return numbersOf(items, cursor.bytes(count * GGUF_SCALARS[items].bytes, what));
}

function numbersOf(
  type: Exclude<GgufScalarType, 'string' | 'bool' | 'u64' | 'i64'>,
  { buffer }: Uint8Array<ArrayBuffer>,
): Exclude<GgufField['value'], number | boolean | string | readonly (number | boolean | string)[]> {
  switch (type) {
    case 'u8':
      return new Uint8Array(buffer);
    case 'i8':
      return new Int8Array(buffer);
    case 'u16':
      return new Uint16Array(buffer);
    case 'i16':
      return new Int16Array(buffer);
    case 'u32':
      return new Uint32Array(buffer);
    case 'i32':
      return new Int32Array(buffer);
    case 'f32':
      return new Float32Array(buffer);
    case 'f64':
      return new Float64Array(buffer);
  }
}

/** A tensor whose offset still counts from the first tensor. */
function readTensor(cursor: HeaderCursor, name: string, where: string): GgufTensor {
  const what = `tensor '${name}'`;
  const dimensions = cursor.u32(`the dimensions of ${what}`);
  if (dimensions > GGUF_DIMENSIONS) throw cursor.corrupt(`${what} has too many dimensions`, String(dimensions));
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.unshift(cursor.u64(`the shape of ${what}`));
  const id = cursor.u32(`the type of ${what}`);
  const offset = cursor.u64(`the offset of ${what}`);
  const found = ggmlTypeOf(id);
  if (found === undefined) throw cursor.corrupt(`${what} has an unknown type`, String(id));
  if ('unread' in found) {
    throw new InputError(`${what} is stored as ${found.unread}, which is not supported`, {
      where,
      expected: Object.keys(GGML_TYPES).join(', '),
      got: found.unread,
      hint: 'Take the file of the same model in one of these, such as F16 or Q8_0.',
    });
  }
  try {
    return { type: found.type, shape, offset, byteLength: ggmlByteLength(found.type, shape, what) };
  } catch (error) {
    if (!(error instanceof AthanorError)) throw error;
    throw cursor.corrupt(messageOf(error));
  }
}

/** Offsets from the start of the file, checked. */
function placed(
  entries: ReadonlyMap<string, GgufTensor>,
  cursor: HeaderCursor,
  field: GgufField | undefined,
  size: number,
): Map<string, GgufTensor> {
  const alignment = field === undefined ? GGUF_ALIGNMENT : field.value;
  if ((field !== undefined && field.type !== 'u32') || !isGgufAlignment(alignment)) {
    throw cursor.corrupt('its alignment is not a power of two', String(alignment).slice(0, 40));
  }
  const start = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const [name, tensor] of entries) {
    const offset = start + tensor.offset;
    if (tensor.offset % alignment !== 0) {
      throw cursor.corrupt(`tensor '${shown(name)}' is not aligned to ${alignment} bytes`, `offset ${tensor.offset}`);
    }
    if (offset + tensor.byteLength > size) {
      throw cursor.corrupt(
        `it ends inside tensor '${shown(name)}'`,
        `${size} bytes, of which the tensor takes ${tensor.byteLength} from ${offset} on`,
      );
    }
    tensors.set(name, { ...tensor, offset });
  }
  const inOrder = [...tensors].filter(([, { byteLength }]) => byteLength > 0);
  inOrder.sort(([, a], [, b]) => a.offset - b.offset);
  inOrder.forEach(([name, { offset }], i) => {
    const before = inOrder[i - 1];
    if (before !== undefined && before[1].offset + before[1].byteLength > offset) {
      throw cursor.corrupt(`tensors '${shown(before[0])}' and '${shown(name)}' overlap`);
    }
  });
  return tensors;
}

/** A name as an error message shows it. */
function shown(name: string): string {
  return name.length > 80 ? `${name.slice(0, 80)}…` : name;
}
