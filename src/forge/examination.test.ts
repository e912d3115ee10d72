import { expect, test } from 'vitest';
import type { LocalModel } from '../llm/local.js';
import { examine, examMetrics } from './examination.js';
import type { Exam } from './material.js';

const exam: Exam = {
  name: 'greetings',
  questions: [{ messages: [{ role: 'user', content: 'hello' }], grade: () => true }],
  tools: false,
  maxTokens: 4,
};

test('an exam that is stopped has no result: what was not asked is not wrong', async () => {
  const stop = new AbortController();
  stop.abort();
  const examined = examine({} as LocalModel, { exams: [exam], tools: [] }, { signal: stop.signal });
  expect(await examined).toBeUndefined();
});

test('a share before tuning has the sample size of its own', () => {
  const [metric] = examMetrics([{ name: 'a', right: 16, count: 64 }], [{ name: 'a', right: 250, count: 500 }]);
  expect(metric).toMatchObject({ before: 0.25, countBefore: 64, after: 0.5, count: 500 });
  expect(examMetrics([], [{ name: 'a', right: 1, count: 2 }])[0]).not.toHaveProperty('before');
});
