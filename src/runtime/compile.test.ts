import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { writeModelFile } from '../onnx/external-data.js';
import type { DType, TypedArray } from '../tensor/dtype.js';
import { grad } from '../tensor/grad.js';
import { add, mul } from '../tensor/ops/binary.js';
import { checkpoint } from '../tensor/ops/control.js';
import { constant } from '../tensor/ops/create.js';
import { gather } from '../tensor/ops/gather.js';
import { reshape } from '../tensor/ops/layout.js';
import { matmul } from '../tensor/ops/matmul.js';
import { mean, sum } from '../tensor/ops/reduce.js';
import { softmax } from '../tensor/ops/softmax.js';
import { square, tanh } from '../tensor/ops/unary.js';
import { dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { type HostArray, Variable } from '../tensor/variable.js';
import { Random } from '../util/random.js';
import { array } from './array.js';
import { compile, Updated } from './compile.js';
import { cpu } from './device.js';

const device = cpu({ threads: 1 });

function drawn(seed: number, shape: readonly number[]): HostArray {
  const random = new Random(seed, 'compile');
  const size = shape.reduce((p, n) => p * n, 1);
  return array(
    Float32Array.from({ length: size }, () => 0.5 * random.normal()),
    shape,
  );
}

test.each<[DType, TypedArray]>([
  ['float32', Float32Array.of(1.5, -0, Number.NaN)],
  ['float64', Float64Array.of(0.1, 1e300, -2)],
  ['float16', Uint16Array.of(0x3c00, 0x7bff, 1)],
  ['int32', Int32Array.of(-1, 2 ** 31 - 1, 0)],
  ['int64', BigInt64Array.of(-1n, 2n ** 62n, 0n)],
  ['bool', Uint8Array.of(1, 0, 1)],
  ['uint8', Uint8Array.of(0, 255, 7)],
])('%s goes in and comes out as it was', async (dtype, data) => {
  const run = compile((x: Tensor) => ({ same: x, shaped: reshape(x, [3, 1]) }), { device });
  const results = await run(array(data, [3], dtype));
  expect(results.same).toEqual({ dtype, shape: [3], data });
  expect(results.shaped).toEqual({ dtype, shape: [3, 1], data });
  await run.release();
});

test('an output may be an argument, a constant, or another output', async () => {
  const run = compile(
    (x: Tensor) => {
      const y = mul(x, 2);
      return { x, y, again: y, fixed: constant(Float32Array.of(3), [1], 'float32') };
    },
    { device },
  );
  const { x, y, again, fixed } = await run(array(Float32Array.of(1, 2)));
  expect([x, y, again, fixed].map(({ data }) => [...data])).toEqual([[1, 2], [2, 4], [2, 4], [3]]);
  await run.release();
});

test('two threads give what one gives', async () => {
  const [a, b] = [drawn(1, [64, 300]), drawn(2, [300, 200])];
  const results = await Promise.all(
    [1, 2].map(async (threads) => {
      const run = compile((x: Tensor, y: Tensor) => softmax(tanh(matmul(x, y))), { device: cpu({ threads }) });
      const { data } = (await run(a, b)) as HostArray;
      await run.release();
      return data as Float32Array;
    }),
  );
  for (const [i, value] of results[0]!.entries()) expect(Math.abs(value - results[1]![i]!)).toBeLessThan(1e-6);
  expect(() => cpu({ threads: 0 })).toThrow(/1 or more/);
});

test('one program serves all sizes of a named dimension', async () => {
  const [B, T] = [dim('B'), dim('T')];
  const run = compile((x: Tensor, y: Tensor) => sum(add(reshape(x, [-1]), reshape(y, [-1])), { axes: [0] }), {
    device,
    shapes: { 0: [B, T], 1: [T, B] },
  });
  const ones = (shape: readonly number[]) => array(new Float32Array(shape[0]! * shape[1]!).fill(1), shape);
  for (const [b, t] of [
    [2, 3],
    [1, 1],
    [5, 4],
  ] as const) {
    expect(((await run(ones([b, t]), ones([t, b]))) as HostArray).data[0]).toBe(2 * b * t);
  }
  const [first, second] = [
    await run.prepare(ones([2, 3]), ones([3, 2])),
    await run.prepare(ones([7, 8]), ones([8, 7])),
  ];
  expect(first).toBe(second);
  await expect(run(ones([2, 3]), ones([2, 3]))).rejects.toThrow(
    /argument 1: [\s\S]*T is the size .* argument 0 \[2, 3\]/,
  );
  await expect(run(ones([2, 3]), array(Float32Array.of(1)))).rejects.toThrow(/expected: \[T, B\]\n {2}got: {6}\[1\]/);
  await run.release();
  const misspelt = compile((x: Tensor) => x, { device, shapes: { x: [T] } });
  await expect(misspelt(ones([1, 1]))).rejects.toThrow(/shapes\['x'\][\s\S]*expected: '0'/);
});

test('a failing op is named, with the types of its operands', async () => {
  const run = compile((table: Tensor, ids: Tensor) => gather(table, ids), { device });
  const table = drawn(3, [5, 2]);
  await expect(run(table, array(BigInt64Array.of(7n)))).rejects.toThrow(
    /op gather \(ONNX Gather\): .*out of data bounds[\s\S]*got: {6}float32\[5, 2\], int64\[1\]/,
  );
  // The program is as good as before.
  expect(((await run(table, array(BigInt64Array.of(4n)))) as HostArray).data).toEqual(table.data.slice(8));
  await run.release();
  await run.release();
});

test('a function that cannot be traced fails at each call, and leaves nothing to release', async () => {
  const run = compile((x: Tensor) => matmul(x, x), { device });
  for (let i = 0; i < 2; i++) await expect(run(drawn(4, [2, 3]))).rejects.toThrow(/inner sizes differ/);
  await run.release();
});

test('recomputation gives the same loss and gradients, and its nodes are in the graph', async () => {
  const weights = Array.from({ length: 8 }, (_, i) => new Variable(`w${i}`, drawn(i, [8, 8])));
  const x = drawn(99, [16, 8]);
  const network = (recompute: boolean) => (start: Tensor) => {
    let h = start;
    for (const at of [0, 4]) {
      const block = (y: Tensor): Tensor => weights.slice(at, at + 4).reduce((z, w) => tanh(matmul(z, w.tensor)), y);
      h = recompute ? checkpoint(block)(h) : block(h);
    }
    const loss = mean(square(h));
    return [
      loss,
      ...grad(
        loss,
        weights.map((w) => w.tensor),
      ),
    ];
  };
  const results = [];
  for (const recompute of [false, true]) {
    const run = compile(network(recompute), { device });
    results.push((await run(x)).map(({ data }) => data));
    const { nodes } = (await run.prepare(x)).model.graph;
    expect(nodes.filter(({ op }) => op === 'Tanh')).toHaveLength(recompute ? 16 : 8);
    await run.release();
  }
  expect(results[1]).toEqual(results[0]);
});

test('a saved program opens and runs in ONNX Runtime by itself', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'athanor-saved-'));
  try {
    const big = drawn(6, [96, 96]);
    const weight = new Variable('weight', drawn(5, [96, 96]));
    const run = compile(
      (x: Tensor) => {
        const y = matmul(matmul(x, weight.tensor), constant(big.data, [96, 96], 'float32'));
        return new Updated({ y }, [[weight, mul(weight.tensor, 0.5)]]);
      },
      { device },
    );
    const x = drawn(7, [2, 96]);
    const { model } = await run.prepare(x);
    const [file, data] = writeModelFile(model, path.join(folder, 'step.onnx'));
    expect(data).toBeDefined();
    const session = await ort.InferenceSession.create(file!);
    expect([...session.inputNames].sort()).toEqual(['0', 'weight']);
    const feed = ({ data: values, shape }: HostArray) => new ort.Tensor('float32', values as Float32Array, shape);
    const saved = await session.run({ 0: feed(x), weight: feed(weight.value as HostArray) });
    const expected = await run(x);
    expect(saved['out:y']!.data).toEqual(expected.y.data);
    expect(saved['new:0:weight']!.data).toEqual((weight.value as HostArray).data);
    await session.release();
    await run.release();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
