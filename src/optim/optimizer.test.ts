import { describe, expect, test } from 'vitest';
import { gradientOf, makeWeights, runOptimizer, SHAPES, startOf } from '../../test/optimizer-steps.js';
import { computed, largestError } from '../../test/plain-layers.js';
import { Llama } from '../models/llama.js';
import { initialize, weightsOf } from '../nn/module.js';
import { array } from '../runtime/array.js';
import type { CompiledFunction } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { grad } from '../tensor/grad.js';
import { constant, scalar, tensor } from '../tensor/ops/create.js';
import type { HostArray } from '../tensor/variable.js';
import { languageModelLoss } from '../train/language-model.js';
import { type BatchArrays, TrainStep } from '../train/step.js';
import { Random } from '../util/random.js';
import { AdamW } from './adamw.js';
import { Muon } from './muon.js';
import { clipFactor, globalNorm, isDecayed, type Optimizer } from './optimizer.js';
import { Sgd } from './sgd.js';

const device = cpu({ threads: 1 });

describe('clipping', () => {
  const gradients = Object.values(SHAPES).map((shape, k) => constant(gradientOf(k, shape, 1), shape, 'float64'));
  const all = Object.values(SHAPES).flatMap((shape, k) => [...gradientOf(k, shape, 1)]);

  test('the global norm is that of all gradients as one vector', () => {
    expect(largestError(computed(globalNorm(gradients)), [Math.hypot(...all)])).toBeLessThan(1e-12);
    expect(computed(globalNorm([tensor([3, 0]), tensor([[-4]])]))).toEqual([5]);
    expect(computed(globalNorm([scalar(-2)]))).toEqual([2]);
  });

  test.each([
    [10, 1, 0.1],
    [4, 1, 0.25],
    [1.000_001, 1, 1],
    [0.5, 1, 1],
    [0, 1, 1],
    [10, 2.5, 0.25],
  ])('a norm of %s is brought down to %s by the factor %s', (norm, most, factor) => {
    expect(largestError(computed(clipFactor(scalar(norm, 'float64'), most)), [factor])).toBeLessThan(1e-5);
    expect(computed(clipFactor(scalar(norm, 'float64'), most))[0]).toBeLessThanOrEqual(1);
  });
});

test('only matrices decay', () => {
  expect(makeWeights().map((weight) => [weight.name, isDecayed(weight)])).toEqual([
    ['embedding.weight', true],
    ['layers.0.weight', true],
    ['layers.1.weight', true],
    ['layers.0.bias', false],
  ]);
  const rate = 0.1;
  for (const make of [
    (weightDecay: number) => (w: ReturnType<typeof makeWeights>) => new AdamW(w, { weightDecay }),
    (weightDecay: number) => (w: ReturnType<typeof makeWeights>) => new Sgd(w, { weightDecay }),
    (weightDecay: number) => (w: ReturnType<typeof makeWeights>) =>
      new Muon(w, { weightDecay, adamw: { weightDecay } }),
  ] as const) {
    const [plain, decayed] = [0, 0.5].map((decay) => runOptimizer(make(decay) as never, [rate]).weights);
    Object.entries(SHAPES).forEach(([name, shape], k) => {
      const pull = shape.length >= 2 ? rate * 0.5 : 0;
      const expected = plain![name]!.map((w, i) => w - pull * startOf(k, shape)[i]!);
      expect(largestError(decayed![name]!, expected), name).toBeLessThan(1e-9);
    });
  }
});

const VOCABULARY = 11;

function smallModel(): Llama {
  return initialize(
    new Llama({
      vocabularySize: VOCABULARY,
      width: 8,
      layers: 1,
      heads: 2,
      keyHeads: 1,
      hidden: 12,
      positions: 8,
      theta: 10_000,
      epsilon: 1e-5,
      tiedHead: false,
      queryKeyNorm: true,
    }),
    3,
  );
}

function batchOf(seed: number): BatchArrays {
  const random = new Random(seed, 'batch');
  const ids = () =>
    array(
      Int32Array.from({ length: 16 }, () => random.integer(VOCABULARY)),
      [2, 8],
    );
  return { inputs: ids(), targets: ids(), weights: array(new Float32Array(16).fill(1), [2, 8]) };
}

const OPTIMIZERS: Record<string, (model: Llama) => Optimizer> = {
  AdamW: (model) => new AdamW(model.trainableParameters()),
  SGD: (model) => new Sgd(model.trainableParameters(), { weightDecay: 0.1 }),
  Muon: (model) => new Muon(model.trainableParameters()),
};

/** Six steps on six batches; every weight after each, and the norms. */
async function train(make: (model: Llama) => Optimizer, donate: boolean) {
  const model = smallModel();
  const optimizer = make(model);
  const step = new TrainStep({ model, loss: languageModelLoss(model), optimizer, clipNorm: 0.5, device, donate });
  const weights: number[][] = [];
  const norms: number[] = [];
  for (let i = 1; i <= 6; i++) {
    const { gradientNorm } = await step.run([batchOf(i)], 16, i, 0.02);
    norms.push(gradientNorm);
    weights.push(model.parameters().flatMap((parameter) => [...weightsOf(parameter)]));
  }
  const program = Reflect.get(step, 'last') as CompiledFunction<unknown>;
  const { donations } = await program.prepare(batchOf(1) as never, array(new Float32Array(optimizer.scalarCount + 1)));
  await step.release();
  return { weights, norms, donations, updates: model.parameters().length + optimizer.state.length };
}

test.each(Object.entries(OPTIMIZERS))(
  'a clipped step of %s updates everything in its own memory, and gives what two buffers give',
  async (_, make) => {
    const donated = await train(make, true);
    expect(donated.donations).toEqual({ inPlace: donated.updates, doubled: 0 });
    const plain = await train(make, false);
    expect(plain.donations).toEqual({ inPlace: 0, doubled: donated.updates });
    expect(donated.weights).toEqual(plain.weights);
    expect(donated.norms).toEqual(plain.norms);
    // It was indeed clipped, and every weight moved.
    expect(Math.max(...donated.norms)).toBeGreaterThan(0.5);
    const start = smallModel().parameters();
    const moved = donated.weights.at(-1)!;
    let at = 0;
    for (const { name, size, value } of start) {
      const before = [...(value as HostArray).data];
      expect(moved.slice(at, at + size), name).not.toEqual(before);
      at += size;
    }
  },
);

test('a compiled, clipped step of SGD is the clipped gradient times the learning rate', async () => {
  const model = smallModel();
  const [lossModel, batch] = [smallModel(), batchOf(1)];
  const parameters = lossModel.parameters();
  const constants = Object.fromEntries(
    Object.entries(batch).map(([name, value]) => {
      const { data, shape, dtype } = value as ReturnType<typeof array>;
      return [name, constant(data, shape, dtype)];
    }),
  );
  const gradients = grad(
    languageModelLoss(lossModel)(constants),
    parameters.map((parameter) => parameter.tensor),
  ).map((gradient) => computed(gradient).map((g) => g / 16));
  const norm = Math.hypot(...gradients.flat());
  const clipNorm = norm / 3;
  const optimizer = new Sgd(model.trainableParameters(), { momentum: 0 });
  const step = new TrainStep({ model, loss: languageModelLoss(model), optimizer, clipNorm, device });
  const { gradientNorm } = await step.run([batch], 16, 1, 0.7);
  expect(largestError([gradientNorm], [norm])).toBeLessThan(1e-5);
  model.parameters().forEach((parameter, k) => {
    const start = weightsOf(parameters[k]!);
    const expected = gradients[k]!.map((g, i) => start[i]! - 0.7 * (g / 3));
    expect(largestError([...weightsOf(parameter)], expected), parameter.name).toBeLessThan(1e-5);
  });
  await step.release();
});
