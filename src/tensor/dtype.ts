import { AthanorError } from '../util/errors.js';
import { float16ToFloat32, float32ToFloat16 } from '../util/half.js';

/** The element types of tensors, by the names that ONNX Runtime uses. */
export type DType = 'float32' | 'float64' | 'float16' | 'int32' | 'int64' | 'bool' | 'uint8';

/** What holds a tensor's elements in memory; float16 travels as its bit patterns, bool as 0 and 1. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

/** An operation was given an element type that it does not take. */
export class DTypeError extends AthanorError {}

const CONSTRUCTORS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  uint8: Uint8Array,
} as const;

export const DTYPES = Object.keys(CONSTRUCTORS) as DType[];

export function isFloating(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16';
}

/** Bytes of one element. */
export function itemSize(dtype: DType): number {
  return CONSTRUCTORS[dtype].BYTES_PER_ELEMENT;
}

/** A zeroed array for `length` elements. */
export function allocate(dtype: DType, length: number): TypedArray {
  return new CONSTRUCTORS[dtype](length);
}

/** Elements as plain numbers (int64 beyond 2^53 loses digits). */
export function toNumbers(dtype: DType, data: TypedArray): Float64Array {
  if (dtype === 'float16') return Float64Array.from(float16ToFloat32(data as Uint16Array));
  return Float64Array.from(data as ArrayLike<number | bigint>, Number);
}

/** Plain numbers as elements: rounded to the type for floats, truncated for integers, non-zero is true for bool. */
export function fromNumbers(dtype: DType, values: ArrayLike<number>): TypedArray {
  if (dtype === 'float16') return float32ToFloat16(Float32Array.from(values));
  const out = allocate(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (dtype === 'int64') out[i] = BigInt(Math.trunc(value)) as never;
    else if (dtype === 'bool') out[i] = (value !== 0 ? 1 : 0) as never;
    else out[i] = value as never;
  }
  return out;
}
