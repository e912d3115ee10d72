import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { ChatRecord } from '../data/document.js';
import { questionOf } from '../data/split.js';
import { ownMaterial } from './own-material.js';

function file(name: string, content: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'athanor-own-'));
  const place = path.join(folder, name);
  writeFileSync(place, content);
  return place;
}

const load = (source: string, problems: string[] = []) =>
  ownMaterial({ source, seed: 1, minutes: 10, onProblem: (text) => problems.push(text) });

test('plain texts become chats that go on from their beginning', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => JSON.stringify({ text: `Title ${i}\nThe body of number ${i}.` }));
  const material = await load(file('texts.jsonl', rows.join('\n')));
  expect(material.tokenizerKind).toBe('byte-bpe');
  const [first] = [...material.chats(1)];
  const [question, answer] = first!.messages;
  expect(question!.content).toMatch(/^Title \d+$/);
  expect(answer!.content).toBe(`The body of number ${question!.content.slice(6)}.`);
  const held = new Set(material.heldOut.map(({ text }) => text));
  expect(held.size).toBeGreaterThan(0);
  expect(material.training.some(({ text }) => held.has(text))).toBe(false);
});

test('Chinese text gets a character tokenizer', async () => {
  const rows = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ text: `春晓${i}\n春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。` }),
  );
  expect((await load(file('verse.jsonl', rows.join('\n')))).tokenizerKind).toBe('character');
});

test('chats are taken as they are, and a bad line is reported with its place', async () => {
  const chat = (i: number) =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `question ${i}?` },
        { role: 'assistant', content: `answer ${i}` },
      ],
    });
  const problems: string[] = [];
  const lines = [...Array.from({ length: 50 }, (_, i) => chat(i)), '{"messages": '];
  const material = await load(file('chats.jsonl', lines.join('\n')), problems);
  expect([...material.chats(1)][0]!.messages[0]!.content).toMatch(/^question/);
  expect(problems).toEqual([expect.stringMatching(/chats\.jsonl:51/)]);
});

test('a chat and its text are on the same side, and so are two answers to a question', async () => {
  const rows = Array.from({ length: 300 }, (_, i) =>
    JSON.stringify({
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: `question ${i >> 1}?` },
        { role: 'assistant', content: `answer ${i}` },
      ],
    }),
  );
  const material = await load(file('chats.jsonl', [...rows, '{"text": "A text without a question."}'].join('\n')));
  const { training, heldOut, heldOutChats, showcase } = material;
  const chats = [...material.chats(rows.length - heldOutChats.length)];
  const origins = (items: readonly { origin: string }[]): Set<string> => new Set(items.map(({ origin }) => origin));
  const shared = (a: Set<string>, b: Set<string>): string[] => [...a].filter((origin) => b.has(origin));
  expect(heldOutChats.length).toBeGreaterThan(0);
  expect(chats.length).toBeGreaterThan(heldOutChats.length);
  expect(shared(origins(chats), origins(heldOut))).toEqual([]);
  expect(shared(origins(training), origins(heldOutChats))).toEqual([]);
  const questions = (items: readonly ChatRecord[]): Set<string> => new Set(items.map((chat) => questionOf(chat)));
  expect(shared(questions(chats), questions(heldOutChats))).toEqual([]);
  expect(showcase[0]!.map(({ role }) => role)).toEqual(['system', 'user']);
});

test('a long source is read as far as the time goes, and many bad lines are counted', async () => {
  const problems: string[] = [];
  const text = 'Some words of a long text. '.repeat(40);
  const rows = Array.from({ length: 300 }, (_, i) => JSON.stringify({ text: `${i} ${text}` }));
  const source = file('long.jsonl', [...rows, ...Array.from({ length: 9 }, () => '{')].join('\n'));
  const onProblem = (problem: string): number => problems.push(problem);
  const all = await ownMaterial({ source, seed: 1, minutes: 1, onProblem });
  expect(all.training.length + all.heldOut.length).toBe(300);
  expect(problems.length).toBe(6);
  expect(problems[5]).toMatch(/^9 lines/);
  const part = await ownMaterial({ source, seed: 1, minutes: 0.01, onProblem });
  expect(part.training.length + part.heldOut.length).toBeLessThan(60);
  expect(problems[6]).toMatch(/Only the first 42 k characters/);
});

test('an empty source says what was expected', async () => {
  await expect(load(file('empty.txt', ''))).rejects.toThrow(/empty\.txt/);
});
