import { describe, expect, test } from 'vitest';
import {
  computed,
  dot,
  drawNormal,
  drawTensor,
  largestError,
  plainLinear,
  plainRmsNorm,
  plainRotary,
  plainSoftmax,
  type Rows,
  randomize,
  rowsOf,
  weightRows,
} from '../../test/plain-layers.js';
import { causalMask } from '../tensor/ops/attention.js';
import { tensor } from '../tensor/ops/create.js';
import { Attention, type AttentionConfig } from './attention.js';
import { rotaryTables } from './rope.js';

interface PlainContext {
  /** Whether query t may look at key s. */
  readonly sees?: (t: number, s: number) => boolean;
  readonly positions?: readonly number[];
  readonly memory?: Rows;
}

/** One row of the batch, head by head and query by query. */
function plainAttention(layer: Attention, x: Rows, { sees = () => true, positions, memory = x }: PlainContext): Rows {
  const { width, heads, keyHeads = heads, headWidth = width / heads, epsilon = 1e-5 } = layer.config;
  const headOf = (rows: Rows, head: number, norm?: typeof layer.queryNorm): Rows =>
    rows.map((row, t) => {
      const cut = row.slice(head * headWidth, (head + 1) * headWidth);
      const normal = norm ? plainRmsNorm(cut, weightRows(norm.weight)[0]!, epsilon) : cut;
      return positions ? plainRotary(normal, positions[t]!, 10_000) : normal;
    });
  const [q, k, v] = [plainLinear(x, layer.q), plainLinear(memory, layer.k), plainLinear(memory, layer.v)] as const;
  const joined: number[][] = x.map(() => []);
  for (let head = 0; head < heads; head++) {
    const shared = Math.floor((head * keyHeads) / heads);
    const [queries, keys] = [headOf(q, head, layer.queryNorm), headOf(k, shared, layer.keyNorm)];
    for (const [t, query] of queries.entries()) {
      const scores = keys.map((key) => dot(query, key) / Math.sqrt(headWidth));
      const weights = plainSoftmax(
        scores,
        keys.map((_, s) => sees(t, s)),
      );
      for (let i = 0; i < headWidth; i++) {
        const column = v.map((row) => row[shared * headWidth + i]!);
        joined[t]!.push(dot(weights, column));
      }
    }
  }
  return plainLinear(joined, layer.o);
}

const [WIDTH, TIME] = [8, 5];
const BATCH = [0, 1] as const;
const x = drawTensor(9, [2, TIME, WIDTH]);
const rows = BATCH.map((b) => rowsOf(drawNormal(9, 2 * TIME * WIDTH), WIDTH).slice(b * TIME, (b + 1) * TIME));
const sequence = [0, 1, 2, 3, 4];

const CONFIGS: Record<string, AttentionConfig> = {
  'one head': { width: WIDTH, heads: 1 },
  'four heads': { width: WIDTH, heads: 4 },
  'four heads on two': { width: WIDTH, heads: 4, keyHeads: 2 },
  'four heads on one': { width: WIDTH, heads: 4, keyHeads: 1 },
  'heads wider than the whole': { width: WIDTH, heads: 2, headWidth: 6 },
  biases: { width: WIDTH, heads: 2, bias: true },
  'no bias at the output': { width: WIDTH, heads: 2, bias: true, outputBias: false },
  'normalised queries and keys': { width: WIDTH, heads: 4, keyHeads: 2, queryKeyNorm: true, epsilon: 0.01 },
};

describe.each(Object.entries(CONFIGS))('%s', (_, config) => {
  const layer = randomize(new Attention(config), 1);

  test('every query sees all', () => {
    const expected = rows.flatMap((row) => plainAttention(layer, row, {})).flat();
    const y = layer.forward(x, {});
    expect(y.shape).toEqual([2, TIME, WIDTH]);
    expect(largestError(computed(y), expected)).toBeLessThan(1e-6);
  });

  test('causal, with rotary positions', () => {
    const context = { sees: (t: number, s: number) => s <= t, positions: sequence };
    const expected = rows.flatMap((row) => plainAttention(layer, row, context)).flat();
    const rotation = rotaryTables(16, config.headWidth ?? WIDTH / config.heads);
    const y = layer.forward(x, { mask: causalMask(TIME), rotation });
    expect(largestError(computed(y), expected)).toBeLessThan(1e-6);
    const given = layer.forward(x, { mask: causalMask(TIME), rotation, positions: tensor([sequence], 'int64') });
    expect(computed(given)).toEqual(computed(y));
  });
});

test('documents in one row do not see each other, and each counts its own positions', () => {
  const layer = randomize(new Attention({ width: WIDTH, heads: 4, keyHeads: 2 }), 2);
  const segments = [
    [0, 0, 1, 1, 1],
    [3, 4, 4, 4, 5],
  ];
  const positions = [
    [0, 1, 0, 1, 2],
    [0, 0, 1, 2, 0],
  ];
  const mask = causalMask(TIME, 'float32', tensor(segments, 'int64'));
  const y = layer.forward(x, { mask, positions: tensor(positions, 'int64'), rotation: rotaryTables(8, 2) });
  const expected = rows.map((row, b) =>
    plainAttention(layer, row, {
      sees: (t, s) => s <= t && segments[b]![t] === segments[b]![s],
      positions: positions[b]!,
    }),
  );
  expect(largestError(computed(y), expected.flat(2))).toBeLessThan(1e-6);
  // The second document of the first row gives what it gives alone.
  const alone = plainAttention(layer, rows[0]!.slice(2), { sees: (t, s) => s <= t, positions: [0, 1, 2] });
  expect(largestError(computed(y).slice(2 * WIDTH, 5 * WIDTH), alone.flat())).toBeLessThan(1e-6);
});

test('padding that is masked out changes nothing; a query that sees nothing stays finite', () => {
  const layer = randomize(new Attention({ width: WIDTH, heads: 2 }), 3);
  const lengths = [3, 5];
  const mask = tensor(lengths.map((length) => [sequence.map(() => sequence.map((s) => (s < length ? 0 : -1e9)))]));
  const expected = rows.map((row, b) => plainAttention(layer, row, { sees: (_, s) => s < lengths[b]! }));
  expect(largestError(computed(layer.forward(x, { mask })), expected.flat(2))).toBeLessThan(1e-6);
  const nothing = tensor([[sequence.map(() => sequence.map(() => -1e9))]]);
  expect(computed(layer.forward(x, { mask: nothing })).every(Number.isFinite)).toBe(true);
});

test.each([undefined, 2])('cross-attention reads another sequence, key heads: %s', (keyHeads) => {
  const layer = randomize(new Attention({ width: WIDTH, heads: 4, ...(keyHeads ? { keyHeads } : {}) }), 4);
  const memoryRows = rowsOf(drawNormal(31, 2 * 3 * WIDTH), WIDTH);
  const memory = drawTensor(31, [2, 3, WIDTH]);
  const expected = rows.flatMap((row, b) =>
    plainAttention(layer, row, { memory: memoryRows.slice(3 * b, 3 * b + 3), sees: (_, s) => b === 0 || s !== 1 }),
  );
  const mask = tensor([[sequence.map(() => [0, 0, 0])], [sequence.map(() => [0, -1e9, 0])]]);
  expect(largestError(computed(layer.forward(x, { memory, mask })), expected.flat())).toBeLessThan(1e-6);
  expect(() => layer.forward(x, { memory, rotation: rotaryTables(8, 2) })).toThrow(/cross-attention/);
});

test.each([
  [{ width: 8, heads: 3 }, /width 8, 3 heads/],
  [{ width: 8, heads: 4, keyHeads: 3 }, /4 heads, 3 key heads/],
])('heads that do not fit are refused: %o', (config, message) => {
  expect(() => new Attention(config)).toThrow(message);
});
