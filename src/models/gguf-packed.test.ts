import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomizeWeights } from '../../test/random-weights.js';
import { weightsOf } from '../nn/module.js';
import { trainByteBpe } from '../tokenizer/byte-bpe-training.js';
import { loadGguf } from './gguf-load.js';
import { writeGguf } from './gguf-write.js';
import { Llama } from './llama.js';
import { quantizeModel } from './quantize.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-packed-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function written(type: 'F32' | 'Q4_0' | 'Q8_0'): Promise<string> {
  const tokenizer = await trainByteBpe(['the cat sat on the mat'], {
    vocabularySize: 268,
    specialTokens: ['<|endoftext|>'],
  });
  const model = randomizeWeights(
    new Llama({
      vocabularySize: 600,
      width: 64,
      layers: 2,
      heads: 4,
      keyHeads: 2,
      hidden: 96,
      positions: 64,
      theta: 10_000,
      epsilon: 1e-5,
      tiedHead: true,
      queryKeyNorm: false,
    }),
    1,
  );
  const file = path.join(folder, `${type}.gguf`);
  await writeGguf(file, { model, tokenizer }, { type });
  return file;
}

it('packs while it reads as it does afterwards', async () => {
  const file = await written('F32');
  const after = loadGguf(file).model;
  expect(quantizeModel(after, 4).packed).toBe(15);
  const values = new Map(after.namedParameters());
  for (const [name, parameter] of loadGguf(file, { bits: 4 }).model.namedParameters()) {
    expect(parameter.quantized?.format, name).toEqual(values.get(name)!.quantized?.format);
    expect(Buffer.from(weightsOf(parameter).buffer), name).toEqual(Buffer.from(weightsOf(values.get(name)!).buffer));
  }
});

it.each(['Q4_0', 'Q8_0'] as const)('keeps %s packed, and the numbers the same', async (type) => {
  const file = await written(type);
  const unpacked = new Map(loadGguf(file).model.namedParameters());
  const packed = loadGguf(file, { packed: true }).model;
  const bits = type === 'Q4_0' ? 4 : 8;
  for (const [name, parameter] of packed.namedParameters()) {
    const matrix = parameter.shape.length === 2;
    // The head keeps 8 bits where the rest has 4.
    expect(parameter.quantized?.format.bits, name).toBe(matrix ? (name === 'embedding.weight' ? 8 : bits) : undefined);
    expect(Buffer.from(weightsOf(parameter).buffer), name).toEqual(
      Buffer.from(weightsOf(unpacked.get(name)!).slice().buffer),
    );
  }
});
