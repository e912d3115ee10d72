import { expect, test } from 'vitest';
import { asQuestion } from './dictionary-templates.js';
import { lookupTool } from './dictionary-tool.js';
import { WordNet } from './wordnet.js';

test.each([
  ['frog', 'What does frog mean?'],
  [' well-read ', 'What does well-read mean?'],
  ['hello', 'hello'],
  ['Thanks', 'Thanks'],
  ['What is a frog?', 'What is a frog?'],
  ['12', '12'],
])('%j is asked as %j', (typed, asked) => {
  expect(asQuestion(typed)).toBe(asked);
});

test('the look-up tool finds a word behind an article', () => {
  const tool = lookupTool(new WordNet());
  expect(tool.run('a piano')).toBe(tool.run('piano'));
  expect(tool.run('the the')).toBe('not found');
});
