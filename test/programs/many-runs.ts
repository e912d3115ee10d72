/**
 * Calls a small training step many times, and prints the memory in use (bytes) after a tenth of the runs and after all.
 * Argument: how many runs.
 */
import { array } from '../../src/runtime/array.js';
import { compile, Updated } from '../../src/runtime/compile.js';
import { cpu } from '../../src/runtime/device.js';
import { grad } from '../../src/tensor/grad.js';
import { sub } from '../../src/tensor/ops/binary.js';
import { matmul } from '../../src/tensor/ops/matmul.js';
import { mean } from '../../src/tensor/ops/reduce.js';
import { square } from '../../src/tensor/ops/unary.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { Variable } from '../../src/tensor/variable.js';

const runs = Number(process.argv[2]);
const weight = new Variable('w', array(new Float32Array(64 * 64), [64, 64]));
const run = compile(
  (x: Tensor) => {
    const y = matmul(x, weight.tensor);
    const [gradient] = grad(mean(square(sub(y, 1))), [weight.tensor]);
    // The output, 16 KiB, is what would add up: 160 MB over 10,000 runs.
    return new Updated({ y }, [[weight, sub(weight.tensor, gradient!)]]);
  },
  { device: cpu({ threads: 1 }) },
);

async function repeat(times: number): Promise<number> {
  for (let i = 0; i < times; i++) await run(array(new Float32Array(64 * 64).fill(i % 7), [64, 64]));
  globalThis.gc?.();
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

const early = await repeat(runs / 10);
const late = await repeat((runs * 9) / 10);
process.stdout.write(`${JSON.stringify({ early, late })}\n`);
