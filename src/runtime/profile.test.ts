import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { matmul } from '../tensor/ops/matmul.js';
import { softmax } from '../tensor/ops/softmax.js';
import { tanh } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import { array } from './array.js';
import { cpu } from './device.js';
import { profileRun, profileTable } from './profile.js';

test('the time of a run by op', async () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('athanor-profile-'));
  const size = 192;
  const x = array(new Float32Array(size * size).fill(0.01), [size, size]);
  const rows = await profileRun((a: Tensor) => tanh(softmax(matmul(matmul(a, a), a))), [x], {
    device: cpu({ threads: 1 }),
    runs: 4,
  });
  expect(rows.map(({ op, onnx, count }) => ({ op, onnx, count }))).toEqual(
    expect.arrayContaining([
      { op: 'matmul', onnx: 'MatMul', count: 2 },
      { op: 'softmax', onnx: 'Softmax', count: 1 },
      { op: 'tanh', onnx: 'Tanh', count: 1 },
    ]),
  );
  expect(rows.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 6);
  expect(rows.every(({ ms }, i) => ms >= 0 && (i === 0 || ms <= rows[i - 1]!.ms))).toBe(true);
  const after = readdirSync(tmpdir()).filter((name) => name.startsWith('athanor-profile-'));
  expect(after.filter((name) => !before.includes(name))).toEqual([]);
});

test('nodes that were rewritten keep their op, and the first run does not count', () => {
  const graph = { name: 'g', nodes: [{ op: 'MatMul', name: 'matmul_1', inputs: [], outputs: ['y'] }] };
  const model = {
    irVersion: 9,
    opsets: {},
    producer: '',
    graph: { ...graph, initializers: [], inputs: [], outputs: [] },
  };
  const node = (name: string, ts: number, dur: number) => ({
    cat: 'Node',
    name: `${name}_kernel_time`,
    ts,
    dur,
    args: { op_name: 'Gemm' },
  });
  const run = (ts: number) => ({ cat: 'Session', name: 'model_run', ts, dur: 10 });
  const events = [
    run(0),
    node('matmul_1/Fused', 1, 9000),
    run(100),
    node('matmul_1/Fused', 101, 3000),
    run(200),
    node('matmul_1/Fused', 201, 1000),
    node('copy of something', 202, 0),
  ];
  expect(profileTable({ model }, events)).toEqual([
    { op: 'matmul', onnx: 'Gemm', count: 1, ms: 2, share: 1 },
    { op: '', onnx: 'Gemm', count: 0.5, ms: 0, share: 0 },
  ]);
});
