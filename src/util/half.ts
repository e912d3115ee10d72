/**
 * The two 16-bit floats, as their bit patterns in a `Uint16Array`, to and from float32. Conversions to 16 bits round to
 * the nearest value, ties to the even one, as IEEE 754 and every other framework do; NaN stays NaN.
 */

let halfTable: Float32Array<ArrayBuffer> | undefined;

/** All 65,536 float16 values (256 KiB), made at first use: a look-up is several times faster than the arithmetic. */
function float16Values(): Float32Array<ArrayBuffer> {
  if (halfTable !== undefined) return halfTable;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 32768; bits++) {
    const exponent = bits >>> 10;
    const fraction = bits & 0x3ff;
    let value: number;
    if (exponent === 31) value = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1 + fraction / 1024) * 2 ** (exponent - 15);
    table[bits] = value;
    table[bits + 32768] = -value;
  }
  halfTable = table;
  return table;
}

/**
 * float16 bits to float32, exactly.
 *
 * @param target written instead of a new array; as long as `source`.
 */
export function float16ToFloat32(
  source: Uint16Array,
  target: Float32Array = new Float32Array(source.length),
): Float32Array {
  const table = float16Values();
  for (let index = 0; index < source.length; index++) target[index] = table[source[index]!]!;
  return target;
}

/** float32 to the nearest float16 bits; beyond 65,519.99… to infinity, below 2^-25 to zero. */
export function float32ToFloat16(
  source: Float32Array,
  target: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const bits = bitsOf(source);
  for (let index = 0; index < bits.length; index++) target[index] = float16Bits(bits[index]!);
  return target;
}

function float16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= 0x38800000) {
    // Normal in both: move the exponent's bias from 127 to 15, drop 13 bits. A carry out of the fraction raises the
    // exponent, up to infinity, which is what rounding asks for.
    const moved = magnitude - 0x38000000;
    return sign | ((moved + 0xfff + ((moved >>> 13) & 1)) >>> 13);
  }
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign;
  // Subnormal: a whole number of 2^-24.
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  return sign | ((fraction + (1 << (shift - 1)) - 1 + ((fraction >>> shift) & 1)) >>> shift);
}

/** bfloat16 bits (the upper half of a float32) to float32, exactly. */
export function bfloat16ToFloat32(
  source: Uint16Array,
  target: Float32Array = new Float32Array(source.length),
): Float32Array {
  const bits = bitsOf(target);
  for (let index = 0; index < source.length; index++) bits[index] = source[index]! << 16;
  return target;
}

/** float32 to the nearest bfloat16 bits. */
export function float32ToBfloat16(
  source: Float32Array,
  target: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const bits = bitsOf(source);
  for (let index = 0; index < bits.length; index++) {
    const value = bits[index]!;
    const notNumber = (value & 0x7fffffff) > 0x7f800000;
    target[index] = notNumber ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return target;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
