import { expect, test } from 'vitest';
import { checkSampling, type SamplingOptions } from './sampling-options.js';
import { applyPenalties } from './sampling-penalties.js';

function penalised(
  logits: readonly number[],
  options: Partial<SamplingOptions>,
  history: readonly number[],
  prompt = 0,
): number[] {
  const counts = new Int32Array(logits.length);
  const changed = Float32Array.from(logits);
  applyPenalties(changed, checkSampling(options), history, prompt, counts);
  expect(counts.every((count) => count === 0)).toBe(true);
  return [...changed];
}

test('repetition divides positive logits and multiplies negative ones, once a token', () => {
  expect(penalised([4, -4, 0, 4], { repetitionPenalty: 2 }, [0, 1, 1, 2, 0])).toEqual([2, -8, 0, 4]);
});

test('repetition counts the prompt, and below 1 it rewards', () => {
  expect(penalised([4, -4, 1], { repetitionPenalty: 0.5 }, [0, 1], 2)).toEqual([8, -2, 1]);
});

test('frequency is per occurrence, presence once', () => {
  expect(penalised([1, 1, 1], { frequencyPenalty: 0.5 }, [0, 1, 0, 0])).toEqual([-0.5, 0.5, 1]);
  expect(penalised([1, 1, 1], { presencePenalty: 0.5 }, [0, 1, 0, 0])).toEqual([0.5, 0.5, 1]);
});

test('frequency and presence pass over the prompt', () => {
  const options = { frequencyPenalty: 1, presencePenalty: 0.25 };
  expect(penalised([1, 1, 1], options, [0, 0, 1, 0, 2, 2], 3)).toEqual([-0.25, 1, -1.25]);
});

test('all three: repetition first', () => {
  // token 0: 6 / 1.5 - 2 * 0.5 - 1; token 1: -2 * 1.5 - 0.5 - 1
  const options = { repetitionPenalty: 1.5, frequencyPenalty: 0.5, presencePenalty: 1 };
  expect(penalised([6, -2, 3], options, [0, 1, 0])).toEqual([2, -4.5, 3]);
});

test.each([-1, 3, Number.NaN])('an id of %d in the history is refused', (token) => {
  const counts = new Int32Array(3);
  const options = checkSampling({ presencePenalty: 1 });
  expect(() => applyPenalties(new Float32Array(3), options, [0, token], 0, counts)).toThrow(/token 1 of the history/);
  expect([...counts]).toEqual([0, 0, 0]);
});
