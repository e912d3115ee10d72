import type { BlockFormat } from '../tensor/ops/quantized-matmul.js';
import { type HostArray, Variable } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';

/** Numbers that share a scale: the width that runtimes and file formats agree on. */
export const QUANTIZED_BLOCK = 32;

/**
 * A matrix `[N, K]` whose rows are packed in blocks of 4- or 8-bit numbers with a scale each:
 * `w ≈ (q − 2^(bits−1)) · scale`. It is constant: programs take it in when they are compiled.
 */
export class QuantizedWeight {
  readonly shape: readonly [number, number];
  readonly format: BlockFormat;
  /** uint8 `[N, K/block, block·bits/8]`. */
  readonly packed: Variable;
  /** float32 `[N, K/block]`. */
  readonly scales: Variable;

  /** @throws {InputError} if the arrays are not of the shape's length. */
  constructor(
    name: string,
    shape: readonly [number, number],
    format: BlockFormat,
    packed: Uint8Array,
    scales: Float32Array,
  ) {
    const [rows, columns] = shape;
    const { bits, block } = format;
    const blocks = columns / block;
    const bytes = (block * bits) / 8;
    if (!Number.isInteger(blocks) || packed.length !== rows * blocks * bytes || scales.length !== rows * blocks) {
      throw new InputError('the packed weight does not fit its shape', {
        where: name,
        expected: `rows of a multiple of ${block} numbers of ${bits} bits, for [${rows}, ${columns}]`,
        got: `${packed.length} bytes and ${scales.length} scales`,
      });
    }
    this.shape = shape;
    this.format = format;
    const constant = { constant: true };
    this.packed = new Variable(
      `${name}.packed`,
      { dtype: 'uint8', shape: [rows, blocks, bytes], data: packed } as never,
      constant,
    );
    this.scales = new Variable(
      `${name}.scales`,
      { dtype: 'float32', shape: [rows, blocks], data: scales } as never,
      constant,
    );
  }

  get byteLength(): number {
    return this.packed.size + 4 * this.scales.size;
  }
}

/**
 * Rounds a matrix to a block format: for each block the scale is what takes its number of largest magnitude to the end
 * of the range. With 4 bits that number becomes −8 (as in GGUF's Q4_0), with 8 bits ±127 (Q8_0).
 */
export function quantizeWeight(
  name: string,
  values: Float32Array,
  shape: readonly [number, number],
  bits: BlockFormat['bits'],
): QuantizedWeight {
  const block = QUANTIZED_BLOCK;
  const count = values.length / block;
  const scales = new Float32Array(count);
  const packed = new Uint8Array((values.length * bits) / 8);
  const round = bits === 4 ? packFour : packEight;
  for (let i = 0; i < count; i++) scales[i] = round(values, i * block, packed);
  return new QuantizedWeight(name, shape, { bits, block }, packed, scales);
}

/** Packs the block at `start`. @returns its scale. */
function packFour(values: Float32Array, start: number, packed: Uint8Array): number {
  let extreme = 0;
  for (let i = start; i < start + QUANTIZED_BLOCK; i++) {
    // What is not a number is the extreme, so that it stays visible and does not become one.
    if (Number.isNaN(extreme)) break;
    if (!(Math.abs(values[i]!) <= Math.abs(extreme))) extreme = values[i]!;
  }
  const scale = extreme / -8;
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = 0; i < QUANTIZED_BLOCK; i += 2) {
    const low = Math.min(15, Math.floor(values[start + i]! * inverse + 8.5));
    const high = Math.min(15, Math.floor(values[start + i + 1]! * inverse + 8.5));
    packed[(start + i) / 2] = low | (high << 4);
  }
  return scale;
}

function packEight(values: Float32Array, start: number, packed: Uint8Array): number {
  let largest = 0;
  for (let i = start; i < start + QUANTIZED_BLOCK; i++) largest = Math.max(largest, Math.abs(values[i]!));
  const scale = largest / 127;
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = start; i < start + QUANTIZED_BLOCK; i++) packed[i] = Math.round(values[i]! * inverse) + 128;
  return scale;
}

/** The numbers that a packed weight stands for, row-major. */
export function dequantizeWeight({ format: { bits, block }, packed, scales }: QuantizedWeight): Float32Array {
  const bytes = (packed.value as HostArray).data as Uint8Array;
  const factors = (scales.value as HostArray).data as Float32Array;
  const values = new Float32Array(factors.length * block);
  for (let i = 0; i < values.length; i++) {
    const factor = factors[Math.floor(i / block)]!;
    const number = bits === 8 ? bytes[i]! - 128 : ((bytes[i >> 1]! >> (4 * (i & 1))) & 15) - 8;
    values[i] = number * factor;
  }
  return values;
}
