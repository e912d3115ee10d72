import { afterAll, beforeAll, expect, it } from 'vitest';
import { callingModel, randomModel } from '../../test/bigram-model.js';
import { cpu } from '../runtime/device.js';
import { type ChatMessage, DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import { answerAll } from './batch.js';
import { textOf } from './language-model.js';
import { LocalModel, type ModelParts } from './local.js';

const device = cpu({ threads: 1 });
const ask = (content: string): ChatMessage[] => [{ role: 'user', content }];
const opened: LocalModel[] = [];
const open = (parts: ModelParts): LocalModel => {
  opened.push(new LocalModel(parts, { device }));
  return opened.at(-1)!;
};
let calling: LocalModel;
beforeAll(async () => {
  calling = open(await callingModel());
});
afterAll(async () => {
  for (const model of opened) await model.release();
});

it('answers as one after the other', async () => {
  const model = new LocalModel(await randomModel(), { device: cpu({ threads: 2 }) });
  opened.push(model);
  expect(model.enginesOf(3)).toHaveLength(2);
  const conversations = Array.from({ length: 11 }, (_, i) => ask('a dog '.repeat(i % 4).concat('abcdef'[i % 6]!)));
  const reports: number[] = [];
  const options = { maxTokens: 10, batch: 3, onProgress: (done: number) => void reports.push(done) };
  const answers = await answerAll(model, conversations, options);
  for (const [i, messages] of conversations.entries()) {
    const single = await textOf(model.chat(messages, { maxTokens: 10, sampling: { temperature: 0 } }));
    expect(answers[i]!.answer).toBe(single);
  }
  expect(new Set(answers.map(({ answer }) => answer)).size).toBeGreaterThan(3);
  expect(reports.at(-1)).toBe(11);

  const drawn = { maxTokens: 10, sampling: { temperature: 1 } };
  const alone = open({ ...model, chatTemplate: DEFAULT_CHAT_TEMPLATE });
  expect(await answerAll(alone, conversations, drawn)).toEqual(await answerAll(model, conversations, drawn));
});

it('runs the tools that are called, and none where there is none', async () => {
  const asked: string[] = [];
  const tip = { name: 'tip', description: '', run: (text: string) => `${asked.push(text)}` };
  const conversations = Array.from({ length: 5 }, () => ask('e'));
  const answers = await answerAll(calling, conversations, { tools: [tip], batch: 2 });
  expect(asked).toEqual(Array(5).fill('fog'));
  expect(answers[4]).toEqual({
    answer: 'A中B',
    calls: [{ name: 'tip', argument: 'fog', result: '5', succeeded: true }],
    finish: 'stop',
  });
  expect(await answerAll(calling, [ask('e')])).toEqual([{ answer: 'A中B', calls: [], finish: 'stop' }]);
});

it('gives an empty answer where a result is longer than the context, and refuses such a question', async () => {
  const tip = { name: 'tip', description: '', run: () => 'x'.repeat(500) };
  const [answer] = await answerAll(calling, [ask('e')], { tools: [tip] });
  expect(answer).toMatchObject({ answer: '', finish: 'length', calls: [{ succeeded: true }] });
  await expect(answerAll(calling, [ask('e'), ask('e'.repeat(200))])).rejects.toThrow(/conversation 2.*128 positions/s);
});

it('asks for no more than the context holds', async () => {
  const model = open(await randomModel(32));
  const answers = await answerAll(model, [ask('e'.repeat(24)), ask('e')], { maxTokens: 100 });
  expect(answers).toHaveLength(2);
});

it('stops when asked to', async () => {
  const answers = await answerAll(calling, [ask('e')], { signal: AbortSignal.abort() });
  expect(answers).toEqual([{ answer: '', calls: [], finish: 'aborted' }]);
  expect(await answerAll(calling, [])).toEqual([]);
});
