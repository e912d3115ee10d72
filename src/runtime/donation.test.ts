import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grad } from '../tensor/grad.js';
import { add, div, minimum, mul, sub } from '../tensor/ops/binary.js';
import { equal, greater, where } from '../tensor/ops/compare.js';
import { cast } from '../tensor/ops/create.js';
import { reshape, transpose } from '../tensor/ops/layout.js';
import { matmul } from '../tensor/ops/matmul.js';
import { mean, sum } from '../tensor/ops/reduce.js';
import { erf, neg, sqrt, square, tanh } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import { type HostArray, Variable } from '../tensor/variable.js';
import { Random } from '../util/random.js';
import { array } from './array.js';
import { compile, Updated } from './compile.js';
import { cpu } from './device.js';

const device = cpu({ threads: 1 });

function drawn(seed: number, shape: readonly number[], scale = 0.5): HostArray {
  const random = new Random(seed, 'donation');
  const size = shape.reduce((p, n) => p * n, 1);
  return array(
    Float32Array.from({ length: size }, () => scale * random.normal()),
    shape,
  );
}

/** Builds the variables anew, runs several steps, and gives back the values after each. */
async function trajectory(
  shapes: readonly (readonly number[])[],
  step: (variables: readonly Variable[], x: Tensor) => Updated,
  x: HostArray,
  donate: boolean,
  steps = 4,
): Promise<{ values: number[][]; inPlace: number; doubled: number }> {
  const variables = shapes.map((shape, i) => new Variable(`v${i}`, drawn(i, shape)));
  const run = compile((input: Tensor) => step(variables, input), { device, donate });
  const values: number[][] = [];
  for (let i = 0; i < steps; i++) {
    const results = Object.values(await run(x)) as HostArray[];
    values.push(
      [...results, ...variables.map(({ value }) => value as HostArray)].flatMap(({ data }) => [...data].map(Number)),
    );
  }
  const { donations } = await run.prepare(x);
  await run.release();
  return { values, ...donations };
}

async function expectSame(
  shapes: readonly (readonly number[])[],
  step: (variables: readonly Variable[], x: Tensor) => Updated,
  x: HostArray,
): Promise<{ inPlace: number; doubled: number }> {
  const donated = await trajectory(shapes, step, x, true);
  const plain = await trajectory(shapes, step, x, false);
  expect(plain.inPlace).toBe(0);
  expect(donated.values).toEqual(plain.values);
  return donated;
}

/** A deep network with a loss, the gradients by its weights, and nothing else. */
function network(weights: readonly Variable[], x: Tensor): { loss: Tensor; gradients: Tensor[] } {
  const y = weights.reduce((h, w) => tanh(matmul(h, w.tensor)), x);
  const loss = mean(square(y));
  return {
    loss,
    gradients: grad(
      loss,
      weights.map((w) => w.tensor),
    ),
  };
}

const square4 = [
  [6, 6],
  [6, 6],
  [6, 6],
  [6, 6],
];

describe('donation', () => {
  test('an update that is coupled through the global norm runs in place, and gives the same bits', async () => {
    const clipped = (weights: readonly Variable[], x: Tensor): Updated => {
      const { loss, gradients } = network(weights, x);
      const norm = sqrt(gradients.map((g) => sum(square(g))).reduce((a, b) => add(a, b)));
      const scale = minimum(div(0.1, norm), 1);
      return new Updated(
        { loss },
        weights.map((w, i) => [w, sub(mul(w.tensor, 0.99), mul(mul(gradients[i]!, scale), 0.5))] as const),
      );
    };
    expect(await expectSame(square4, clipped, drawn(50, [3, 6], 1))).toMatchObject({ inPlace: 4, doubled: 0 });
  });

  test('a weight that a later gradient reads gets a second buffer', async () => {
    const plain = (weights: readonly Variable[], x: Tensor): Updated => {
      const { loss, gradients } = network(weights, x);
      return new Updated(
        { loss },
        weights.map((w, i) => [w, sub(w.tensor, mul(gradients[i]!, 0.5))] as const),
      );
    };
    const { inPlace, doubled } = await expectSame(square4, plain, drawn(50, [3, 6], 1));
    // The first layer's gradient comes last: nothing reads its weight afterwards. The others are read on the way to it.
    expect(inPlace).toBeLessThanOrEqual(1);
    expect(inPlace + doubled).toBe(4);
  });

  test('a reader behind a reshape is seen', async () => {
    const step = ([w]: readonly Variable[], x: Tensor): Updated => {
      const flat = reshape(w!.tensor, [36]);
      return new Updated({ late: sum(mul(flat, reshape(matmul(x, matmul(x, x)), [36]))) }, [[w!, add(w!.tensor, 1)]]);
    };
    expect(await expectSame([[6, 6]], step, drawn(51, [6, 6]))).toMatchObject({ inPlace: 0, doubled: 1 });
  });

  test('a product that could be merged with the update is seen', async () => {
    const step = ([w]: readonly Variable[], x: Tensor): Updated =>
      new Updated({}, [[w!, add(w!.tensor, matmul(w!.tensor, x))]]);
    expect(await expectSame([[6, 6]], step, drawn(52, [6, 6]))).toMatchObject({ inPlace: 0 });
    const gelu = ([w]: readonly Variable[]): Updated => {
      const x = w!.tensor;
      return new Updated({}, [[w!, mul(mul(x, add(erf(div(x, Math.SQRT2)), 1)), 0.5)]]);
    };
    expect(await expectSame([[6, 6]], gelu, drawn(52, [6, 6]))).toMatchObject({ inPlace: 0 });
  });

  test('two variables made from one array do not share its memory, and the array keeps its contents', async () => {
    const shared = drawn(1, [4]);
    const before = [...shared.data];
    const [a, b] = [new Variable('a', shared), new Variable('b', shared)];
    const run = compile(
      () =>
        new Updated({}, [
          [a, add(a.tensor, 1)],
          [b, sub(b.tensor, 1)],
        ]),
      { device },
    );
    await run();
    await run();
    expect([...shared.data]).toEqual(before);
    const at = (v: Variable): number[] => [...(v.value as HostArray).data].map(Number);
    at(a).forEach((value, i) => {
      expect(value).toBeCloseTo(Number(before[i]) + 2, 5);
      expect(at(b)[i]).toBeCloseTo(Number(before[i]) - 2, 5);
    });
    await run.release();
  });

  test('calls that overlap do not lose an update', async () => {
    const counter = new Variable('counter', array(Float32Array.of(0)));
    const run = compile(() => new Updated({ seen: counter.tensor }, [[counter, add(counter.tensor, 1)]]), { device });
    const seen = await Promise.all(Array.from({ length: 5 }, () => run()));
    expect(seen.map((result) => result.seen.data[0])).toEqual([0, 1, 2, 3, 4]);
    expect((counter.value as HostArray).data[0]).toBe(5);
    await run.release();
  });

  test('a variable is updated once in a program', async () => {
    const v = new Variable('twice', array(Float32Array.of(0)));
    const run = compile(
      () =>
        new Updated({}, [
          [v, add(v.tensor, 1)],
          [v, add(v.tensor, 2)],
        ]),
      { device },
    );
    await expect(run()).rejects.toThrow(/variable twice: two updates/);
  });

  test('random graphs give the same bits with donation and without', async () => {
    const choice = fc.record({
      op: fc.constantFrom(
        'add',
        'sub',
        'mul',
        'matmul',
        'transpose',
        'reshape',
        'where',
        'tanh',
        'neg',
        'mean',
        'cast',
      ),
      a: fc.nat(40),
      b: fc.nat(40),
    });
    let inPlace = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(choice, { minLength: 3, maxLength: 14 }),
        fc.array(fc.nat(40), { minLength: 3, maxLength: 3 }),
        async (choices, wanted) => {
          const step = (variables: readonly Variable[], x: Tensor): Updated => {
            const pool: Tensor[] = [x, ...variables.map((v) => v.tensor)];
            for (const { op, a, b } of choices) {
              const [left, right] = [pool[a % pool.length]!, pool[b % pool.length]!];
              pool.push(grow(op, left, right));
            }
            const updates = variables.map((v, i) => [v, blend(pool[wanted[i]! % pool.length]!, v.tensor)] as const);
            return new Updated({ last: sum(pool.at(-1)!) }, updates);
          };
          const result = await expectSame(
            [
              [3, 3],
              [3, 3],
              [3, 3],
            ],
            step,
            drawn(53, [3, 3]),
          );
          inPlace += result.inPlace;
        },
      ),
      { numRuns: 60, seed: 7 },
    );
    expect(inPlace).toBeGreaterThan(10);
  });
});

/** An update that ends in an element-wise node, as optimizers have it. */
function blend(x: Tensor, old: Tensor): Tensor {
  return sub(mul(old, 0.5), mul(x, 0.25));
}

function grow(op: string, a: Tensor, b: Tensor): Tensor {
  switch (op) {
    case 'add':
      return add(a, b);
    case 'sub':
      return sub(a, b);
    case 'mul':
      return mul(a, 1);
    case 'matmul':
      return tanh(matmul(a, b));
    case 'transpose':
      return transpose(a);
    case 'reshape':
      return reshape(add(reshape(a, [9]), reshape(b, [9])), [3, 3]);
    case 'where':
      return where(greater(a, b), a, b);
    case 'tanh':
      return tanh(a);
    case 'neg':
      return neg(b);
    case 'mean':
      return mul(add(a, mean(b)), cast(equal(b, b), 'float32'));
    default:
      return cast(cast(a, 'float64'), 'float32');
  }
}
