import { expect, test } from 'vitest';
import { mentions } from '../data/dictionary-entry.js';
import { questionOf } from '../data/split.js';
import { dictionaryMaterial } from './dictionary-material.js';

test('what the exam asks, and what is held out, is in no training text and no training chat', async () => {
  const material = await dictionaryMaterial({ seed: 3, share: 0.05, questions: 40 });
  const { training, heldOut, heldOutChats, exams } = material;
  expect(exams.map(({ questions }) => questions.length)).toEqual([40, 40, 40, 40]);
  const asked = new Set(
    heldOutChats
      .flatMap(({ messages }) => messages.flatMap(({ toolCalls }) => toolCalls ?? []))
      .map((call) => {
        return String(call.arguments);
      }),
  );
  expect(asked.size).toBe(40);
  const chats = [...material.chats(1500)];
  const said = chats.map(({ messages }) => messages.map(({ content }) => content).join('\n'));
  for (const text of [...said, ...training.map(({ text }) => text), ...heldOut.map(({ text }) => text)]) {
    expect(mentions(text, asked), text).toBe(false);
  }
  const questions = new Set(chats.flatMap(({ messages }) => messages.map(({ content }) => content)));
  expect(heldOutChats.filter((chat) => questions.has(questionOf(chat)))).toEqual([]);
  const texts = new Set(training.map(({ text }) => text));
  expect(heldOut.filter(({ text }) => texts.has(text))).toEqual([]);

  // The right answers of the held-out chats are what the exams with the tool and with steps want.
  const [lookUps, , sums] = exams;
  const answers = heldOutChats.map(({ messages }) => messages.at(-1)!.content);
  expect(lookUps!.questions.every(({ grade }, i) => grade(answers[i]!))).toBe(true);
  expect(sums!.questions.every(({ grade }, i) => grade(answers[40 + i]!))).toBe(true);
  expect(lookUps!.questions.some(({ grade }) => grade(`${answers[0]}s`) || grade('none'))).toBe(false);
});
