import { expect, it } from 'vitest';
import { Llama, type LlamaConfig } from '../models/llama.js';
import { measureTraining, parameterCount, planTraining, trainingFlops } from './plan.js';
import { DEFAULT_TRAIN_SETTINGS } from './recipe.js';

const model: LlamaConfig = {
  vocabularySize: 97,
  width: 32,
  layers: 3,
  heads: 4,
  keyHeads: 2,
  hidden: 48,
  positions: 64,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};
const train = { ...DEFAULT_TRAIN_SETTINGS, rows: 2, columns: 16, steps: 10, threads: 1 };

it.each([[{}], [{ tiedHead: false }], [{ queryKeyNorm: true, keyHeads: 4 }]])('counts the weights of %j', (change) => {
  const config = { ...model, ...change };
  expect(parameterCount(config)).toBe(new Llama(config).size);
});

it('counts operations by hand', () => {
  const tokens = 32;
  // Per layer: q and o 32·32 each, k and v 16·32 each, three matrices of 48·32, two norms of 32.
  const weights = 3 * (2 * 1024 + 2 * 512 + 3 * 1536 + 2 * 32) + 32 + 97 * 32;
  const expected = 6 * weights * tokens + 12 * 3 * 32 * 16 * tokens;
  expect(trainingFlops(model, tokens, train)).toBe(expected);
  expect(trainingFlops({ ...model, tiedHead: false }, tokens, train)).toBe(expected);
  expect(trainingFlops(model, tokens, { ...train, recompute: true })).toBeCloseTo((expected * 4) / 3);
});

it('adds memory up', () => {
  const { parameters, weightBytes, optimizerBytes, peakBytes, totalTokens, activationBytes } = planTraining({
    model,
    train,
  });
  expect([weightBytes, optimizerBytes, totalTokens]).toEqual([4 * parameters, 8 * parameters, 320]);
  expect(peakBytes).toBeGreaterThan(weightBytes + optimizerBytes + activationBytes);
  const sgd = planTraining({ model, train: { ...train, optimizer: 'sgd' } });
  const muon = planTraining({ model, train: { ...train, optimizer: 'muon' } });
  expect(sgd.optimizerBytes).toBe(4 * parameters);
  expect(muon.optimizerBytes).toBe(4 * parameters + 4 * (97 * 32 + 7 * 32));
  expect(planTraining({ model, train: { ...train, recompute: true } }).activationBytes).toBeLessThan(activationBytes);
});

it('measures the real step', async () => {
  const speed = await measureTraining({ model, train: { ...train, accumulate: 2 } }, 0.05);
  expect(speed.stepsMeasured).toBeGreaterThanOrEqual(2);
  expect(speed.tokensPerSecond).toBeCloseTo(64 / speed.stepSeconds);
  await expect(measureTraining({ model, train }, 1, AbortSignal.abort())).rejects.toThrow('abort');
});
