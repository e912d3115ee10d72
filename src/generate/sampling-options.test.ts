import { expect, test } from 'vitest';
import { InputError } from '../util/errors.js';
import { checkSampling, SAMPLING_DEFAULTS } from './sampling-options.js';

test('absent and undefined fields take the defaults', () => {
  expect(checkSampling()).toEqual(SAMPLING_DEFAULTS);
  expect(checkSampling({ topK: undefined, topP: 0.5 })).toEqual({ ...SAMPLING_DEFAULTS, topP: 0.5 });
});

test.each([
  { temperature: -0.1 },
  { temperature: Number.NaN },
  { temperature: Number.POSITIVE_INFINITY },
  { topK: -1 },
  { topK: 1.5 },
  { topP: 0 },
  { topP: 1.01 },
  { minP: -0.1 },
  { minP: 1.1 },
  { repetitionPenalty: 0 },
  { repetitionPenalty: Number.POSITIVE_INFINITY },
  { frequencyPenalty: 2.1 },
  { presencePenalty: -2.1 },
  { topLogProbabilities: -1 },
  { temperature: '1' as unknown as number },
])('%j is refused by the name of its field', (options) => {
  const [field, value] = Object.entries(options)[0]!;
  const check = () => checkSampling(options);
  expect(check).toThrow(InputError);
  expect(check).toThrow(new RegExp(`sampling\\.${field}[\\s\\S]*expected: a [\\s\\S]*got: +"?${value}`));
});

test('the borders of the ranges are inside', () => {
  expect(() =>
    checkSampling({ temperature: 0, topP: 1, minP: 1, frequencyPenalty: -2, presencePenalty: 2 }),
  ).not.toThrow();
});

test.each([
  [-1, 0, /token -1[\s\S]*a whole number/],
  [0.5, 0, /not a token id/],
  [3, Number.NaN, /token 3[\s\S]*or -Infinity[\s\S]*NaN/],
  [3, Number.POSITIVE_INFINITY, /got: +Infinity/],
])('a bias for token %d of %d is refused', (token, bias, message) => {
  expect(() => checkSampling({ logitBias: new Map([[token, bias]]) })).toThrow(message);
});
