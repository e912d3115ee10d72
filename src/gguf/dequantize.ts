import { InputError } from '../util/errors.js';
import { bfloat16ToFloat32, float16ToFloat32 } from '../util/half.js';
import { GGML_TYPES, type GgmlType } from './ggml-type.js';

/**
 * Stored elements as float32, to the bit what llama.cpp's reference code gives: every product and difference is rounded
 * to float32.
 *
 * @param count how many elements `bytes` hold.
 * @throws {InputError} if that many elements of this type take another number of bytes.
 */
export function dequantize(type: GgmlType, bytes: Uint8Array, count: number): Float32Array {
  const { blockSize, blockBytes } = GGML_TYPES[type];
  const blocks = count / blockSize;
  if (!Number.isInteger(blocks) || blocks * blockBytes !== bytes.length) {
    throw new InputError(`not ${count} elements of ${type}`, {
      expected: `${blockBytes} bytes for each ${blockSize} elements`,
      got: `${bytes.length} bytes`,
    });
  }
  const values = new Float32Array(count);
  switch (type) {
    case 'F32':
      new Uint8Array(values.buffer).set(bytes);
      return values;
    case 'F16':
      return float16ToFloat32(halves(bytes), values);
    case 'BF16':
      return bfloat16ToFloat32(halves(bytes), values);
    case 'Q8_0':
      readQ8_0(bytes, values);
      return values;
    case 'Q4_0':
      readQ4_0(bytes, values);
      return values;
    case 'Q4_K':
      readQ4_K(bytes, values);
      return values;
    case 'Q6_K':
      readQ6_K(bytes, values);
      return values;
  }
}

/** The bytes as 16-bit patterns; a copy only where they do not begin at an even address. */
function halves(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
}

/** The float16 that stands at `offset` of every block. */
function blockScales(bytes: Uint8Array, blockBytes: number, offset: number): Float32Array {
  const patterns = new Uint16Array(bytes.length / blockBytes);
  for (let block = 0, at = offset; block < patterns.length; block++, at += blockBytes) {
    patterns[block] = bytes[at]! | (bytes[at + 1]! << 8);
  }
  return float16ToFloat32(patterns);
}

/** Scale, then 32 signed bytes. */
function readQ8_0(bytes: Uint8Array, values: Float32Array): void {
  const scales = blockScales(bytes, 34, 0);
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  let from = 2;
  let to = 0;
  for (let block = 0; block < scales.length; block++, from += 2) {
    const scale = scales[block]!;
    for (const end = to + 32; to < end; to++) values[to] = scale * signed[from++]!;
  }
}

/** Scale, then 16 bytes: the low halves are elements 0 to 15, the high halves 16 to 31, each less 8. */
function readQ4_0(bytes: Uint8Array, values: Float32Array): void {
  const scales = blockScales(bytes, 18, 0);
  let from = 2;
  let to = 0;
  for (let block = 0; block < scales.length; block++, from += 2, to += 16) {
    const scale = scales[block]!;
    for (const end = to + 16; to < end; to++) {
      const pair = bytes[from++]!;
      values[to] = scale * ((pair & 15) - 8);
      values[to + 16] = scale * ((pair >> 4) - 8);
    }
  }
}

/**
 * 256 elements in eight groups of 32, `d·scale·q − dmin·minimum`: two float16 (`d`, `dmin`), twelve bytes with eight
 * scales and eight minima of 6 bits, 128 bytes of 4-bit `q`. Of each 32 bytes the low halves are one group, the high
 * halves the next.
 */
function readQ4_K(bytes: Uint8Array, values: Float32Array): void {
  const scales = blockScales(bytes, 144, 0);
  const minima = blockScales(bytes, 144, 2);
  const round = Math.fround;
  let to = 0;
  for (let block = 0; block < scales.length; block++) {
    const packed = block * 144 + 4;
    let from = packed + 12;
    for (let group = 0; group < 8; group++) {
      // Groups 0 to 3 lie in the low six bits; 4 to 7 in four bits of the last bytes and the two bits left above.
      const [low, high] = [bytes[packed + (group & 3)]!, bytes[packed + 4 + (group & 3)]!];
      const last = bytes[packed + 4 + group]!;
      const scale = group < 4 ? low & 63 : (last & 15) | ((low >> 6) << 4);
      const minimum = group < 4 ? high & 63 : (last >> 4) | ((high >> 6) << 4);
      const factor = round(scales[block]! * scale);
      const offset = round(minima[block]! * minimum);
      const shift = (group & 1) << 2;
      for (let i = 0; i < 32; i++) values[to++] = round(factor * ((bytes[from + i]! >> shift) & 15)) - offset;
      if (shift === 4) from += 32;
    }
  }
}

/**
 * 256 elements in sixteen groups of 16, `d·scale·(q − 32)`: 128 bytes with the low four bits of `q`, 64 with its high
 * two, sixteen signed scales, a float16 `d`.
 */
function readQ6_K(bytes: Uint8Array, values: Float32Array): void {
  const scales = blockScales(bytes, 210, 208);
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const round = Math.fround;
  for (let block = 0; block < scales.length; block++) {
    for (let part = 0; part < 8; part++) {
      // Parts of 32: four of them share 64 low bytes (two a byte half) and 32 high bytes (two bits each).
      const [half, quarter] = [part >> 2, part & 3];
      const low = block * 210 + half * 64 + (quarter & 1) * 32;
      const high = block * 210 + 128 + half * 32;
      const lowShift = (quarter >> 1) << 2;
      const highShift = quarter << 1;
      const group = block * 210 + 192 + part * 2;
      const to = block * 256 + part * 32;
      for (let i = 0; i < 32; i++) {
        const factor = round(scales[block]! * signed[group + (i >> 4)]!);
        const q = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4);
        values[to + i] = factor * (q - 32);
      }
    }
  }
}
