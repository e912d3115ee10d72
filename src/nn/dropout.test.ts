import { expect, test } from 'vitest';
import { computed, drawNormal, largestError } from '../../test/plain-layers.js';
import { Sgd } from '../optim/sgd.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { grad } from '../tensor/grad.js';
import { reluSquared } from '../tensor/ops/activation.js';
import { mul, sub } from '../tensor/ops/binary.js';
import { tensor } from '../tensor/ops/create.js';
import { dropout, normal, randomBits, uniform } from '../tensor/ops/random.js';
import { sum } from '../tensor/ops/reduce.js';
import { square } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import { type HostArray, numbersOf } from '../tensor/variable.js';
import { TrainStep } from '../train/step.js';
import { philox4x32 } from '../util/random.js';
import { Linear } from './linear.js';
import { initialize, Module, weightsOf } from './module.js';

const device = cpu({ threads: 1 });
const key = (a: number, b: number) => array(BigInt64Array.of(BigInt(a), BigInt(b)));

test('random words on the device are the Philox blocks of the key and the tag', async () => {
  const draw = compile((k: Tensor) => [randomBits(k, [10], 3), uniform(k, [10], 'float32', 3)], { device });
  for (const [a, b] of [
    [0, 0],
    [0xffffffff, 0xffffffff],
    [0xa4093822, 0x299f31d0],
  ] as const) {
    const expected = new Uint32Array(12);
    for (let block = 0; block < 3; block++) philox4x32([block, 0, 3, 0], [a, b], expected, 4 * block);
    const [words, numbers] = (await draw(key(a, b))) as HostArray[];
    expect(numbersOf(words!)).toEqual([...expected.slice(0, 10)]);
    expect(numbersOf(numbers!)).toEqual([...expected.slice(0, 10)].map((word) => (word >>> 8) * 2 ** -24));
  }
  await draw.release();
});

test('normal numbers have the moments of a normal', () => {
  const values = computed(normal(tensor([4, 5], 'int64'), [100, 100]));
  const moment = (power: number): number => values.reduce((s, x) => s + x ** power, 0) / values.length;
  for (const [power, expected, tolerance] of [
    [1, 0, 0.04],
    [2, 1, 0.06],
    [3, 0, 0.2],
    [4, 3, 0.5],
  ] as const) {
    expect(Math.abs(moment(power) - expected)).toBeLessThan(tolerance);
  }
});

test('drops at its rate, scales what stays, and lets the gradient through where the value went through', () => {
  const x = tensor([...drawNormal(1, 8000)]);
  const y = dropout(x, 0.3, tensor([1, 2], 'int64'));
  const [before, after, gradient] = [computed(x), computed(y), computed(grad(sum(mul(y, 3)), [x])[0]!)];
  const dropped = after.filter((value) => value === 0).length / after.length;
  expect(Math.abs(dropped - 0.3)).toBeLessThan(0.02);
  expect(
    largestError(
      after,
      before.map((value, i) => (after[i] === 0 ? 0 : value / 0.7)),
    ),
  ).toBeLessThan(1e-6);
  expect(
    largestError(
      gradient,
      after.map((value) => (value === 0 ? 0 : 3 / 0.7)),
    ),
  ).toBeLessThan(1e-6);
  expect(dropout(x, 0, tensor([1, 2], 'int64'))).toBe(x);
  for (const rate of [-0.1, 1]) expect(() => dropout(x, rate, tensor([1, 2], 'int64'))).toThrow(/rate/);
});

class Network extends Module {
  readonly up = new Linear({ inputs: 4, outputs: 16 });
  readonly down = new Linear({ inputs: 16, outputs: 4 });

  forward(x: Tensor, dropoutKey: Tensor): Tensor {
    const dropped = dropout(x, 0.2, dropoutKey, 0);
    return this.down.forward(dropout(reluSquared(this.up.forward(dropped)), 0.5, dropoutKey, 1));
  }
}

/** The losses and the last weights of steps on one batch, with a key for each. */
async function train(keys: readonly (readonly [number, number])[], learningRate: number) {
  const model = initialize(new Network(), 1);
  for (const [i, parameter] of model.parameters().entries()) {
    weightsOf(parameter).set(drawNormal(60 + i, parameter.size, 0.5));
  }
  const x = array(drawNormal(70, 32), [8, 4]);
  const step = new TrainStep({
    model,
    loss: (batch) => sum(square(sub(model.forward(batch.x!, batch.key!), batch.x!))),
    optimizer: new Sgd(model.trainableParameters()),
    clipNorm: 1,
    device,
  });
  const losses: number[] = [];
  for (const [i, [a, b]] of keys.entries()) {
    losses.push((await step.run([{ x, key: key(a, b) }], 32, i + 1, learningRate)).lossSum);
  }
  await step.release();
  return { losses, weights: model.parameters().flatMap((parameter) => [...weightsOf(parameter)]) };
}

test('a training step drops anew with each key, and the same with the same', async () => {
  const keys = [
    [7, 1],
    [7, 2],
    [7, 3],
    [8, 1],
  ] as const;
  const still = await train([...keys, ...keys], 0);
  expect(new Set(still.losses).size).toBe(4);
  expect(still.losses.slice(4)).toEqual(still.losses.slice(0, 4));
  const [first, again, other] = [await train(keys, 0.1), await train(keys, 0.1), await train(keys.toReversed(), 0.1)];
  expect(again).toEqual(first);
  expect(other.weights).not.toEqual(first.weights);
});
