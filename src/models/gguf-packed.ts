import { QUANTIZED_BLOCK, QuantizedWeight } from '../nn/quantized-weight.js';
import { float16ToFloat32 } from '../util/half.js';
import type { QuantizedTensor } from './gguf-weights.js';

/** Bytes of a block's scale, a float16. */
const SCALE_BYTES = 2;

/**
 * A packed matrix of a GGUF file as programs take it: the same whole numbers and scales, in another order. A file keeps
 * each block's scale before its numbers, and of Q4_0 numbers j and j + 16 in one byte; programs take neighbours in one byte,
 * scales apart, and 8-bit numbers counted from 128.
 */
export function packedWeight(name: string, { type, bytes, shape }: QuantizedTensor): QuantizedWeight {
  const [rows, columns] = shape as readonly [number, number];
  const bits = type === 'Q4_0' ? 4 : 8;
  const blockBytes = (QUANTIZED_BLOCK * bits) / 8;
  const count = (rows * columns) / QUANTIZED_BLOCK;
  const packed = new Uint8Array(count * blockBytes);
  const halves = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const from = i * (SCALE_BYTES + blockBytes);
    halves[i] = bytes[from]! | (bytes[from + 1]! << 8);
    const numbers = from + SCALE_BYTES;
    const to = i * blockBytes;
    if (bits === 8) {
      for (let j = 0; j < blockBytes; j++) packed[to + j] = bytes[numbers + j]! ^ 0x80;
      continue;
    }
    for (let j = 0; j < blockBytes / 2; j++) {
      const [first, second] = [bytes[numbers + 2 * j]!, bytes[numbers + 2 * j + 1]!];
      packed[to + j] = (first & 15) | ((second & 15) << 4);
      packed[to + j + blockBytes / 2] = (first >> 4) | (second & 0xf0);
    }
  }
  return new QuantizedWeight(name, [rows, columns], { bits, block: QUANTIZED_BLOCK }, packed, float16ToFloat32(halves));
}
