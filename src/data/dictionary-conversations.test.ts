import { expect, test } from 'vitest';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import { dictionaryConversations } from './dictionary-conversations.js';
import type { DictionaryExamples } from './dictionary-mixture.js';

/** Numbered questions; every eleventh is one to be answered from memory. */
const examples: DictionaryExamples = {
  at(i) {
    const chat: ChatMessage[] = [
      { role: 'user', content: `question ${i}` },
      { role: 'assistant', content: `answer ${i}` },
    ];
    return i % 11 === 0 ? [{ role: 'system', content: 'from memory' }, ...chat] : chat;
  },
  kindAt: (i) => (i % 11 === 0 ? 'memory' : 'lookup'),
  *[Symbol.iterator]() {},
};
const conversations = dictionaryConversations(examples, 3);
const many = Array.from({ length: 2000 }, (_, i) => conversations.at(i));

test('conversations have one to four questions, and none shares an example with another', () => {
  const questions = many.map((messages) => messages.filter(({ role }) => role === 'user').length);
  const share = (n: number): number => questions.filter((count) => count === n).length / many.length;
  expect(share(1)).toBeGreaterThan(0.5);
  for (const n of [2, 3, 4]) expect(share(n)).toBeGreaterThan(0.05);
  const asked = many.flatMap((messages) => messages.flatMap(({ role, content }) => (role === 'user' ? [content] : [])));
  expect(new Set(asked).size).toBe(asked.length);
});

test('a system message comes first or not at all, and memory is not mixed with the tool', () => {
  for (const messages of many) {
    expect(messages.slice(1).some(({ role }) => role === 'system')).toBe(false);
    const numbers = messages.flatMap(({ role, content }) => (role === 'user' ? [Number(content.split(' ')[1])] : []));
    expect(new Set(numbers.map((n) => n % 11 === 0)).size).toBe(1);
  }
});

test('a conversation depends on its number alone', () => {
  expect(dictionaryConversations(examples, 3).at(77)).toEqual(many[77]);
  expect(dictionaryConversations(examples, 4).at(77)).not.toBe(many[77]);
});
