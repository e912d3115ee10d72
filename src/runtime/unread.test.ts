import { expect, test } from 'vitest';
import { add, mul } from '../tensor/ops/binary.js';
import { sum } from '../tensor/ops/reduce.js';
import { type HostArray, Variable } from '../tensor/variable.js';
import { array } from './array.js';
import { compile, Updated } from './compile.js';
import { cpu } from './device.js';

test('a program that updates variables copies none of them for its result', async () => {
  const size = 1_000_000;
  const weights = new Variable('weights', array(new Float32Array(size).fill(1), [size]));
  const run = compile(
    (x: never) => new Updated({ total: sum(weights.tensor) }, [[weights, add(weights.tensor, mul(x, 2))]]),
    { device: cpu({ threads: 1 }) },
  );
  const one = array(Float32Array.of(1), [1]);
  // The first runs find the two buffers that take turns.
  const first = await run(one);
  await run(one);
  const before = process.memoryUsage().arrayBuffers;
  const third = await run(one);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(size);
  // The results of one run are not those of the next.
  expect([first.total.data[0], third.total.data[0]]).toEqual([size, 5 * size]);
  expect((weights.value as HostArray).data[size - 1]).toBe(7);
  await run.release();
});
