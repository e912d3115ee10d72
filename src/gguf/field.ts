/** The types of one value. Integers of 64 bits are numbers here; beyond 2^53 they are refused. */
export type GgufScalarType =
  | 'u8'
  | 'i8'
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'f32'
  | 'bool'
  | 'string'
  | 'u64'
  | 'i64'
  | 'f64';

/** The elements of an array of numbers, as they come from a file (64-bit integers as `Float64Array`). */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** A value of the metadata with its type. Arrays of arrays, which no known file has, are not supported. */
export type GgufField =
  | { readonly type: GgufScalarType; readonly value: number | boolean | string }
  | {
      readonly type: 'array';
      readonly items: GgufScalarType;
      readonly value: readonly (number | boolean | string)[] | GgufNumbers;
    };

/** What a file says of itself: `general.architecture`, `llama.block_count`, `tokenizer.ggml.tokens` … */
export type GgufMetadata = ReadonlyMap<string, GgufField>;

/** Number in the file and bytes of each type; a string has at least its length. */
export const GGUF_SCALARS: Readonly<Record<GgufScalarType, { readonly id: number; readonly bytes: number }>> = {
  u8: { id: 0, bytes: 1 },
  i8: { id: 1, bytes: 1 },
  u16: { id: 2, bytes: 2 },
  i16: { id: 3, bytes: 2 },
  u32: { id: 4, bytes: 4 },
  i32: { id: 5, bytes: 4 },
  f32: { id: 6, bytes: 4 },
  bool: { id: 7, bytes: 1 },
  string: { id: 8, bytes: 8 },
  u64: { id: 10, bytes: 8 },
  i64: { id: 11, bytes: 8 },
  f64: { id: 12, bytes: 8 },
};

/** The number that stands for an array. */
export const GGUF_ARRAY_ID = 9;

/** `GGUF`, read as a little-endian number. */
export const GGUF_MAGIC = 0x46554747;

/** Tensors begin at multiples of this where `general.alignment` says nothing else. */
export const GGUF_ALIGNMENT = 32;

/** The key that says another one. */
export const GGUF_ALIGNMENT_KEY = 'general.alignment';

/** The format's limit on the length of a key, in bytes. */
export const GGUF_KEY_BYTES = 65535;

/** The format's limit on the dimensions of a tensor. */
export const GGUF_DIMENSIONS = 4;

/** Whether tensors may be aligned so: powers of two, as llama.cpp asks for. */
export function isGgufAlignment(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(Math.log2(value)) && value >= 1 && value <= 2 ** 20;
}
