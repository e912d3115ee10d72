import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { repositoryRoot } from '../../test/source-files.js';
import type { DType, TypedArray } from '../tensor/dtype.js';
import { grad } from '../tensor/grad.js';
import { add, mul, sub } from '../tensor/ops/binary.js';
import { gather } from '../tensor/ops/gather.js';
import { matmul } from '../tensor/ops/matmul.js';
import { mean } from '../tensor/ops/reduce.js';
import { square } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import { type HostArray, isHostArray, Variable } from '../tensor/variable.js';
import { Random } from '../util/random.js';
import { array, isGpuArray } from './array.js';
import { compile, Updated } from './compile.js';
import { cpu, type Device, webgpu } from './device.js';
import { moveToGpu, moveToHost } from './gpu.js';
import { hasWebGpu } from './session.js';

const present = await hasWebGpu();
if (!present) process.stderr.write('skipped: arrays and training on WebGPU (this machine offers no adapter)\n');

describe.runIf(present)('WebGPU', () => {
  test.each<[DType, readonly number[], TypedArray]>([
    ['float32', [2, 2], Float32Array.of(1, -0, Number.NaN, Infinity)],
    ['float32', [], Float32Array.of(5)],
    ['float32', [0, 3], new Float32Array(0)],
    ['float16', [3], Uint16Array.of(0x3c00, 1, 0xffff)],
    ['int32', [1, 2], Int32Array.of(-1, 2 ** 31 - 1)],
    ['int64', [2], BigInt64Array.of(-1n, 2n ** 62n)],
    ['bool', [3], Uint8Array.of(1, 0, 1)],
    ['uint8', [3], Uint8Array.of(0, 255, 7)],
  ])('%s %j goes to the GPU and back, every bit kept', async (dtype, shape, data) => {
    const there = await moveToGpu(array(data, shape, dtype));
    expect(isGpuArray(there) && !isHostArray(there)).toBe(true);
    expect(await moveToHost(there)).toEqual({ dtype, shape, data });
    // A second copy of the same kind uses the same program.
    expect(await moveToHost(await moveToGpu(there))).toEqual({ dtype, shape, data });
    there.gpu.dispose();
  });

  test('float64 does not fit, and says so', async () => {
    await expect(moveToGpu(array(Float64Array.of(1)))).rejects.toThrow(/moveToGpu: .*element type[\s\S]*float64/);
  });

  /** Linear regression by gradient descent; the losses of all steps. */
  async function losses(device: Device, weight: Variable, bias: Variable): Promise<number[]> {
    const random = new Random(3, 'regression');
    const x = array(
      Float32Array.from({ length: 64 }, () => random.normal()),
      [16, 4],
    );
    const y = array(
      Float32Array.from({ length: 16 }, (_, i) => Number(x.data[4 * i]) * 2 - Number(x.data[4 * i + 1]) + 0.5),
      [16, 1],
    );
    const run = compile(
      (inputs: Tensor, targets: Tensor) => {
        const loss = mean(square(sub(add(matmul(inputs, weight.tensor), bias.tensor), targets)));
        const gradients = grad(loss, [weight.tensor, bias.tensor]);
        return new Updated(
          { loss },
          [weight, bias].map((v, i) => [v, sub(v.tensor, mul(gradients[i]!, 0.1))] as const),
        );
      },
      { device },
    );
    const seen: number[] = [];
    for (let i = 0; i < 12; i++) {
      seen.push(Number((await run(x, y)).loss.data[0]));
      if (device.kind === 'webgpu') expect([weight, bias].every(({ value }) => isGpuArray(value))).toBe(true);
    }
    await run.release();
    return seen;
  }

  const variables = (): [Variable, Variable] => [
    new Variable('weight', array(new Float32Array(4).fill(0.1), [4, 1])),
    new Variable('bias', array(new Float32Array(1), [1])),
  ];

  test('training gives the losses of the CPU, the weights stay on the GPU and outlive the program', async () => {
    const [weight, bias] = variables();
    const onCpu = await losses(cpu({ threads: 1 }), ...variables());
    const onGpu = await losses(webgpu(), weight, bias);
    expect(onCpu.at(-1)!).toBeLessThan(onCpu[0]! / 10);
    onGpu.forEach((loss, i) => {
      expect(Math.abs(loss - onCpu[i]!)).toBeLessThan(1e-4);
    });
    expect(isGpuArray(weight.value)).toBe(true);
    // A program on the CPU brings them back by itself.
    const read = compile(() => mul(weight.tensor, 1), { device: cpu({ threads: 1 }) });
    const { data } = (await read()) as HostArray;
    expect(data.every((value) => Number.isFinite(Number(value)) && Number(value) !== 0.1)).toBe(true);
    expect(isHostArray(weight.value)).toBe(true);
    await read.release();
  });

  test('variables of all kinds are updated, one of them not read; float64 stays in memory', async () => {
    const counter = new Variable('counter', array(Int32Array.of(0), []));
    const precise = new Variable('precise', array(Float64Array.of(0.1)));
    const written = new Variable('written', array(Float32Array.of(0)));
    const kept = new Variable('kept', array(Float32Array.of(7)));
    const shared = new Variable('shared', array(Float32Array.of(0)));
    const run = compile(
      (x: Tensor) =>
        new Updated({}, [
          [counter, add(counter.tensor, 1)],
          [precise, mul(precise.tensor, 3)],
          [written, mul(x, 2)],
          [kept, kept.tensor],
        ]),
      { device: webgpu() },
    );
    await run(array(Float32Array.of(1)));
    shared.value = kept.value;
    await run(array(Float32Array.of(4)));
    const firstOf = async ({ value }: Variable): Promise<number> =>
      Number((isGpuArray(value) ? await moveToHost(value) : (value as HostArray)).data[0]);
    expect(await Promise.all([counter, written, kept].map(firstOf))).toEqual([2, 8, 7]);
    expect(isHostArray(precise.value)).toBe(true);
    expect(await firstOf(precise)).toBeCloseTo(0.9, 12);
    await run.release();
  });

  test('an op that fails is named', async () => {
    const run = compile((table: Tensor, ids: Tensor) => matmul(gather(table, ids), table), { device: webgpu() });
    const table = array(new Float32Array(6), [3, 2]);
    await expect(run(table, array(BigInt64Array.of(0n)))).rejects.toThrow(/inner sizes differ/);
  });

  test('a process that leaves everything open ends by itself, with exit code 0', () => {
    const file = path.join(repositoryRoot, 'test', 'programs', 'gpu-exit.ts');
    const options = { cwd: repositoryRoot, encoding: 'utf8', timeout: 20_000 } as const;
    expect(execFileSync(process.execPath, ['--import', 'tsx', file], options)).toBe('2\n');
  });
});
