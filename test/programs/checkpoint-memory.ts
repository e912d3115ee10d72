/** Runs one training step of a deep network and prints the peak of the process's memory; `recompute` as argument. */
import { array } from '../../src/runtime/array.js';
import { compile } from '../../src/runtime/compile.js';
import { cpu } from '../../src/runtime/device.js';
import { grad } from '../../src/tensor/grad.js';
import { checkpoint } from '../../src/tensor/ops/control.js';
import { matmul } from '../../src/tensor/ops/matmul.js';
import { mean } from '../../src/tensor/ops/reduce.js';
import { square, tanh } from '../../src/tensor/ops/unary.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { Variable } from '../../src/tensor/variable.js';

const [layers, block, rows, width] = [32, 6, 16384, 64];
const weights = Array.from(
  { length: layers },
  (_, i) => new Variable(`w${i}`, array(new Float32Array(width * width).fill(0.01), [width, width])),
);

function step(x: Tensor): Tensor[] {
  let h = x;
  for (let start = 0; start < layers; start += block) {
    const region = (input: Tensor): Tensor =>
      weights.slice(start, start + block).reduce((y, w) => tanh(matmul(y, w.tensor)), input);
    h = process.argv[2] === 'recompute' ? checkpoint(region)(h) : region(h);
  }
  return grad(
    mean(square(h)),
    weights.map((w) => w.tensor),
  );
}

const run = compile(step, { device: cpu({ threads: 1 }) });
await run(array(new Float32Array(rows * width).fill(0.1), [rows, width]));
process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);
