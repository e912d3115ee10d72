import { beforeAll, describe, expect, test } from 'vitest';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import { hashText } from '../util/random.js';
import { answerOf, DICTIONARY_TASKS, entryOf, renderEntry, shortDefinition, tokensOf } from './dictionary-entry.js';
import { selectHeldOutWords } from './dictionary-held-out.js';
import { type DictionaryExamples, dictionaryExamples } from './dictionary-mixture.js';
import { MEMORY_SYSTEM, NOT_FOUND, NOT_FOUND_ANSWER, QUESTION_TEMPLATES } from './dictionary-templates.js';
import { dictionaryDocuments } from './dictionary-text.js';
import { dictionaryQuestions, gradeAnswer, lookupTool, questionMessages } from './dictionary-tool.js';
import { WordNet } from './wordnet.js';

const wordnet = new WordNet();
const tool = lookupTool(wordnet);
let heldOutWords: string[];
let heldOut: Set<string>;
let examples: DictionaryExamples;

beforeAll(() => {
  heldOutWords = selectHeldOutWords({ wordnet, seed: 7 });
  heldOut = new Set(heldOutWords);
  examples = dictionaryExamples({ wordnet, heldOutWords, seed: 7 });
});

const leaks = (text: string) => tokensOf(text).filter((token) => heldOut.has(token));
const textOf = (chat: ChatMessage[]) => JSON.stringify(chat).replaceAll('\\n', ' ');

describe('held-out words', () => {
  test('500 different words; another seed chooses others', () => {
    expect(heldOut.size).toBe(500);
    const others = selectHeldOutWords({ wordnet, seed: 8, count: 50 });
    expect(others.filter((word) => heldOut.has(word)).length).toBeLessThan(25);
    expect(() => selectHeldOutWords({ wordnet, seed: 7, mentionLimit: -1000 })).toThrow(/too few words/);
  });

  test('occur in no document, which are otherwise nearly all there and the same again', () => {
    let hash = 0;
    let count = 0;
    const dropped = { 'held-out word': 0, 'insulting word': 0 };
    const origins = new Set<string>();
    const onDrop = (_: string, reason: keyof typeof dropped) => dropped[reason]++;
    for (const { text, origin } of dictionaryDocuments({ wordnet, heldOutWords, seed: 7, onDrop })) {
      if (leaks(text).length > 0) throw new Error(`${leaks(text)} in ${text}`);
      if (count++ < 1000) hash = hashText(`${hash}${text}`);
      origins.add(origin);
    }
    expect(origins.size).toBe(count);
    expect(count + dropped['held-out word'] + dropped['insulting word']).toBe(117_791);
    expect(dropped['held-out word']).toBeGreaterThan(500);
    expect(dropped['held-out word']).toBeLessThan(2_500);
    let again = 0;
    let seen = 0;
    for (const { text } of dictionaryDocuments({ wordnet, heldOutWords, seed: 7 })) {
      if (seen++ === 1000) break;
      again = hashText(`${again}${text}`);
    }
    expect(again).toBe(hash);
  });

  test('occur in no chat', () => {
    for (let i = 0; i < 8_000; i++) {
      const text = textOf(examples.at(i));
      if (leaks(text).length > 0) throw new Error(`${leaks(text)} in ${text}`);
    }
  });
});

describe('chats', () => {
  test('example i depends on the seed and i alone', () => {
    const fresh = dictionaryExamples({ wordnet, heldOutWords, seed: 7 });
    const other = dictionaryExamples({ wordnet, heldOutWords, seed: 9 });
    let position = 0;
    for (const chat of fresh) {
      if (position === 100) break;
      expect(chat).toEqual(examples.at(position++));
    }
    expect(fresh.at(123_456)).toEqual(examples.at(123_456));
    expect(other.at(3)).not.toEqual(examples.at(3));
  });

  test('an answer is a line of the result, and a real result is what the tool says', () => {
    const lookups = dictionaryExamples({ wordnet, heldOutWords, seed: 1, mixture: { lookup: 1 } });
    for (let i = 0; i < 500; i++) {
      const chat = lookups.at(i);
      const [user, call, result, answer] = chat.slice(-4) as [ChatMessage, ChatMessage, ChatMessage, ChatMessage];
      const argument = call.toolCalls![0]!.arguments as string;
      expect(user.content).toContain(` ${argument}`);
      expect(tool.run(argument)).toBe(result.content);
      expect(result.content.split('\n')).toContain(answer.content);
      expect(result.content.length).toBeLessThan(260);
    }
  });

  test('invented words are unknown to WordNet, and words not found are said to be so', () => {
    const invented = dictionaryExamples({
      wordnet,
      heldOutWords,
      seed: 1,
      mixture: { inventedLookup: 1, notFound: 1 },
    });
    for (let i = 0; i < 300; i++) {
      const [, call, result, answer] = invented.at(i).slice(-4) as [unknown, ChatMessage, ChatMessage, ChatMessage];
      expect(tool.run(call.toolCalls![0]!.arguments as string)).toBe(NOT_FOUND);
      if (result.content === NOT_FOUND) expect(answer.content).toBe(NOT_FOUND_ANSWER);
      else expect(result.content.split('\n')).toContain(answer.content);
    }
  });

  test('from memory there is no call, and the system message says so', () => {
    const memory = dictionaryExamples({ wordnet, heldOutWords, seed: 1, mixture: { memory: 1 } });
    for (let i = 0; i < 100; i++) {
      expect(memory.at(i).map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
      expect(memory.at(i)[0]!.content).toBe(MEMORY_SYSTEM);
    }
  });

  test('the kinds come in the shares asked for; a wrong mixture is refused', () => {
    const mixed = dictionaryExamples({ wordnet, heldOutWords, seed: 1, mixture: { addition: 3, smallTalk: 1 } });
    const additions = Array.from({ length: 1000 }, (_, i) => mixed.kindAt(i)).filter((kind) => kind === 'addition');
    expect(additions.length).toBeGreaterThan(700);
    expect(additions.length).toBeLessThan(800);
    const make = (mixture: object) => () => dictionaryExamples({ wordnet, heldOutWords, seed: 1, mixture });
    expect(make({ lokup: 1 })).toThrow(/lokup/);
    expect(make({ lookup: -1 })).toThrow(/from 0 up/);
    expect(make({ lookup: 0 })).toThrow(/empty/);
  });

  test('each task has at least eight phrasings, with the word after a space', () => {
    for (const task of DICTIONARY_TASKS) {
      expect(new Set(QUESTION_TEMPLATES[task]).size).toBeGreaterThanOrEqual(8);
      for (const template of QUESTION_TEMPLATES[task]) expect(template).toMatch(/^[^*]* \*[^*]*$/);
    }
  });
});

describe('tool and questions', () => {
  test('the tool', () => {
    expect(tool.run('frog')).toBe(
      [
        'noun: any of various tailless stout-bodied amphibians with long hind limbs for leaping',
        'synonyms: toad, toad frog, anuran',
        'opposite: none',
        'kind: amphibian',
        'example: none',
      ].join('\n'),
    );
    expect(tool.run(' Frogs ')).toBe(tool.run('frog'));
    for (const argument of ['blorf', '', '\0', 'x'.repeat(1e6)]) expect(tool.run(argument)).toBe(NOT_FOUND);
  });

  test('one question a held-out word, each task alike, with the answer of the tool', () => {
    const questions = dictionaryQuestions(wordnet, heldOutWords, 7);
    expect(new Set(questions.map(({ word }) => word))).toEqual(heldOut);
    expect(dictionaryQuestions(wordnet, heldOutWords, 7)).toEqual(questions);
    for (const task of DICTIONARY_TASKS) expect(questions.filter((q) => q.task === task)).toHaveLength(100);
    for (const question of questions) {
      expect(question.question).toContain(` ${question.word}`);
      expect(tool.run(question.word).split('\n')).toContain(question.expected);
      expect(question.expected).not.toMatch(/: none$/);
    }
    expect(questionMessages(questions[0]!, { tool: true })).toHaveLength(1);
    expect(questionMessages(questions[0]!, { tool: false })[0]!.content).toBe(MEMORY_SYSTEM);
  });

  test('grading is exact but for outer white space', () => {
    expect(gradeAnswer('kind: amphibian', ' kind: amphibian\n')).toBe(true);
    expect(gradeAnswer('kind: amphibian', 'kind: Amphibian')).toBe(false);
    expect(gradeAnswer('kind: amphibian', 'amphibian')).toBe(false);
  });

  test('entries are short and regular', () => {
    const words = wordnet.words();
    for (let i = 0; i < words.length; i += 97) {
      const entry = entryOf(wordnet, words[i]!)!;
      const lines = renderEntry(entry).split('\n');
      expect(lines).toHaveLength(5);
      expect(lines[0]).toBe(answerOf(entry, 'define'));
      expect(entry.definition.length).toBeLessThanOrEqual(80);
      expect(entry.definition).not.toMatch(/[\s;,:]$/);
      expect(entry.synonyms.join(', ').length).toBeLessThanOrEqual(40);
    }
    expect(shortDefinition('a frog; a toad')).toBe('a frog');
    expect(shortDefinition(`${'long '.repeat(12)}word and another word that is cut`)).toBe(`${'long '.repeat(12)}word`);
  });
});
