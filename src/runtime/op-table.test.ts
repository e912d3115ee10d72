import { describe, expect, test } from 'vitest';
import { gradientsOf } from '../tensor/grad.js';
import { type Op, opTable, type ReferenceArray, type Sample } from '../tensor/op.js';
import { interpret } from '../tensor/reference.js';
import '../tensor/ops/table.js';
import { fromNumbers, isFloating } from '../tensor/dtype.js';
import { record, type Tensor } from '../tensor/tensor.js';
import { input, numbersOf } from '../tensor/variable.js';
import { Random } from '../util/random.js';
import { array } from './array.js';
import { compile } from './compile.js';
import { cpu, type Device, webgpu } from './device.js';
import { hasWebGpu } from './session.js';

const gpu = await hasWebGpu();
if (!gpu) process.stderr.write('skipped: the ops on WebGPU (this machine offers no adapter)\n');
const devices: Record<string, Device> = { cpu: cpu({ threads: 1 }), ...(gpu ? { webgpu: webgpu() } : {}) };

/** WGSL promises no more of these (“Accuracy of built-in functions”): absolute error 2⁻¹¹. */
const COARSE_ON_GPU: Readonly<Record<string, number>> = { sin: 2 ** -11, cos: 2 ** -11 };

function draw(sample: Sample<unknown>, floating: 'float32' | 'float64'): ReferenceArray[] {
  const random = new Random(1234, 'samples');
  return sample.inputs.map(({ shape, dtype = 'float32', low = -2, high = 2, values }) => {
    const size = shape.reduce((p, n) => p * n, 1);
    const drawn = values ?? Array.from({ length: size }, () => low + (high - low) * random.uniform());
    const type = dtype === 'float32' ? floating : dtype;
    const data = Float64Array.from(isFloating(type) ? drawn : drawn.map(Math.floor));
    return { dtype: type, shape, data };
  });
}

function trace(op: Op<unknown>, sample: Sample<unknown>, arrays: readonly ReferenceArray[]) {
  const placeholders = arrays.map(({ dtype, shape }, i) => input(`x${i}`, dtype, shape));
  return { placeholders, outputs: record(op, placeholders, sample.attributes) };
}

const cases = [...opTable.values()].flatMap((op) =>
  (op.samples?.() ?? []).map((sample, i) => [`${op.name} #${i}`, op, sample] as const),
);

test('every op has samples, except the leaves and those that are tested by their own', () => {
  const without = [...opTable.values()].filter((op) => !op.samples).map(({ name }) => name);
  expect(without.sort()).toEqual(['cachedAttention', 'checkpoint', 'input', 'stopGradient', 'variable']);
});

describe.each(Object.entries(devices))('on %s', (_, device) => {
  test.for(cases)('%s: ONNX Runtime gives the reference value', async ([, op, sample], { skip }) => {
    const arrays = draw(sample, 'float32');
    const { placeholders, outputs } = trace(op, sample, arrays);
    const expected = interpret(outputs, new Map(placeholders.map((p, i) => [p, arrays[i]!])));
    const run = compile((...inputs: Tensor[]) => record(op, inputs, sample.attributes), { device });
    const feeds = arrays.map(({ dtype, shape, data }) => array(fromNumbers(dtype, data), shape, dtype));
    const actual = await run(...feeds).catch((error: Error) => {
      if (/requires f16 but the device/.test(error.message)) return skip('the adapter has no float16');
      throw error;
    });
    expected.forEach((reference, i) => {
      const result = actual[i]!;
      expect(result.dtype).toBe(outputs[i]!.dtype);
      expect(result.shape).toEqual(reference.shape);
      const tolerance = Math.max(
        sample.tolerance ?? 2e-5,
        device.kind === 'webgpu' ? (COARSE_ON_GPU[op.name] ?? 0) : 0,
      );
      numbersOf(result).forEach((value, k) => {
        const want = reference.data[k]!;
        expect(Math.abs(value - want), `element ${k}: ${value} for ${want}`).toBeLessThanOrEqual(
          tolerance * Math.max(1, Math.abs(want)),
        );
      });
    });
    await run.release();
  });
});

const differentiable = cases.filter(([, op, sample]) => {
  const { outputs } = trace(op, sample, draw(sample, 'float64'));
  return (
    (op.vjp || op.decompose) &&
    op.name !== 'cast' &&
    sample.inputs.some(({ dtype }) => dtype === undefined) &&
    isFloating(outputs[0]!.dtype)
  );
});
const constantOps = new Set(['sign', 'floor', 'ceil', 'round']);

test.each(differentiable)('%s: the gradient is the finite difference', (_, op, sample) => {
  const arrays = draw(sample, 'float64');
  const { placeholders, outputs } = trace(op, sample, arrays);
  const random = new Random(99, 'directions');
  // A random weight for each output element makes one scalar of all outputs.
  const floating = outputs.filter((output) => isFloating(output.dtype)).slice(0, op.name === 'split' ? undefined : 1);
  const weights = floating.map((output) => {
    const shape = output.shape as number[];
    const size = shape.reduce((p, n) => p * n, 1);
    return { dtype: 'float64' as const, shape, data: Float64Array.from({ length: size }, () => random.normal()) };
  });
  const cotangents = weights.map(({ shape }, i) => input(`g${i}`, 'float64', shape));
  const gradients = gradientsOf(floating, cotangents, placeholders);
  const feeds = new Map<Tensor, ReferenceArray>([
    ...placeholders.map((p, i) => [p, arrays[i]!] as const),
    ...cotangents.map((p, i) => [p, weights[i]!] as const),
  ]);
  const lossAt = (): number =>
    interpret(floating, feeds)
      .map(({ data }, i) => data.reduce((total, value, k) => total + value * weights[i]!.data[k]!, 0))
      .reduce((a, b) => a + b, 0);
  let compared = 0;
  placeholders.forEach((placeholder, i) => {
    const { dtype, data } = arrays[i]!;
    const gradient = gradients[i];
    if (!isFloating(dtype) || !gradient) return;
    const [analytic] = interpret([gradient], feeds);
    expect(analytic!.shape).toEqual(placeholder.shape);
    data.forEach((value, k) => {
      const step = 1e-5;
      data[k] = value + step;
      const above = lossAt();
      data[k] = value - step;
      const below = lossAt();
      data[k] = value;
      const numeric = (above - below) / (2 * step);
      expect(Math.abs(analytic!.data[k]! - numeric), `input ${i}, element ${k}`).toBeLessThanOrEqual(
        1e-6 * Math.max(1, Math.abs(numeric)),
      );
      compared++;
    });
  });
  if (!constantOps.has(op.name)) expect(compared).toBeGreaterThan(0);
});
