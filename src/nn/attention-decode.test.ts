import { expect, test } from 'vitest';
import { drawNormal, drawTensor, largestError, randomize } from '../../test/plain-layers.js';
import { array } from '../runtime/array.js';
import { compile, Updated } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { causalMask } from '../tensor/ops/attention.js';
import { tensor } from '../tensor/ops/create.js';
import type { Tensor } from '../tensor/tensor.js';
import { type HostArray, numbersOf, Variable } from '../tensor/variable.js';
import { Attention, cachedHeadWidth } from './attention.js';
import { rotaryTables } from './rope.js';

const device = cpu({ threads: 1 });
const [WIDTH, TIME, CAPACITY] = [24, 7, 12];

/** An empty cache, and the program that enters new positions into it. */
function decoder(layer: Attention, batch: number, turned: boolean) {
  const { heads, keyHeads = heads, headWidth = WIDTH / heads } = layer.config;
  const rotation = turned ? rotaryTables(CAPACITY, headWidth) : undefined;
  const shape = [batch, keyHeads, CAPACITY, cachedHeadWidth(headWidth)];
  const empty = (name: string): Variable =>
    new Variable(name, array(new Float32Array(shape.reduce((p, n) => p * n, 1)), shape));
  const [keys, values] = [empty('keys'), empty('values')];
  const run = compile(
    (x: Tensor, lastPositions: Tensor, total: Tensor) => {
      const cache = { keys: keys.tensor, values: values.tensor, lastPositions, total };
      const step = layer.decode(x, cache, rotation);
      return new Updated({ y: step.y }, [
        [keys, step.keys],
        [values, step.values],
      ]);
    },
    { device },
  );
  const full = compile((x: Tensor) => layer.forward(x, { mask: causalMask(TIME), ...(rotation ? { rotation } : {}) }), {
    device,
  });
  return {
    /** Outputs of the new positions `x [B, T, width]`, whose rows then hold `lengths` positions. */
    async step(x: HostArray, lengths: readonly number[]): Promise<number[]> {
      const last = array(Int32Array.from(lengths, (length) => length - 1));
      return numbersOf((await run(x, last, array(Int32Array.of(Math.max(...lengths))))).y);
    },
    full: async (x: HostArray): Promise<number[]> => numbersOf((await full(x)) as HostArray),
    release: async (): Promise<void> => {
      await run.release();
      await full.release();
    },
  };
}

/** Positions `[from, to)` of rows of `width · TIME` numbers. */
function cut(values: ArrayLike<number>, batch: number, from: number, to: number): Float32Array {
  return Float32Array.from(
    Array.from({ length: batch }, (_, b) => b * TIME * WIDTH).flatMap((at) =>
      Array.prototype.slice.call(values, at + from * WIDTH, at + to * WIDTH),
    ),
  );
}

test.each([
  ['rotation inside the node', { heads: 4, keyHeads: 2, headWidth: 16 }, true],
  ['rotation before the node', { heads: 4, keyHeads: 2, headWidth: 6 }, true],
  ['rotation before the node, no padding', { heads: 3, keyHeads: 1, headWidth: 8 }, true],
  ['padding without rotation', { heads: 2, keyHeads: 2, headWidth: 12 }, false],
  ['no rotation', { heads: 3, keyHeads: 3, headWidth: 8 }, false],
  ['normalised, rotation inside', { heads: 2, keyHeads: 1, headWidth: 16, queryKeyNorm: true }, true],
  ['normalised, rotation before', { heads: 4, keyHeads: 1, headWidth: 6, queryKeyNorm: true }, true],
  ['biases', { heads: 2, keyHeads: 2, headWidth: 16, bias: true }, true],
] as const)('cached decoding equals the full pass: %s', async (_, config, turned) => {
  const layer = randomize(new Attention({ width: WIDTH, ...config }), 5, 0.3);
  const values = drawNormal(41, 2 * TIME * WIDTH);
  const decode = decoder(layer, 2, turned);
  const expected = await decode.full(array(values, [2, TIME, WIDTH]));
  for (const [from, to] of [
    [0, 4],
    [4, 5],
    [5, 6],
    [6, 7],
  ] as const) {
    const y = await decode.step(array(cut(values, 2, from, to), [2, to - from, WIDTH]), [to, to]);
    expect(largestError(y, [...cut(expected, 2, from, to)]), `positions ${from} to ${to}`).toBeLessThan(1e-5);
  }
  await decode.release();
});

test.each([16, 6])('rows of unequal lengths decode as each would alone, heads of width %i', async (headWidth) => {
  const layer = randomize(new Attention({ width: WIDTH, heads: 2, headWidth }), 6, 0.3);
  const values = drawNormal(43, 2 * TIME * WIDTH);
  const decode = decoder(layer, 2, true);
  const expected = await decode.full(array(values, [2, TIME, WIDTH]));
  const row = (b: number, from: number, to: number): Float32Array =>
    cut(values.subarray(b * TIME * WIDTH), 1, from, to);
  // The prompts have 5 and 3 positions; the second is padded on the right with something that must not matter.
  const prompts = cut(values, 2, 0, 5);
  prompts.fill(7, (5 + 3) * WIDTH);
  const first = await decode.step(array(prompts, [2, 5, WIDTH]), [5, 3]);
  expect(largestError(first.slice(0, 5 * WIDTH), expected.slice(0, 5 * WIDTH))).toBeLessThan(1e-5);
  const second = TIME * WIDTH;
  expect(largestError(first.slice(5 * WIDTH, 8 * WIDTH), expected.slice(second, second + 3 * WIDTH))).toBeLessThan(
    1e-5,
  );
  for (const [a, b] of [
    [5, 3],
    [6, 4],
  ] as const) {
    const x = Float32Array.from([...row(0, a, a + 1), ...row(1, b, b + 1)]);
    const y = await decode.step(array(x, [2, 1, WIDTH]), [a + 1, b + 1]);
    const want = [
      ...expected.slice(a * WIDTH, (a + 1) * WIDTH),
      ...expected.slice(second + b * WIDTH, second + (b + 1) * WIDTH),
    ];
    expect(largestError(y, want), `positions ${a} and ${b}`).toBeLessThan(1e-5);
  }
  await decode.release();
});

test('a cache of another width is refused', () => {
  const layer = new Attention({ width: WIDTH, heads: 4 });
  const narrow = new Variable('keys', array(new Float32Array(4 * 2 * 6), [1, 4, 2, 6])).tensor;
  const [lastPositions, total] = [tensor([0], 'int32'), tensor([1], 'int32')];
  const cache = { keys: narrow, values: narrow, lastPositions, total };
  expect(() => layer.decode(drawTensor(1, [1, 1, WIDTH]), cache)).toThrow(/8\] for heads of width 6/);
});
