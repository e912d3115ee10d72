/** Trains two steps on the GPU, leaves everything open, and ends: the process must do so by itself and cleanly. */
import { array } from '../../src/runtime/array.js';
import { compile, Updated } from '../../src/runtime/compile.js';
import { webgpu } from '../../src/runtime/device.js';
import { sub } from '../../src/tensor/ops/binary.js';
import { Variable } from '../../src/tensor/variable.js';

const weight = new Variable('w', array(Float32Array.of(3)));
const run = compile(() => new Updated({ weight: weight.tensor }, [[weight, sub(weight.tensor, 1)]]), {
  device: webgpu(),
});
await run();
const { weight: last } = await run();
process.stdout.write(`${last.data[0]}\n`);
