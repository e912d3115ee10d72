import { expect, it } from 'vitest';
import { Llama } from '../models/llama.js';
import { InputError } from '../util/errors.js';
import { KeyValueCache } from './cache.js';

const model = new Llama({
  vocabularySize: 5,
  width: 16,
  layers: 2,
  heads: 2,
  keyHeads: 2,
  hidden: 8,
  positions: 20,
  theta: 100,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
});

/** The number that stands for a place of the cache. */
const mark = (row: number, head: number, position: number, i: number): number =>
  1000 * row + 100 * head + position + i / 10;

function filled(rows: number, capacity: number): KeyValueCache {
  const cache = new KeyValueCache(model);
  cache.reserve(rows, capacity, capacity);
  for (const { shape, data } of cache.view(0, rows)) {
    const [, heads, , width] = shape as [number, number, number, number];
    for (let n = 0; n < data.length; n++) {
      const place = Math.floor(n / width);
      const [head, row] = [Math.floor(place / capacity) % heads, Math.floor(place / capacity / heads)];
      data[n] = mark(row, head, place % capacity, n % width);
    }
  }
  return cache;
}

/** The marks of a row's first positions, from the last buffer. */
function contents(cache: KeyValueCache, row: number, length: number): number[] {
  const { shape, data } = cache.view(row, 1).at(-1)!;
  const [, heads, capacity, width] = shape as [number, number, number, number];
  const numbers: number[] = [];
  for (let head = 0; head < heads; head++) {
    for (let n = 0; n < length * width; n++) numbers.push(data[head * capacity * width + n] as number);
  }
  return numbers;
}

it('doubles up to the positions of the model and keeps what is inside', () => {
  const cache = filled(2, 3);
  cache.append(0, [1, 2, 3]);
  cache.append(1, [4]);
  const expected = [contents(cache, 0, 3), contents(cache, 1, 1)];
  cache.reserve(3, 7, 1);
  expect(cache.capacity).toBe(12);
  expect(cache.rowCount).toBe(3);
  expect([contents(cache, 0, 3), contents(cache, 1, 1)]).toEqual(expected);
  cache.reserve(1, 13, 1);
  expect(cache.capacity).toBe(20);
  expect(cache.rowCount).toBe(3);
  expect([contents(cache, 0, 3), contents(cache, 1, 1)]).toEqual(expected);
  expect(() => cache.reserve(1, 21, 1)).toThrow(InputError);
});

it('finds the row with the longest beginning, and copies it', () => {
  const cache = filled(3, 10);
  cache.append(0, [1, 2, 3, 4]);
  cache.append(1, [1, 2, 9]);
  const expected = contents(cache, 0, 3);
  expect(cache.claim(2, [1, 2, 3, 5, 6])).toBe(3);
  expect(contents(cache, 2, 3)).toEqual(expected);
  expect([cache.length(0), cache.length(1), cache.length(2)]).toEqual([4, 3, 3]);
});

it('keeps the row’s own beginning, leaves one id to read, and gives up the rest', () => {
  const cache = filled(1, 10);
  cache.append(0, [1, 2, 3, 4]);
  expect(cache.claim(0, [1, 2, 3, 4, 5])).toBe(4);
  expect(cache.claim(0, [1, 2, 3, 4])).toBe(3);
  expect(cache.claim(0, [7, 2])).toBe(0);
  expect(cache.length(0)).toBe(0);
});

it('gives views of neighbouring rows over its own memory', () => {
  const cache = filled(3, 4);
  const [keys] = cache.view(1, 2);
  expect(keys!.shape).toEqual([2, 2, 4, 8]);
  expect(keys!.data[0]).toBe(mark(1, 0, 0, 0));
  keys!.data[0] = -1;
  expect(cache.view(0, 3)[0]!.data[2 * 4 * 8]).toBe(-1);
  expect(cache.view(1, 2)).toBe(cache.view(1, 2));
});
