import { expect, test } from 'vitest';
import { Llama } from '../models/llama.js';
import {
  llamaConfig,
  predictedLoss,
  rankShapes,
  trainingFlopsPerToken,
  trainingMemory,
  weightsOfShape,
} from './shape.js';

const shape = { layers: 3, width: 64, heads: 2, hidden: 176, vocabularySize: 300 };
const budget = {
  seconds: 240,
  flopsPerSecond: 1e11,
  time: 128,
  corpusTokens: 1e9,
  vocabularySize: 2048,
  memoryBytes: 8e9,
  stepTokens: 1024,
};

test('the formula for the weights counts what the model has', () => {
  expect(weightsOfShape(shape)).toBe(new Llama(llamaConfig(shape, 32)).size);
});

test('a token costs six operations a weight and the attention', () => {
  expect(trainingFlopsPerToken(shape, 0)).toBe(6 * weightsOfShape(shape));
  expect(trainingFlopsPerToken(shape, 10) - trainingFlopsPerToken(shape, 0)).toBe(12 * 3 * 64 * 10);
});

test('the law gives the published value: Chinchilla, 70 B weights and 1.4 T tokens, 1.94 nats', () => {
  expect(predictedLoss(70e9, 1.4e12)).toBeCloseTo(1.936, 2);
});

test('more time buys a larger model, and the best choice comes first', () => {
  const sizes = [60, 600, 6000, 60_000].map((seconds) => rankShapes({ ...budget, seconds })[0]!.weights);
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  expect(new Set(sizes).size).toBeGreaterThan(2);
  const losses = rankShapes(budget).map(({ predictedLoss: loss }) => loss);
  expect(losses).toEqual([...losses].sort((a, b) => a - b));
});

test('tokens that are read again are worth nothing after four times', () => {
  const [rich] = rankShapes({ ...budget, seconds: 6000 });
  const [poor] = rankShapes({ ...budget, seconds: 6000, corpusTokens: 1e5 });
  expect(poor!.predictedLoss).toBeGreaterThan(rich!.predictedLoss);
});

test('a shape that does not fit into memory is not offered', () => {
  const all = rankShapes(budget);
  const largest = Math.max(...all.map(({ shape: s }) => trainingMemory(s, 1024, 128)));
  expect(rankShapes({ ...budget, memoryBytes: largest }).length).toBe(all.length - 1);
});

test('a few lines of text get a small model, however much time there is', () => {
  const [best] = rankShapes({ ...budget, seconds: 1e6, corpusTokens: 50 });
  const smallest = Math.min(...rankShapes(budget).map(({ weights }) => weights));
  expect(best!.weights).toBe(smallest);
});
