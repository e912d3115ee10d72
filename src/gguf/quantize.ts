import { InputError } from '../util/errors.js';
import { float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from '../util/half.js';
import { GGML_TYPES } from './ggml-type.js';

/** The element types that can be written. */
export type GgmlWritableType = 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0';

/**
 * Elements in the form in which a file stores them, to the bit as llama.cpp's reference code does it:
 *
 * - `F16`, `BF16`: the nearest value, ties to even
 * - `Q8_0`: `d = max|x| / 127`, `q = round(x / d)`, ties away from zero
 * - `Q4_0`: `d = m / −8` with the signed `m` of greatest magnitude, `q = ⌊x / d + 8.5⌋`, at most 15
 *
 * where `x / d` is `x · (1/d)` in float32 and `d` is stored as float16.
 *
 * @param values whole rows, one after another.
 * @throws {InputError} if they are not whole blocks, or a block holds what its scale cannot say (NaN, infinity, a value
 * beyond the range).
 */
export function quantize(type: GgmlWritableType, values: Float32Array): Uint8Array {
  const { blockSize, blockBytes } = GGML_TYPES[type];
  if (values.length % blockSize !== 0) {
    throw new InputError(`not whole blocks of ${type}`, {
      expected: `a multiple of ${blockSize} elements`,
      got: String(values.length),
    });
  }
  switch (type) {
    case 'F32':
      return new Uint8Array(values.slice().buffer);
    case 'F16':
      return new Uint8Array(float32ToFloat16(values).buffer);
    case 'BF16':
      return new Uint8Array(float32ToBfloat16(values).buffer);
    default: {
      const bytes = new Uint8Array((values.length / blockSize) * blockBytes);
      if (type === 'Q8_0') writeQ8_0(values, bytes);
      else writeQ4_0(values, bytes);
      return bytes;
    }
  }
}

const WRITABLE_TYPES: ReadonlySet<string> = new Set<GgmlWritableType>(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0']);

/** Whether `quantize` can write a type. */
export function isGgmlWritableType(type: string): type is GgmlWritableType {
  return WRITABLE_TYPES.has(type);
}

function writeQ8_0(values: Float32Array, bytes: Uint8Array): void {
  const blocks = values.length / 32;
  const scales = new Float32Array(blocks);
  const inverses = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    let most = 0;
    for (let i = block * 32; i < block * 32 + 32; i++) {
      const magnitude = Math.abs(values[i]!);
      // NaN is never greater, and once taken it stays.
      if (magnitude > most || Number.isNaN(magnitude)) most = magnitude;
    }
    scales[block] = most / 127;
    inverses[block] = inverseOf(scales[block]!);
  }
  const patterns = checkedScales('Q8_0', scales);
  const signed = new Int8Array(bytes.buffer);
  for (let block = 0, from = 0, to = 0; block < blocks; block++) {
    bytes[to++] = patterns[block]! & 255;
    bytes[to++] = patterns[block]! >> 8;
    const inverse = inverses[block]!;
    for (const end = from + 32; from < end; from++) {
      const scaled = Math.fround(values[from]! * inverse);
      signed[to++] = scaled < 0 ? Math.ceil(scaled - 0.5) : Math.floor(scaled + 0.5);
    }
  }
}

function writeQ4_0(values: Float32Array, bytes: Uint8Array): void {
  const blocks = values.length / 32;
  const scales = new Float32Array(blocks);
  const inverses = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    let most = 0;
    for (let i = block * 32; i < block * 32 + 32; i++) {
      const value = values[i]!;
      if (Math.abs(value) > Math.abs(most) || Number.isNaN(value)) most = value;
    }
    scales[block] = most / -8;
    inverses[block] = inverseOf(scales[block]!);
  }
  const patterns = checkedScales('Q4_0', scales);
  for (let block = 0, from = 0, to = 0; block < blocks; block++, from += 16) {
    bytes[to++] = patterns[block]! & 255;
    bytes[to++] = patterns[block]! >> 8;
    const inverse = inverses[block]!;
    for (const end = from + 16; from < end; from++) {
      bytes[to++] = fourBits(values[from]!, inverse) | (fourBits(values[from + 16]!, inverse) << 4);
    }
  }
}

function fourBits(value: number, inverse: number): number {
  const q = Math.fround(Math.fround(value * inverse) + 8.5) | 0;
  return q > 15 ? 15 : q;
}

/** `1/d`; 0 where there is nothing to divide by, or where only values too small for a float16 scale would divide. */
function inverseOf(scale: number): number {
  const inverse = Math.fround(1 / scale);
  return Number.isFinite(inverse) ? inverse : 0;
}

/** The scales as float16 patterns. @throws {InputError} if one is NaN or beyond float16. */
function checkedScales(type: GgmlWritableType, scales: Float32Array): Uint16Array {
  const patterns = float32ToFloat16(scales);
  const stored = float16ToFloat32(patterns);
  const fault = stored.findIndex((scale) => !Number.isFinite(scale));
  if (fault >= 0) {
    throw new InputError(`the values cannot be stored as ${type}`, {
      where: `elements ${fault * 32} to ${fault * 32 + 31}`,
      expected: 'finite numbers whose scale fits into float16',
      got: `a scale of ${scales[fault]}`,
      hint: 'Has training diverged? BF16 and F32 can store every float32.',
    });
  }
  return patterns;
}
