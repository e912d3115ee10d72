import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import { weightsOf } from '../nn/module.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { argMax } from '../tensor/ops/reduce.js';
import type { Tensor } from '../tensor/tensor.js';
import { CorruptFileError } from '../util/errors.js';
import { readLlama2c, readLlama2cHeader } from './llama2c.js';
import { loadModel } from './load.js';

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-llama2c-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WITHOUT_DATA = 'the shared test data is not on this machine';

describe('stories260K', () => {
  it('tells the story that the original program tells', async (context) => {
    const place = sharedData('models/stories260K');
    if (place === undefined) return context.skip(WITHOUT_DATA);
    const story = readFileSync(path.join(place, 'greedy_256.txt'), 'utf8');
    const { model, tokenizer, generation } = await loadModel(place);
    expect(model.size).toBe(260_032);
    expect(generation).toEqual({ bosId: 1, eosIds: [1, 2] });
    const next = compile((ids: Tensor) => argMax(model.forward(ids)), { device: cpu({ threads: 1 }) });

    // Positions behind the last token do not reach it, so one length serves all steps.
    const ids = new Int32Array(64).fill(1);
    for (let length = 1; length < ids.length; length++) {
      const { data } = await next(array(ids, [1, ids.length]));
      ids[length] = Number(data[length - 1]);
    }
    const text = tokenizer.decode(ids, { skipSpecial: true });
    expect(text.length).toBeGreaterThan(120);
    expect(story.slice(0, text.length)).toBe(text);

    // The whole story at once: every token is the likeliest one after those before it.
    const told = Int32Array.from([1, ...tokenizer.encode(story.trimEnd())]);
    const { data } = await next(array(told, [1, told.length]));
    expect([...data].slice(0, -1).map(Number)).toEqual([...told.subarray(1)]);
    await next.release();
  });

  it('tells a damaged file from a good one', (context) => {
    const place = sharedData('models/stories260K/stories260K.bin');
    if (place === undefined) return context.skip(WITHOUT_DATA);
    const good = readFileSync(place);
    const file = path.join(folder, 'damaged.bin');
    for (const bytes of [good.subarray(0, 20), good.subarray(0, -4), Buffer.concat([good, Buffer.alloc(4)])]) {
      writeFileSync(file, bytes);
      expect(() => readLlama2c(file)).toThrow(CorruptFileError);
    }
  });
});

/** A file with width 8, hidden 4, 1 layer, 2 heads, 1 key head, vocabulary 3, 2 positions; numbers count up from 0. */
function countingFile(vocabulary: number): Buffer {
  const head = vocabulary < 0 ? 24 : 0;
  const numbers = 24 + (16 + 64 + 32 + 32 + 64 + 3 * 32) + 8 + 8 + head;
  return Buffer.concat([
    Buffer.from(Int32Array.of(8, 4, 1, 2, 1, vocabulary, 2).buffer),
    Buffer.from(Float32Array.from({ length: numbers }, (_, i) => i).buffer),
  ]);
}

describe('readLlama2c', () => {
  it.each([
    [3, true],
    [-3, false],
  ])('finds every weight in its place, vocabulary %d', (vocabulary, tiedHead) => {
    const file = path.join(folder, 'counting.bin');
    writeFileSync(file, countingFile(vocabulary));
    const model = readLlama2c(file);
    expect(model.config).toMatchObject({ vocabularySize: 3, tiedHead, theta: 10_000, epsilon: 1e-5, keyHeads: 1 });
    const weights = new Map([...model.namedParameters()].map(([name, parameter]) => [name, weightsOf(parameter)]));
    const first = (name: string): number => weights.get(name)![0]!;
    expect(first('embedding.weight')).toBe(0);
    expect(first('layers.0.attentionNorm.weight')).toBe(24);
    // Rows of a head of width 4: 0, 2, 1, 3.
    const rows = (name: string): number[] => [...weights.get(name)!].filter((_, i) => i % 8 === 0);
    expect(rows('layers.0.attention.q.weight')).toEqual([0, 2, 1, 3, 4, 6, 5, 7].map((row) => 32 + 8 * row));
    expect(rows('layers.0.attention.k.weight')).toEqual([0, 2, 1, 3].map((row) => 96 + 8 * row));
    expect(rows('layers.0.attention.v.weight')).toEqual([0, 1, 2, 3].map((row) => 128 + 8 * row));
    expect(first('layers.0.attention.o.weight')).toBe(160);
    expect(first('layers.0.feedForwardNorm.weight')).toBe(224);
    expect(first('layers.0.feedForward.gate.weight')).toBe(232);
    expect(first('layers.0.feedForward.down.weight')).toBe(264);
    expect(first('layers.0.feedForward.up.weight')).toBe(296);
    expect(first('norm.weight')).toBe(328);
    expect(weights.get('head.weight')?.[0]).toBe(tiedHead ? undefined : 344);
  });

  it('takes no other bytes for a header', () => {
    const good = countingFile(3);
    expect(readLlama2cHeader(good, good.length)).toBeDefined();
    expect(readLlama2cHeader(good, good.length + 4)).toBeUndefined();
    expect(readLlama2cHeader(good.subarray(0, 27), 27)).toBeUndefined();
    expect(readLlama2cHeader(Buffer.alloc(28), 28)).toBeUndefined();
    expect(readLlama2cHeader(Buffer.alloc(28, 0xff), 28)).toBeUndefined();
  });
});
