import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GenerationEngine } from '../src/generate/engine.js';
import type { Decoder, GrowingCache } from '../src/models/architecture.js';
import { loadModel } from '../src/models/load.js';
import { saveModel } from '../src/models/save.js';
import { type Module, weightsOf } from '../src/nn/module.js';
import { array } from '../src/runtime/array.js';
import { compile } from '../src/runtime/compile.js';
import { cpu } from '../src/runtime/device.js';
import { grad } from '../src/tensor/grad.js';
import { mean } from '../src/tensor/ops/reduce.js';
import { square } from '../src/tensor/ops/unary.js';
import type { Tensor } from '../src/tensor/tensor.js';
import type { HostArray } from '../src/tensor/variable.js';
import { Random } from '../src/util/random.js';
import { characterTokenizer } from './bigram-model.js';
import { drawNormal, largestError } from './plain-layers.js';

const device = cpu({ threads: 1 });
const BLOCKED = -1e9;
const CLOSE = 1e-4;

type Rows = readonly (readonly number[])[];

/** Weights as a trained model's: no term is 0 or 1, and what comes next depends on the whole context. */
export function likeTrained<M extends Module>(model: M, seed = 5): M {
  model.parameters().forEach((parameter, i) => {
    const noise = drawNormal(100 * seed + i, parameter.size, 0.25);
    const norm = parameter.shape.length === 1 && weightsOf(parameter).every((weight) => weight === 1);
    weightsOf(parameter).set(norm ? noise.map((value) => 1 + value) : noise);
  });
  return model;
}

/** Ids `[B, T]`. */
export function idRows(rows: Rows): HostArray {
  return array(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
}

/** Ids to read, never that of a special token. */
export function drawIds(length: number, vocabularySize: number, seed = 0): number[] {
  const random = new Random(seed, 'ids');
  return Array.from({ length }, () => random.integer(vocabularySize));
}

/** The numbers of row `row`, positions `[from, to)`, of an array `[B, T, …]`. */
export function part({ data, shape }: HostArray, row: number, from = 0, to = shape[1]!): number[] {
  const inner = shape.slice(2).reduce((product, n) => product * n, 1);
  const start = (row * shape[1]! + from) * inner;
  return Array.from(data as Float32Array).slice(start, start + (to - from) * inner);
}

/**
 * What every decoder must keep, whatever it is made of: a cached step, a growing cache and a longer row give what one
 * full pass gives; rows do not see each other, nor documents that share a row; recomputation changes no gradient; and
 * files give the same weights again.
 *
 * @param makeModel a small model of so many ids, a context of 40 positions or more, and any weights.
 */
export function describeDecoder(name: string, makeModel: (vocabularySize: number) => Decoder): void {
  describe(name, () => {
    let tokenizer: Awaited<ReturnType<typeof characterTokenizer>>;
    let model: Decoder;
    let vocabulary: number;
    const released: { release(): Promise<void> }[] = [];

    beforeAll(async () => {
      tokenizer = await characterTokenizer();
      vocabulary = tokenizer.vocabularySize + 3;
      model = likeTrained(makeModel(vocabulary));
      expect(model.config.positions).toBeGreaterThanOrEqual(40);
    });
    afterAll(async () => {
      for (const program of released) await program.release();
    });

    /** Logits of whole rows. */
    async function full(rows: Rows, options: { segments?: Rows; positions?: Rows } = {}): Promise<HostArray> {
      const inputs = Object.fromEntries(Object.entries(options).map(([key, value]) => [key, idRows(value)]));
      const forward = compile((ids: Tensor, given: Record<string, Tensor>) => model.forward(ids, given), { device });
      released.push(forward);
      return forward(idRows(rows), inputs);
    }

    it('has a head that fits its hidden vectors', () => {
      expect(model.headWeight.shape).toEqual([vocabulary, model.config.width]);
      expect(model.parameters()).toContain(model.headWeight);
    });

    it('gives logits of every id at every position, which differ', async () => {
      const logits = await full([drawIds(6, vocabulary)]);
      expect(logits.shape).toEqual([1, 6, vocabulary]);
      expect(new Set(logits.data as Float32Array).size).toBeGreaterThan(5 * vocabulary);
    });

    it('decodes with a cache as in one full pass, in a batch too', async () => {
      const engine = new GenerationEngine(model, { device, capacity: 8, batch: 2 });
      released.push(engine);
      const prompts = [1, 11, 5].map((length, i) => drawIds(length, vocabulary, i));
      const options = { maxTokens: 14, logProbabilities: vocabulary };
      const generations = await engine.generateBatch(prompts, options);
      for (const [i, { tokens }] of generations.entries()) {
        const prompt = prompts[i]!;
        const logits = await full([[...prompt, ...tokens.map(({ token }) => token)]]);
        expect(new Set(tokens.map(({ token }) => token)).size).toBeGreaterThan(2);
        tokens.forEach(({ top }, t) => {
          const at = prompt.length - 1 + t;
          const row = part(logits, 0, at, at + 1);
          const logSum = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
          const got = top!.map(({ logProbability }) => logProbability);
          expect(got).toHaveLength(vocabulary);
          expect(
            largestError(
              got,
              top!.map(({ token }) => row[token]! - logSum),
            ),
            `token ${t}`,
          ).toBeLessThan(CLOSE);
        });
      }
    });

    it('extends a growing cache as in one full pass, with rows filled up on the left', async () => {
      const length = 12;
      const rows = [drawIds(length, vocabulary, 3), drawIds(length, vocabulary, 4)];
      const fill = [0, 2];
      const { config } = model;
      const heads = model.cacheShape(1, 1)[1]!;
      const width = (config as { headWidth?: number }).headWidth ?? config.width / config.heads;
      const extend = compile(
        (ids: Tensor, past: GrowingCache) => {
          const { hidden, layers } = model.extend(ids, past);
          return { logits: model.logits(hidden), layers };
        },
        { device },
      );
      released.push(extend);
      const none = (): HostArray => array(new Float32Array(0), [rows.length, heads, 0, width]);
      let layers: readonly { readonly keys: HostArray; readonly values: HostArray }[] = Array.from(
        { length: config.layers },
        () => ({ keys: none(), values: none() }),
      );
      const expected = [await full([rows[0]!]), await full([rows[1]!.slice(fill[1])])];
      for (const [from, to] of [
        [0, 5],
        [5, 6],
        [6, 9],
        [9, length],
      ] as const) {
        const mask = fill.flatMap((first) =>
          Array.from({ length: to - from }, (_, t) =>
            Array.from({ length: to }, (_, s) => (s >= first && s <= from + t ? 0 : BLOCKED)),
          ).flat(),
        );
        const positions = fill.map((first) =>
          Array.from({ length: to - from }, (_, t) => Math.max(0, from + t - first)),
        );
        const step = await extend(idRows(rows.map((ids) => ids.slice(from, to))), {
          layers,
          mask: array(Float32Array.from(mask), [rows.length, 1, to - from, to]),
          positions: idRows(positions),
        } as never);
        for (const [row, first] of fill.entries()) {
          const start = Math.max(from, first);
          const got = part(step.logits, row, start - from);
          const message = `row ${row}, positions ${from} to ${to}`;
          expect(largestError(got, part(expected[row]!, 0, start - first, to - first)), message).toBeLessThan(CLOSE);
        }
        expect(step.layers[0]!.keys.shape).toEqual([rows.length, heads, to, width]);
        layers = step.layers;
      }
    });

    it('a row does not depend on the others, nor a position on what follows it', async () => {
      const rows = [5, 6, 7].map((seed) => drawIds(9, vocabulary, seed));
      const together = await full(rows);
      for (const [i, row] of rows.entries()) {
        expect(largestError(part(together, i), part(await full([row]), 0))).toBeLessThan(CLOSE);
      }
      const padded = await full([[...rows[0]!, ...drawIds(7, vocabulary, 8)]]);
      expect(largestError(part(padded, 0, 0, 9), part(together, 0))).toBeLessThan(CLOSE);
    });

    it('documents that share a row do not see each other', async () => {
      const [first, second] = [drawIds(5, vocabulary, 9), drawIds(8, vocabulary, 10)];
      const packed = await full([[...first, ...second]], {
        segments: [[...first.map(() => 0), ...second.map(() => 1)]],
        positions: [[...first.keys(), ...second.keys()]],
      });
      expect(largestError(part(packed, 0, 0, 5), part(await full([first]), 0))).toBeLessThan(CLOSE);
      expect(largestError(part(packed, 0, 5), part(await full([second]), 0))).toBeLessThan(CLOSE);
    });

    it('recomputation changes no gradient', async () => {
      const weights = model.parameters().map(({ tensor }) => tensor);
      const gradients = compile(
        (ids: Tensor) => {
          const of = (recompute: boolean): readonly Tensor[] =>
            grad(mean(square(model.forward(ids, { recompute }))), weights);
          return { kept: of(false), again: of(true) };
        },
        { device },
      );
      released.push(gradients);
      const { kept, again } = await gradients(idRows([drawIds(7, vocabulary, 11)]));
      for (const [i, gradient] of kept.entries()) {
        const numbers = [...(gradient.data as Float32Array)];
        expect(numbers.some((value) => value !== 0)).toBe(true);
        expect(largestError([...(again[i]!.data as Float32Array)], numbers)).toBeLessThan(1e-6);
      }
    });

    it('files give the same configuration and, to the bit, the same weights', async () => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-contract-'));
      try {
        const place = path.join(folder, 'model');
        await saveModel(place, { model: model as never, tokenizer });
        const loaded: Module & { readonly config: unknown } = (await loadModel(place)).model;
        expect(loaded.constructor).toBe(model.constructor);
        expect(loaded.config).toEqual(model.config);
        const weights = (of: Module) => [...of.namedParameters()].map(([path, value]) => [path, weightsOf(value)]);
        expect(weights(loaded)).toEqual(weights(model));
      } finally {
        fs.rmSync(folder, { recursive: true, force: true });
      }
    });
  });
}
