/**
 * A function over tensors, traced, differentiated, written as ONNX and run: gradient descent on a line.
 *
 *     npx tsx examples/trace-and-differentiate.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { encodeModel } from '../src/onnx/writer.js';
import { array } from '../src/runtime/array.js';
import { compile, Updated } from '../src/runtime/compile.js';
import { grad } from '../src/tensor/grad.js';
import { mul, sub } from '../src/tensor/ops/binary.js';
import { matmul } from '../src/tensor/ops/matmul.js';
import { mean } from '../src/tensor/ops/reduce.js';
import { square } from '../src/tensor/ops/unary.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { type HostArray, numbersOf, Variable } from '../src/tensor/variable.js';

const LEARNING_RATE = 0.5;

/** Mean squared error of a linear model: `mean((x · w − y)²)`; x `[N, 2]`, w `[2, 1]`, y `[N, 1]`. */
function cost(weights: Tensor, x: Tensor, y: Tensor): Tensor {
  return mean(square(sub(matmul(x, weights), y)));
}

export interface LineFit {
  readonly slope: number;
  readonly intercept: number;
  /** Of every step, before its update. */
  readonly costs: readonly number[];
  /** The step as an ONNX model: forward, backward and the new weights. */
  readonly model: Uint8Array;
}

/** Fits `y = 2x + 1` by batch gradient descent. */
export async function fitLine(steps: number): Promise<LineFit> {
  const weights = new Variable('weights', array(new Float32Array(2), [2, 1]));
  // Nothing is computed here: the function is recorded, and its gradient is more of the same graph.
  const step = compile((x: Tensor, y: Tensor) => {
    const value = cost(weights.tensor, x, y);
    const [gradient] = grad(value, [weights.tensor]);
    return new Updated(value, [[weights, sub(weights.tensor, mul(gradient!, LEARNING_RATE))]]);
  });

  const places = [-1, -0.5, 0, 0.5, 1];
  const x = array(Float32Array.from(places.flatMap((place) => [place, 1])), [places.length, 2]);
  const y = array(
    Float32Array.from(places, (place) => 2 * place + 1),
    [places.length, 1],
  );
  const costs: number[] = [];
  for (let i = 0; i < steps; i++) costs.push(numbersOf(await step(x, y))[0]!);

  const { model } = await step.prepare(x, y);
  await step.release();
  const [slope, intercept] = numbersOf(weights.value as HostArray);
  return { slope: slope!, intercept: intercept!, costs, model: encodeModel(model) };
}

if (process.argv[1] === import.meta.filename) {
  const { slope, intercept, costs, model } = await fitLine(20);
  mkdirSync('runs', { recursive: true });
  writeFileSync('runs/line-step.onnx', model);
  console.log(`cost ${costs[0]!.toFixed(3)} → ${costs.at(-1)!.toExponential(1)} in ${costs.length} steps`);
  console.log(`y = ${slope.toFixed(3)} x + ${intercept.toFixed(3)}`);
  console.log(`The step is in runs/line-step.onnx (${model.length} bytes), which any ONNX Runtime can run.`);
}
