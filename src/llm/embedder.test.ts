import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { characterTokenizer } from '../../test/bigram-model.js';
import { likeTrained } from '../../test/model-contract.js';
import { largestError } from '../../test/plain-layers.js';
import { repositoryRoot } from '../../test/source-files.js';
import type { Bert } from '../models/bert.js';
import { Gpt2 } from '../models/gpt2.js';
import { loadAnyModel } from '../models/load.js';
import { saveModel } from '../models/save.js';
import { cpu } from '../runtime/device.js';
import { Embedder, type EmbedderOptions } from './embedder.js';
import type { PoolingMode } from './pooling.js';

const device = cpu({ threads: 1 });
const FOLDER = path.join(repositoryRoot, 'test', 'fixtures', 'sentences');
const MODEL = path.join(FOLDER, 'model');
const { texts, vectors } = JSON.parse(fs.readFileSync(path.join(FOLDER, 'expected.json'), 'utf8')) as {
  texts: string[];
  vectors: Record<string, number[][]>;
};

const opened: Embedder[] = [];
afterAll(async () => {
  for (const embedder of opened) await embedder.release();
});

async function embedderOf(options: EmbedderOptions = {}): Promise<Embedder> {
  const embedder = await Embedder.load(MODEL, { device, ...options });
  opened.push(embedder);
  return embedder;
}

const numbers = (found: readonly Float32Array[]): number[] => found.flatMap((vector) => [...vector]);

describe('vectors of texts', () => {
  it.each(Object.keys(vectors))('are those of sentence-transformers: %s', async (name) => {
    const [pooling, normalize] = [name.split(',')[0] as PoolingMode, name.includes('normalized')];
    const embedder = await embedderOf({ pooling, normalize });
    expect(embedder.maxTokens).toBe(10);
    for (const batch of [1, 4, 32]) {
      const found = await embedder.embed(texts, { batch });
      expect(found).toHaveLength(texts.length);
      expect(largestError(numbers(found), vectors[name]!.flat())).toBeLessThan(1e-5);
    }
  });

  it('are made as the files say where nothing else is asked for', async () => {
    const found = await (await embedderOf()).embed(texts);
    expect(largestError(numbers(found), vectors['mean, normalized']!.flat())).toBeLessThan(1e-5);
    for (const vector of found) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  });

  it('take a prefix and lower case as part of the text', async () => {
    const plain = await (await embedderOf()).embed(['the cat sat']);
    const prefixed = await (await embedderOf({ prefix: 'the ', lowerCase: true })).embed(['CAT sat']);
    expect(prefixed).toEqual(plain);
  });

  it('read no more than was asked for, and keep the tokens around the text', async () => {
    const [short] = await (await embedderOf({ maxTokens: 4 })).embed(['the cat sat on the mat']);
    const [same] = await (await embedderOf()).embed(['the cat']);
    expect(largestError([...short!], [...same!])).toBeLessThan(1e-5);
    expect((await embedderOf({ maxTokens: 1000 })).maxTokens).toBe(16);
  });

  it('of nothing are nothing', async () => {
    expect(await (await embedderOf()).embed([])).toEqual([]);
  });
});

describe('refuses', () => {
  it('sizes that are none', async () => {
    await expect(embedderOf({ maxTokens: 0 })).rejects.toThrow(/maxTokens/);
    await expect((await embedderOf()).embed(['a'], { batch: 0.5 })).rejects.toThrow(/batch/);
  });

  it('a text without tokens', async () => {
    const { model } = await loadAnyModel(MODEL);
    const tokenizer = await characterTokenizer();
    const embedder = Embedder.from(model as Bert, tokenizer, { device });
    await expect(embedder.embed(['a', ''])).rejects.toThrow(/text 1: there is nothing to read/);
  });

  it('a model that is no encoder', async () => {
    const tokenizer = await characterTokenizer();
    const shape = { width: 8, layers: 1, heads: 1, positions: 8, hidden: 8, epsilon: 1e-5, tiedHead: true } as const;
    const model = likeTrained(new Gpt2({ ...shape, vocabularySize: tokenizer.vocabularySize, activation: 'gelu' }));
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-embedder-'));
    try {
      await saveModel(path.join(folder, 'model'), { model, tokenizer });
      await expect(Embedder.load(path.join(folder, 'model'))).rejects.toThrow(/gives no vectors[\s\S]*gpt2/);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
