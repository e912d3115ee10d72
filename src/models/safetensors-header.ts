import { CorruptFileError, InputError, messageOf } from '../util/errors.js';
import { countKeys, parseJson } from '../util/json.js';

/**
 * Element types of a safetensors file: bytes of one element, and the array that holds them. The 16-bit floats are kept
 * as bit patterns (see `util/half`), booleans as bytes 0 and 1.
 */
export const SAFETENSORS_DTYPES = {
  F64: { bytes: 8, array: Float64Array },
  F32: { bytes: 4, array: Float32Array },
  F16: { bytes: 2, array: Uint16Array },
  BF16: { bytes: 2, array: Uint16Array },
  I64: { bytes: 8, array: BigInt64Array },
  I32: { bytes: 4, array: Int32Array },
  I16: { bytes: 2, array: Int16Array },
  I8: { bytes: 1, array: Int8Array },
  U64: { bytes: 8, array: BigUint64Array },
  U32: { bytes: 4, array: Uint32Array },
  U16: { bytes: 2, array: Uint16Array },
  U8: { bytes: 1, array: Uint8Array },
  BOOL: { bytes: 1, array: Uint8Array },
} as const;

export type SafetensorsDtype = keyof typeof SAFETENSORS_DTYPES;

/** The arrays that tensors of a checkpoint come as. */
export type TensorArray =
  | Float64Array
  | Float32Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array;

/** One tensor of a file. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order in which they lie in the file. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
}

/** Bytes before the header's text: its length, as an unsigned 64-bit integer. */
export const PREFIX_BYTES = 8;

/** The format's own limit on the header, which keeps a damaged length from being believed. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * The header's length, from the first eight bytes of a file.
 *
 * @param where the file's name, for errors.
 * @throws {CorruptFileError} if it passes the file's end or the format's limit.
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, where: string): number {
  if (prefix.length < PREFIX_BYTES) throw corrupt('shorter than its own length field', where, `${prefix.length} bytes`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_HEADER_BYTES) throw corrupt('its header passes the limit of 100 MB', where, `${length} bytes`);
  if (PREFIX_BYTES + length > fileBytes) {
    throw corrupt('it ends inside its header', where, `${fileBytes} bytes, of which the header takes ${length}`);
  }
  return length;
}

/**
 * Parses and checks a header: every type known, every length the product of its shape, tensors one after another
 * without overlaps or holes, up to the very end of the file.
 *
 * @param text the header's bytes. @param where the file's name, for errors.
 * @throws {CorruptFileError}
 */
export function parseSafetensorsHeader(text: Uint8Array, fileBytes: number, where: string): SafetensorsHeader {
  let parsed: unknown;
  let keys: number;
  try {
    const json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text);
    parsed = parseJson(json, where);
    keys = countKeys(json);
  } catch (error) {
    throw corrupt('its header is not JSON', where, messageOf((error as Error).cause ?? error));
  }
  if (!isRecord(parsed)) throw corrupt('its header is not a JSON object', where);
  if (Object.keys(parsed).length !== keys) throw corrupt('two of its tensors have one name', where);
  let metadata: Record<string, string> = {};
  const entries: [string, SafetensorsEntry][] = [];
  const dataStart = PREFIX_BYTES + text.length;
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = checkedMetadata(value, where);
    else entries.push([name, checkedEntry(name, value, dataStart, where)]);
  }
  entries.sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = dataStart;
  for (const [name, { offset, byteLength }] of entries) {
    if (offset !== end) throw corrupt(`tensor '${name}' does not follow the one before it`, where);
    end = offset + byteLength;
  }
  if (end !== fileBytes) {
    throw corrupt(end > fileBytes ? 'it is cut off' : 'it goes on after its last tensor', where, `${fileBytes} bytes`);
  }
  return { metadata, entries: new Map(entries) };
}

function checkedMetadata(value: unknown, where: string): Record<string, string> {
  if (!isRecord(value) || Object.values(value).some((text) => typeof text !== 'string')) {
    throw corrupt('its metadata is not a map from text to text', where);
  }
  return value as Record<string, string>;
}

function checkedEntry(name: string, value: unknown, dataStart: number, where: string): SafetensorsEntry {
  if (!isRecord(value)) throw corrupt(`tensor '${name}' is not described by a JSON object`, where);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) throw corrupt(`tensor '${name}' has an unknown type`, where, JSON.stringify(dtype));
  if (!isSizes(shape)) throw corrupt(`tensor '${name}' has a bad shape`, where, JSON.stringify(shape));
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw corrupt(`tensor '${name}' has bad offsets`, where, JSON.stringify(offsets));
  }
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, SAFETENSORS_DTYPES[dtype].bytes);
  if (bytes !== end - begin) {
    throw corrupt(`tensor '${name}' of ${dtype} [${shape.join(', ')}] has the wrong length`, where, `${end - begin}`);
  }
  return { dtype, shape, offset: dataStart + begin, byteLength: bytes };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(SAFETENSORS_DTYPES, value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function corrupt(what: string, where: string, got?: string): CorruptFileError {
  return new CorruptFileError(`not a valid safetensors file: ${what}`, {
    where,
    ...(got !== undefined && { got }),
    hint: 'The file is damaged, cut off, or of another kind. Copy or download it again.',
  });
}

/**
 * The bytes that come before the tensors' own: length, JSON, and spaces up to a multiple of eight.
 *
 * @param tensors in the order in which their elements follow.
 */
export function encodeSafetensorsHeader(
  tensors: Iterable<readonly [name: string, entry: Pick<SafetensorsEntry, 'dtype' | 'shape' | 'byteLength'>]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const keys = Object.keys(metadata).sort();
  const parts: string[] = [];
  if (keys.length > 0) {
    parts.push(`"__metadata__":${JSON.stringify(Object.fromEntries(keys.map((key) => [key, metadata[key]])))}`);
  }
  let end = 0;
  for (const [name, { dtype, shape, byteLength }] of tensors) {
    const begin = end;
    end += byteLength;
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const text = new TextEncoder().encode(`{${parts.join(',')}}`);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new InputError('too many tensors or too much metadata for one safetensors file', {
      expected: `a header of at most ${MAX_HEADER_BYTES} bytes`,
      got: `${length} bytes`,
    });
  }
  const bytes = new Uint8Array(PREFIX_BYTES + length).fill(0x20, PREFIX_BYTES);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes.set(text, PREFIX_BYTES);
  return bytes;
}
