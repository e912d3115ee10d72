import { expect, it } from 'vitest';
import { type ChatEvent, textOf, withoutOldest } from './language-model.js';
import { ScriptedModel } from './mock.js';

const end = async (events: AsyncIterable<ChatEvent>) => {
  for await (const event of events) if (event.type === 'end') return event;
  throw new Error('no end');
};

it('says its script, word by word, and remembers the requests', async () => {
  const model = new ScriptedModel(['one two  three\n', 'four']);
  const pieces: string[] = [];
  for await (const event of model.complete('go on')) if (event.type === 'text') pieces.push(event.text);
  expect(pieces).toEqual(['one', ' two', '  three', '\n']);
  expect(await textOf(model.chat([{ role: 'user', content: 'and' }]))).toBe('four');
  expect(model.requests).toMatchObject([{ prompt: 'go on' }, { messages: [{ content: 'and' }] }]);
  await expect(textOf(model.complete(''))).rejects.toThrow('the script is over');
});

it('keeps to the options', async () => {
  const model = new ScriptedModel(() => 'one two three');
  expect(await textOf(model.complete('', { maxTokens: 2 }))).toBe('one two');
  expect(await end(model.complete('', { maxTokens: 2 }))).toMatchObject({ finish: 'length' });
  expect(await textOf(model.complete('', { stop: ['three', 'o t'] }))).toBe('one tw');
  expect(await end(model.complete('', { stop: ['three', ' t'] }))).toMatchObject({ finish: 'stop', stop: ' t' });
  expect(await end(model.complete('', { signal: AbortSignal.abort() }))).toMatchObject({ finish: 'aborted' });
  expect((await model.score('a bc')).map(({ text }) => text)).toEqual(['a', ' bc']);
});

it('the oldest messages are those that are no system messages', () => {
  const messages = [
    { role: 'system', content: 's' },
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' },
    { role: 'user', content: 'c' },
  ] as const;
  expect(withoutOldest(messages, 2).map(({ content }) => content)).toEqual(['s', 'c']);
});
