import { expect, it } from 'vitest';
import { ScriptedModel, type ScriptedReply } from '../../llm/mock.js';
import { ChatSession } from './chat-session.js';

function sessionOf(script: readonly ScriptedReply[], system?: string) {
  const model = new ScriptedModel(script);
  const notes: string[] = [];
  const types: string[] = [];
  const session = new ChatSession({
    model,
    tools: [{ name: 'lookup', description: '', run: (word) => `noun: ${word}` }],
    system,
    options: {},
    seed: 7,
    onEvent: ({ type }) => void types.push(type),
    onNote: (text) => void notes.push(text),
  });
  const contents = () => session.messages.map(({ role, content }) => `${role} ${content}`);
  return { model, session, notes, types, contents };
}

it('keeps the conversation, calls included', async () => {
  const { session, model, types, contents } = sessionOf([
    { call: { name: 'lookup', argument: 'frog' } },
    'an animal',
    'bye',
  ]);
  expect(await session.enter('frog')).toBe(true);
  expect(types).toEqual(['call', 'result', 'text', 'text', 'end']);
  await session.enter('  thanks ');
  expect(contents()).toEqual([
    'user frog',
    'assistant ',
    'tool noun: frog',
    'assistant an animal',
    'user thanks',
    'assistant bye',
  ]);
  expect(model.requests.map(({ options }) => options.seed)).toEqual([7, 7, 8]);
});

it('obeys commands', async () => {
  const { session, notes, model, contents } = sessionOf(['yes', 'no'], 'Be brief.');
  await session.enter('well?');
  expect(contents()).toEqual(['system Be brief.', 'user well?', 'assistant yes']);
  await session.enter('/reset');
  expect(contents()).toEqual(['system Be brief.']);
  await session.enter('/system');
  expect(notes.at(-1)).toBe('Be brief.');
  await session.enter('/system Be   long.');
  expect(contents()).toEqual(['system Be long.']);
  await session.enter('/help');
  expect(notes.at(-1)).toContain('/quit');
  await session.enter('/nonsense');
  expect(notes.at(-1)).toContain('/help');
  expect(await session.enter('   ')).toBe(true);
  expect(await session.enter('/quit')).toBe(false);
  expect(model.requests).toHaveLength(1);
});

it('stands as before where the model fails', async () => {
  const { session, contents } = sessionOf(['yes', { error: new Error('too long') }]);
  await session.enter('well?');
  await expect(session.enter('x')).rejects.toThrow('too long');
  expect(contents()).toEqual(['user well?', 'assistant yes']);
});
