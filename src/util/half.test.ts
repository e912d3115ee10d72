import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './half.js';

const ALL = Uint16Array.from({ length: 65536 }, (_, index) => index);

const KINDS = [
  { name: 'float16', widen: float16ToFloat32, narrow: float32ToFloat16, infinity: 0x7c00 },
  { name: 'bfloat16', widen: bfloat16ToFloat32, narrow: float32ToBfloat16, infinity: 0x7f80 },
];

describe.each(KINDS)('$name', ({ widen, narrow, infinity }) => {
  const values = widen(ALL);

  it('survives the way to float32 and back, all 65,536 of it', () => {
    const back = narrow(values);
    let wrong = 0;
    for (let bits = 0; bits < 65536; bits++) {
      if (Number.isNaN(values[bits])) {
        if (!Number.isNaN(widen(back.subarray(bits, bits + 1))[0])) wrong++;
      } else if (back[bits] !== bits) wrong++;
    }
    expect(wrong).toBe(0);
    expect(values[infinity]).toBe(Number.POSITIVE_INFINITY);
    expect(values[infinity + 0x8000]).toBe(Number.NEGATIVE_INFINITY);
    expect(values.slice(infinity + 1, 0x8000).every(Number.isNaN)).toBe(true);
    expect(Object.is(values[0x8000], -0)).toBe(true);
  });

  it('rounds the middle between neighbours to the even one, and anything else to the nearest', () => {
    const float = new Float32Array(1);
    const bits = new Uint32Array(float.buffer);
    const rounded = (step: number): number => {
      bits[0]! += step;
      return narrow(float)[0]!;
    };
    for (let low = 0; low < infinity - 1; low++) {
      float[0] = (values[low]! + values[low + 1]!) / 2;
      const middle = bits[0]!;
      if (rounded(0) !== low + (low & 1)) throw new Error(`middle above ${low}`);
      if (rounded(-1) !== low) throw new Error(`just below the middle above ${low}`);
      bits[0] = middle;
      if (rounded(1) !== low + 1) throw new Error(`just above the middle above ${low}`);
    }
  });

  it('is symmetric, and passes NaN and the infinities on', () => {
    const special = narrow(Float32Array.of(Number.NaN, Infinity, -Infinity, 3.4e38, 1e-45, -0));
    expect(Number.isNaN(widen(special)[0])).toBe(true);
    expect([...special.slice(1)]).toEqual([infinity, infinity + 0x8000, infinity, 0, 0x8000]);
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (value) => {
        const [plus, minus] = narrow(Float32Array.of(value, -value));
        expect(plus! ^ minus!).toBe(0x8000);
      }),
    );
  });

  it('writes into an array that is given', () => {
    const target = new Float32Array(8).subarray(1, 3);
    expect(widen(narrow(Float32Array.of(1, -2)), target)).toBe(target);
    expect([...new Float32Array(target.buffer)]).toEqual([0, 1, -2, 0, 0, 0, 0, 0]);
  });
});

it('agrees with published values', () => {
  // IEEE 754-2008 binary16: the largest, the smallest normal, the smallest subnormal, one third.
  expect([...float16ToFloat32(Uint16Array.of(0x7bff, 0x0400, 0x0001, 0x3555))]).toEqual([
    65504,
    2 ** -14,
    2 ** -24,
    0.333251953125,
  ]);
  expect([...float32ToFloat16(Float32Array.of(65519, 65520, 0.1, 1 / 3))]).toEqual([0x7bff, 0x7c00, 0x2e66, 0x3555]);
  expect([...float32ToBfloat16(Float32Array.of(1, 0.1, Math.PI))]).toEqual([0x3f80, 0x3dcd, 0x4049]);
});
