import * as fs from 'node:fs';
import * as path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../../test/source-files.js';
import type { EncoderDecoder } from '../models/encoder-decoder.js';
import { WeightFiles } from '../models/load-weights.js';
import { modelFrom } from '../models/registry.js';
import type { T5 } from '../models/t5.js';
import { t5Architecture } from '../models/t5-hf.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import { readJsonObject } from '../util/json.js';
import type { BeamOptions } from './beam-search.js';
import { EncoderDecoderEngine } from './encoder-decoder-engine.js';

/** What transformers generated with the same weights; `scripts/encoder-decoder-generation.py` made it. */
interface Expected {
  readonly maxTokens: number;
  readonly stopIds: readonly number[];
  readonly texts: readonly (readonly number[])[];
  readonly greedy: readonly (readonly number[])[];
  readonly beams: readonly {
    readonly options: {
      readonly num_beams: number;
      readonly length_penalty?: number;
      readonly early_stopping?: boolean | 'never';
    };
    readonly answers: readonly (readonly { readonly ids: readonly number[]; readonly score: number }[])[];
  }[];
}

const device = cpu({ threads: 1 });
const fixtures = path.join(repositoryRoot, 'test', 'fixtures');
const released: { release(): Promise<void> }[] = [];

function load(name: string): { model: T5; engine: EncoderDecoderEngine; expected: Expected } {
  const folder = path.join(fixtures, 'models', name);
  const file = path.join(folder, 'config.json');
  const weights = WeightFiles.open(folder);
  try {
    const config = t5Architecture.fromConfig(readJsonObject(file), file);
    const model = modelFrom(t5Architecture as never, config, weights) as T5;
    const engine = new EncoderDecoderEngine(model, { device, batch: 4 });
    released.push(engine);
    const expected = JSON.parse(fs.readFileSync(path.join(fixtures, 'generation', `${name}.json`), 'utf8')) as Expected;
    return { model, engine, expected };
  } finally {
    weights.close();
  }
}

const idsOf = ({ tokens }: { readonly tokens: readonly { readonly token: number }[] }): number[] =>
  tokens.map(({ token }) => token);

afterAll(async () => {
  for (const one of released) await one.release();
});

describe.each(['t5', 't5-gated'])('%s', (name) => {
  const { model, engine, expected } = load(name);
  const { texts, maxTokens, stopIds } = expected;
  const greedy = { sampling: { temperature: 0 }, maxTokens, stopIds };

  it('gives the greedy answers of transformers, one by one and in padded batches', async () => {
    expect(new Set(expected.greedy.map(({ length }) => length)).size).toBeGreaterThan(1);
    for (const [i, text] of texts.entries()) {
      expect(idsOf(await engine.generate(text, greedy))).toEqual(expected.greedy[i]);
    }
    const together = await engine.generateBatch(texts, greedy);
    expect(together.map(idsOf)).toEqual(expected.greedy);
    expect(together.map(({ finish }) => finish)).toEqual(
      expected.greedy.map((ids) => (stopIds.includes(ids.at(-1)!) ? 'stop' : 'length')),
    );
  });

  it('gives the answers and scores of its beam search', async () => {
    for (const { options, answers } of expected.beams) {
      const beamOptions: BeamOptions = {
        beams: options.num_beams,
        ...(options.length_penalty === undefined ? {} : { lengthPenalty: options.length_penalty }),
        ...(options.early_stopping === undefined ? {} : { earlyStopping: options.early_stopping }),
      };
      for (const [i, text] of texts.entries()) {
        const found = await engine.beamSearch(text, { ...beamOptions, maxTokens, stopIds });
        expect(found.map(({ ids }) => ids)).toEqual(answers[i]!.map(({ ids }) => ids));
        for (const [at, { score }] of found.entries()) {
          const relative = score / answers[i]![at]!.score;
          expect(Math.abs(relative - 1)).toBeLessThan(1e-4);
        }
      }
    }
  });

  it('computes with a growing cache what one whole pass gives', async () => {
    const answer = Array.from({ length: 70 }, (_, i) => (i * 17 + 3) % model.config.vocabularySize);
    const whole = await wholePass(model, texts[1]!, [model.config.decoderStartId, ...answer]);
    // Forced through the engine: a processor that allows the given token alone.
    let at = 0;
    const forced = await engine.generate(texts[1]!, {
      sampling: {
        processors: [
          (logits) => {
            const next = answer[at++]!;
            for (let token = 0; token < logits.length; token++)
              if (token !== next) logits[token] = Number.NEGATIVE_INFINITY;
          },
        ],
      },
      maxTokens: answer.length,
    });
    expect(idsOf(forced)).toEqual(answer);
    for (const [i, { logProbability }] of forced.tokens.entries()) {
      expect(logProbability).toBeCloseTo(logProbabilities(whole, i)[answer[i]!]!, 4);
    }
  });

  it('samples each text of a batch as if it were alone', async () => {
    const options = { maxTokens: 12, seed: 7, sampling: { temperature: 1.3, topK: 20 } };
    const together = await engine.generateBatch(texts, options);
    for (const [i, text] of texts.entries()) {
      const alone = await engine.generate(text, { ...options, sequence: i });
      expect(idsOf(alone)).toEqual(idsOf(together[i]!));
      for (const [at, { logProbability }] of alone.tokens.entries()) {
        expect(logProbability).toBeCloseTo(together[i]!.tokens[at]!.logProbability, 4);
      }
    }
  });

  it('does not see what fills a row, nor the other rows', async () => {
    const [first, second] = [texts[0]!, texts[3]!];
    const ids = [model.config.decoderStartId, 5, 9];
    const alone = await wholePass(model, first, ids);
    const beside = await wholePass(model, first, ids, second);
    expect(largestDifference(alone, beside)).toBeLessThan(1e-4);
  });
});

describe('an engine', () => {
  const { engine, expected, model } = load('t5-gated');

  it('streams, and is free again when the loop is left', async () => {
    const tokens: number[] = [];
    for await (const { token } of engine.stream(expected.texts[0]!, { sampling: { temperature: 0 } })) {
      tokens.push(token);
      if (tokens.length === 5) break;
    }
    expect(tokens).toEqual(expected.greedy[0]!.slice(0, 5));
    expect((await engine.generate([3, 1], { maxTokens: 1 })).finish).toBe('length');
  });

  it('keeps what there is when it is asked to stop', async () => {
    const controller = new AbortController();
    const tokens: number[] = [];
    for await (const { token } of engine.stream([4, 1], { signal: controller.signal })) {
      tokens.push(token);
      if (tokens.length === 3) controller.abort();
    }
    expect(tokens).toHaveLength(3);
    const [generation] = await engine.generateBatch([[4, 1]], { signal: controller.signal });
    expect(generation).toEqual({ tokens: [], finish: 'aborted' });
    expect((await engine.beamSearch([4, 1], { beams: 2, signal: controller.signal }))[0]!.finish).toBe('aborted');
  });

  it('answers no forbidden id in a beam search', async () => {
    const [usual] = await engine.beamSearch(expected.texts[0]!, { beams: 3, maxTokens: 6 });
    const forbidden = new Set(usual!.ids);
    const found = await engine.beamSearch(expected.texts[0]!, { beams: 3, maxTokens: 6, forbidden });
    for (const { ids } of found) expect(ids.some((id) => forbidden.has(id))).toBe(false);
  });

  it('refuses what it cannot answer', async () => {
    expect(() => engine.stream([])).toThrow(InputError);
    expect(() => engine.stream([model.config.vocabularySize])).toThrow(/not an id of this model/);
    await expect(engine.generate([1], { maxTokens: 0 })).rejects.toThrow(/not a number of tokens/);
    await expect(engine.beamSearch([1], { beams: 0 })).rejects.toThrow(/not a number of beams/);
    expect(() => new EncoderDecoderEngine(model, { batch: 0 })).toThrow(InputError);
  });
});

/** Logits of a decoder's whole text, by one pass without a cache; `beside` fills the batch with another row. */
async function wholePass(
  model: EncoderDecoder,
  text: readonly number[],
  ids: readonly number[],
  beside: readonly number[] = [],
): Promise<HostArray> {
  const rows = beside.length > 0 ? [text, beside] : [text];
  const longest = Math.max(text.length, beside.length);
  const filled = rows.flatMap((row) => [...row, ...new Array<number>(longest - row.length).fill(7)]);
  const mask = rows.flatMap((row) => [...row.map(() => 1), ...new Array<number>(longest - row.length).fill(0)]);
  const program = compile(
    ({ read, seen, written }: { read: Tensor; seen: Tensor; written: Tensor }) =>
      model.forward({ ids: read, mask: seen }, written),
    {
      device,
      shapes: { '0.read': [dim('B'), dim('S')], '0.seen': [dim('B'), dim('S')], '0.written': [dim('B'), dim('T')] },
    },
  );
  try {
    return (await program({
      read: array(Int32Array.from(filled), [rows.length, longest]),
      seen: array(Int32Array.from(mask), [rows.length, longest]),
      written: array(Int32Array.from(rows.flatMap(() => ids)), [rows.length, ids.length]),
    })) as HostArray;
  } finally {
    await program.release();
  }
}

/** `ln p` of every token at a position of the first row. */
function logProbabilities({ data, shape }: HostArray, position: number): number[] {
  const logits = Array.from((data as Float32Array).subarray(position * shape[2]!, (position + 1) * shape[2]!));
  const sum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit), 0));
  return logits.map((logit) => logit - sum);
}

/** Over the first row. */
function largestDifference(a: HostArray, b: HostArray): number {
  const values = a.data as Float32Array;
  return values.reduce((most, value, i) => Math.max(most, Math.abs(value - (b.data[i] as number))), 0);
}
