import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { describe, expect, it } from 'vitest';
import { characterTokenizer } from '../../test/bigram-model.js';
import { drawIds, idRows, likeTrained, part } from '../../test/model-contract.js';
import { largestError } from '../../test/plain-layers.js';
import { type Module, weightsOf } from '../nn/module.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { grad } from '../tensor/grad.js';
import { tensor } from '../tensor/ops/create.js';
import { mean } from '../tensor/ops/reduce.js';
import { square } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import type { EncoderInputs } from './architecture.js';
import { Bert, type BertConfig } from './bert.js';
import { loadAnyModel, loadModel } from './load.js';
import { saveModel } from './save.js';

const device = cpu({ threads: 1 });
const VOCABULARY = 50;

const config: BertConfig = {
  vocabularySize: VOCABULARY,
  width: 24,
  layers: 2,
  heads: 3,
  positions: 20,
  hidden: 40,
  types: 2,
  activation: 'gelu',
  epsilon: 1e-12,
  head: 'none',
  pooler: true,
  tiedHead: true,
  labels: [],
  problem: undefined,
};
const make = (change: Partial<BertConfig> = {}): Bert => likeTrained(new Bert({ ...config, ...change }));

const HEADS: readonly (readonly [string, Partial<BertConfig>])[] = [
  ['no head', {}],
  ['no pooler', { pooler: false }],
  ['masked words', { head: 'maskedWords', pooler: false }],
  ['masked words with a matrix of their own', { head: 'maskedWords', pooler: false, tiedHead: false }],
  ['classes of the text', { head: 'textClass', labels: ['no', 'yes'], problem: 'single_label_classification' }],
  ['classes of the tokens', { head: 'tokenClass', labels: ['O', 'B', 'I'], pooler: false, activation: 'relu' }],
];

async function run(fn: (inputs: EncoderInputs) => Tensor, inputs: Record<string, readonly (readonly number[])[]>) {
  const program = compile(fn as never, { device });
  const arrays = Object.fromEntries(Object.entries(inputs).map(([name, rows]) => [name, idRows(rows)]));
  const result = (await program(arrays)) as HostArray;
  await program.release();
  return result;
}

describe('BERT', () => {
  it.each(HEADS)('reads each text as if it were alone, whatever fills its row: %s', async (_, change) => {
    const model = make(change);
    const texts = [drawIds(9, VOCABULARY, 1), drawIds(4, VOCABULARY, 2), drawIds(1, VOCABULARY, 3)];
    const types = texts.map((text) => text.map((_, i) => (i > 2 ? 1 : 0)));
    const filled = (rows: readonly (readonly number[])[], fill: number) =>
      rows.map((row) => [...row, ...Array.from({ length: 9 - row.length }, () => fill)]);
    const ofHead = (inputs: EncoderInputs): Tensor =>
      model.config.head === 'none' ? model.hidden(inputs) : model.forward(inputs);
    const mask = texts.map((text) => text.map(() => 1));
    const together = await run(ofHead, { ids: filled(texts, 7), mask: filled(mask, 0), types: filled(types, 1) });
    const whole = model.config.head === 'textClass';
    for (const [i, text] of texts.entries()) {
      const alone = await run(ofHead, { ids: [text], types: [types[i]!] });
      const got = whole ? part({ ...together, shape: [1, 3, 2] }, 0, i, i + 1) : part(together, i, 0, text.length);
      expect(got.every(Number.isFinite)).toBe(true);
      expect(largestError(got, [...(alone.data as Float32Array)])).toBeLessThan(1e-5);
    }
  });

  it('takes every token for one, and for one of the first text, where nothing else is said', async () => {
    const model = make();
    const ids = [drawIds(5, VOCABULARY, 1), drawIds(5, VOCABULARY, 2)];
    const hidden = (inputs: EncoderInputs): Tensor => model.hidden(inputs);
    const plain = await run(hidden, { ids });
    const said = await run(hidden, {
      ids,
      mask: ids.map((row) => row.map(() => 1)),
      types: ids.map((row) => row.map(() => 0)),
    });
    expect(largestError([...(plain.data as Float32Array)], [...(said.data as Float32Array)])).toBeLessThan(1e-6);
    const second = await run(hidden, { ids, types: ids.map((row) => row.map(() => 1)) });
    expect(second.data).not.toEqual(plain.data);
  });

  it('sees what comes after a token', async () => {
    const model = make();
    const hidden = (inputs: EncoderInputs): Tensor => model.hidden(inputs);
    const [a, b] = [await run(hidden, { ids: [[1, 2, 3]] }), await run(hidden, { ids: [[1, 2, 4]] })];
    expect(largestError(part(a, 0, 0, 1), part(b, 0, 0, 1))).toBeGreaterThan(1e-2);
  });

  it('recomputation changes no gradient', async () => {
    const model = make({ head: 'maskedWords', pooler: false });
    const weights = model.parameters().map((parameter) => parameter.tensor);
    const program = compile(
      (ids: Tensor, mask: Tensor) => {
        const of = (recompute: boolean): readonly Tensor[] =>
          grad(mean(square(model.logits(model.hidden({ ids, mask }, { recompute })))), weights);
        return { kept: of(false), again: of(true) };
      },
      { device },
    );
    const { kept, again } = await program(idRows([drawIds(6, VOCABULARY)]), idRows([[1, 1, 1, 1, 0, 0]]));
    for (const [i, gradient] of kept.entries()) {
      const numbers = [...(gradient.data as Float32Array)];
      expect(numbers.some((value) => value !== 0)).toBe(true);
      expect(largestError([...(again[i]!.data as Float32Array)], numbers)).toBeLessThan(1e-6);
    }
    await program.release();
  });

  it.each(HEADS)('files give the same configuration and, to the bit, the same weights: %s', async (_, change) => {
    const tokenizer = await characterTokenizer();
    const model = make({ ...change, vocabularySize: tokenizer.vocabularySize });
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-bert-'));
    try {
      const place = path.join(folder, 'model');
      await saveModel(place, { model, tokenizer });
      const loaded = await loadAnyModel(place);
      expect(loaded.model).toBeInstanceOf(Bert);
      expect(loaded.model.config).toEqual(model.config);
      const weights = (of: Module) => [...of.namedParameters()].map(([name, value]) => [name, weightsOf(value)]);
      expect(weights(loaded.model)).toEqual(weights(model));
      await expect(loadModel(place)).rejects.toThrow(/does not continue texts/);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it('refuses what it does not have', () => {
    const ids = tensor([[1, 2, 3]], 'int64');
    expect(() => make({ positions: 2 }).hidden({ ids })).toThrow(/at most 2 tokens[\s\S]*3/);
    expect(() => make({ pooler: false }).pooled(make().hidden({ ids }))).toThrow(/no pooler/);
    expect(() => make().forward({ ids })).toThrow(/no head/);
  });
});
