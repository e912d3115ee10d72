import { describe, expect, it } from 'vitest';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { quantizedMatmul } from '../tensor/ops/quantized-matmul.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { Embedding } from './embedding.js';
import { Linear } from './linear.js';
import { initialize } from './module.js';
import { dequantizeWeight, QuantizedWeight, quantizeWeight } from './quantized-weight.js';

const random = new Random(3, 'quantized-weight');
const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.uniform() * 2 - 1);

describe('quantizeWeight', () => {
  it.each([
    [4, 1 / 8],
    [8, 1 / 254],
  ] as const)('keeps numbers within half a step of %i bits', (bits, share) => {
    const values = draw(7 * 96);
    values.fill(0, 32, 64);
    const weight = quantizeWeight('w', values, [7, 96], bits);
    const back = dequantizeWeight(weight);
    expect(weight.byteLength).toBe((7 * 96 * bits) / 8 + 4 * 21);
    for (let block = 0; block < 21; block++) {
      const largest = Math.max(...values.subarray(32 * block, 32 * block + 32).map(Math.abs));
      for (let i = 32 * block; i < 32 * block + 32; i++) {
        // With 4 bits the range is −8 to 7: a number as large as the extreme on the other side is cut off by a step.
        expect(Math.abs(back[i]! - values[i]!)).toBeLessThanOrEqual(largest * share * 1.0001);
      }
    }
  });

  it('takes what is on the grid as it is', () => {
    const values = Float32Array.from({ length: 32 }, (_, i) => ((i % 16) - 8) / 4);
    expect([...dequantizeWeight(quantizeWeight('w', values, [1, 32], 4))]).toEqual([...values]);
  });

  it.each([4, 8] as const)('makes no number of what is none: %i bits', (bits) => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const values = draw(64);
      values[7] = bad;
      const back = dequantizeWeight(quantizeWeight('w', values, [1, 64], bits));
      expect(back.subarray(0, 32).some(Number.isFinite)).toBe(false);
      expect(back.subarray(32).every(Number.isFinite)).toBe(true);
    }
  });

  it('refuses arrays that do not fit', () => {
    const make = (): QuantizedWeight =>
      new QuantizedWeight('w', [2, 48], { bits: 4, block: 32 }, new Uint8Array(48), new Float32Array(3));
    expect(make).toThrow(InputError);
    expect(make).toThrow(/multiple of 32/);
  });
});

describe('a packed layer', () => {
  const device = cpu({ threads: 1 });

  it.each([4, 8] as const)('multiplies as its unpacked weight does: %i bits', async (bits) => {
    const linear = initialize(new Linear({ inputs: 64, outputs: 40, bias: true }), 1);
    const values = draw(64 * 40);
    linear.weight.value = { dtype: 'float32', shape: [40, 64], data: values } as HostArray;
    linear.weight.quantize(quantizeWeight('w', values, [40, 64], bits));
    expect(linear.weight.trainable).toBe(false);
    const rounded = initialize(new Linear({ inputs: 64, outputs: 40, bias: true }), 1);
    rounded.weight.value = linear.weight.value;
    const x = array(draw(5 * 64), [5, 64]);
    const [packed, plain] = await Promise.all(
      [linear, rounded].map(async (layer) => {
        const program = compile((input: Tensor) => layer.forward(input), { device });
        const y = (await program(x as never)) as unknown as HostArray;
        await program.release();
        return y.data as Float32Array;
      }),
    );
    const largest = Math.max(...plain!.map(Math.abs));
    // Its other operand is rounded to 8 bits: half of 1/127 of each block's largest number.
    packed!.forEach((value, i) => {
      expect(Math.abs(value - plain![i]!)).toBeLessThan(0.01 * largest);
    });
  });

  it('multiplies in float32 where that is asked for', async () => {
    const weight = quantizeWeight('w', draw(64 * 40), [40, 64], 4);
    const plain = dequantizeWeight(weight);
    const input = draw(3 * 64);
    const program = compile(
      (x: Tensor) =>
        quantizedMatmul(x, weight.packed.tensor, weight.scales.tensor, { ...weight.format, integer: false }),
      { device },
    );
    const y = (await program(array(input, [3, 64]) as never)) as unknown as HostArray;
    for (const [row, column] of [
      [0, 0],
      [1, 17],
      [2, 39],
    ] as const) {
      let sum = 0;
      for (let i = 0; i < 64; i++) sum += input[row * 64 + i]! * plain[column * 64 + i]!;
      expect(y.data[row * 40 + column]).toBeCloseTo(sum, 4);
    }
    await program.release();
  });

  it.each([4, 8] as const)('looks rows up: %i bits', async (bits) => {
    const table = initialize(new Embedding({ count: 9, width: 64 }), 1);
    const weight = quantizeWeight('w', draw(9 * 64), [9, 64], bits);
    table.weight.quantize(weight);
    const plain = dequantizeWeight(weight);
    const program = compile((ids: Tensor) => table.forward(ids), { device });
    const rows = (await program(array(Int32Array.of(8, 0, 3), [3]) as never)) as unknown as HostArray;
    expect([...(rows.data as Float32Array)]).toEqual(
      [8, 0, 3].flatMap((id) => [...plain.subarray(id * 64, (id + 1) * 64)]),
    );
    await program.release();
  });
});
