import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ownMaterial } from './own-material.js';

function file(name: string, content: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'athanor-own-'));
  const place = path.join(folder, name);
  writeFileSync(place, content);
  return place;
}

const load = (source: string, problems: string[] = []) =>
  ownMaterial({ source, seed: 1, onProblem: (text) => problems.push(text) });

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
  expect(problems.join()).toMatch(/chats\.jsonl:51/);
});

test('an empty source says what was expected', async () => {
  await expect(load(file('empty.txt', ''))).rejects.toThrow(/empty\.txt/);
});
