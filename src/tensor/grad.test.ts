import { expect, test } from 'vitest';
import { grad, gradientsOf, valueAndGrad } from './grad.js';
import { defineSingleOutputOp } from './op.js';
import { attention } from './ops/attention.js';
import { add, div, mul, sub } from './ops/binary.js';
import { checkpoint, stopGradient } from './ops/control.js';
import { constant, scalar, tensor } from './ops/create.js';
import { linearCrossEntropy } from './ops/cross-entropy.js';
import { matmul } from './ops/matmul.js';
import { layerNorm, rmsNorm } from './ops/normalization.js';
import { sum } from './ops/reduce.js';
import { softmax } from './ops/softmax.js';
import { exp, sin, square, tanh } from './ops/unary.js';
import { interpret } from './reference.js';
import type { Tensor } from './tensor.js';
import { input } from './variable.js';

const valuesOf = (...tensors: Tensor[]): number[][] => interpret(tensors).map(({ data }) => [...data]);
const close = (actual: readonly number[], expected: readonly number[], digits = 8): void => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i]!, digits);
};

test('gradients of gradients', () => {
  const x = tensor(0.7, 'float64');
  const y = mul(exp(x), sin(x));
  const [first] = grad(y, [x]);
  const [second] = grad(first!, [x]);
  const [third] = grad(second!, [x]);
  const [e, s, c] = [Math.exp(0.7), Math.sin(0.7), Math.cos(0.7)];
  close(valuesOf(first!, second!, third!).flat(), [e * (s + c), 2 * e * c, 2 * e * (c - s)]);
});

/** The gradient's own gradient along a direction, against the difference of two gradients. */
function checkSecondOrder(fn: (x: Tensor) => Tensor, shape: readonly number[]): void {
  const size = shape.reduce((p, n) => p * n, 1);
  const x = input('x', 'float64', shape);
  const direction = Float64Array.from({ length: size }, (_, i) => Math.cos(3 * i + 1));
  const [gradient] = grad(fn(x), [x]);
  const [product] = gradientsOf([gradient!], [constant(direction, shape, 'float64')], [x]);
  const at = (tensor: Tensor, h: number): number[] => {
    const data = Float64Array.from(direction, (d, i) => Math.sin(i + 0.3) + h * d);
    return [...interpret([tensor], new Map([[x, { dtype: 'float64', shape, data }]]))[0]!.data];
  };
  const [above, below] = [at(gradient!, 1e-5), at(gradient!, -1e-5)];
  const differences = above.map((value, i) => (value - below[i]!) / 2e-5);
  close(at(product!, 0), differences, 5);
}

test.each<[string, (x: Tensor) => Tensor, readonly number[]]>([
  ['softmax', (x) => sum(square(softmax(x))), [2, 3]],
  ['rmsNorm', (x) => sum(tanh(rmsNorm(x, tensor([1, 2, -1], 'float64')))), [2, 3]],
  ['matmul', (x) => sum(tanh(matmul(x, x, { transposeB: true, alpha: 0.5 }))), [2, 3]],
  ['attention', (x) => sum(square(attention(x, x, x))), [1, 2, 3, 2]],
  ['layerNorm', (x) => sum(tanh(layerNorm(x, tensor([1, 2, -1], 'float64'), undefined))), [2, 3]],
  ['linearCrossEntropy', (x) => sum(tanh(linearCrossEntropy(x, mul(x, 0.5), tensor([1, 0], 'int64')))), [2, 3]],
  ['checkpoint', (x) => sum(checkpoint((y: Tensor) => tanh(mul(y, exp(y))))(x)), [4]],
])('the second derivative through %s', (_, fn, shape) => {
  checkSecondOrder(fn, shape);
});

test('no gradient passes stopGradient', () => {
  const x = tensor(3, 'float64');
  close(valuesOf(...grad(mul(x, stopGradient(square(x))), [x])).flat(), [9]);
  expect(() => grad(stopGradient(x), [x])).toThrow(/does not depend[\s\S]*stopGradient/);
  expect(() => grad(tensor([1, 2]), [x])).toThrow(/floating scalar/);
});

test('a total derivative goes through other tensors that are asked for', () => {
  const w = tensor(2, 'float64');
  const h = square(w);
  close(valuesOf(...grad(mul(h, w), [w, h])).flat(), [12, 2]);
  const { value, gradients } = valueAndGrad((a, b) => div(a, b))(w, scalar(4, 'float64'));
  close(valuesOf(value, ...gradients).flat(), [0.5, 0.25, -0.125]);
});

test('recomputation counts each way once', () => {
  const w = tensor([0.3, -0.2], 'float64');
  const scale = exp(w);
  // The region's input was made from the weight that it captures, one captured tensor from another, and the input is
  // used as such and from outside.
  const h = mul(w, 2);
  const region = (x: Tensor): Tensor => tanh(add(mul(mul(x, w), scale), sub(h, x)));
  const expected = valuesOf(...grad(sum(region(h)), [w])).flat();
  close(valuesOf(...grad(sum(checkpoint(region)(h)), [w])).flat(), expected);
});

test('an op without a rule of its own gets its gradient from its parts, also where its inputs are one tensor', () => {
  const weightedSquare = defineSingleOutputOp<null>({
    name: 'testWeightedSquare',
    infer: ([a]) => [a!],
    decompose: ([a, b]) => [mul(mul(a!, a!), b!)],
  });
  const x = tensor([2, 3], 'float64');
  close(valuesOf(...grad(sum(weightedSquare([x, x], null)), [x])).flat(), [12, 27]);
  const y = exp(x);
  const expected = [2, 3].map((value) => 3 * Math.exp(3 * value));
  close(
    valuesOf(...grad(sum(weightedSquare([x, y], null)), [x])).flat(),
    [2, 3].map((v) => (2 * v + v * v) * Math.exp(v)),
  );
  close(valuesOf(...grad(sum(weightedSquare([y, y], null)), [x])).flat(), expected, 6);
});
