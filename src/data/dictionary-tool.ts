import type { ChatMessage } from '../tokenizer/chat-template.js';
import { Random } from '../util/random.js';
import { askAbout } from './dictionary-chats.js';
import { answerOf, type DictionaryTask, entryOf, hasAnswer, renderEntry } from './dictionary-entry.js';
import { HARDEST_FIRST } from './dictionary-held-out.js';
import { MEMORY_SYSTEM, NOT_FOUND } from './dictionary-templates.js';
import type { WordNet } from './wordnet.js';

/** A tool as a chat runs it: the argument that the model wrote in, text for the model out. */
export interface LookupTool {
  readonly name: 'lookup';
  readonly description: string;
  run(argument: string): string;
}

/** A question about a word with the only answer that counts. */
export interface DictionaryQuestion {
  readonly word: string;
  readonly task: DictionaryTask;
  readonly question: string;
  readonly expected: string;
}

/**
 * The look-up tool of the dictionary assistant: the entry of a word, of a regular inflected form (`frogs`), of either
 * behind an article (`a frog`), or `not found`. Never throws, whatever a model writes as its argument.
 */
export function lookupTool(wordnet: WordNet): LookupTool {
  return {
    name: 'lookup',
    description: 'Looks a word up in WordNet: meaning, synonyms, opposite, kind, example.',
    run(argument) {
      const asked = argument.slice(0, 100);
      const lemma = wordnet.lemma(asked) ?? wordnet.lemma(asked.replace(/^(?:an?|the)\s+/i, ''));
      const entry = lemma === undefined ? undefined : entryOf(wordnet, lemma);
      return entry === undefined ? NOT_FOUND : renderEntry(entry);
    },
  };
}

/**
 * One question for each word, the tasks in equal shares as far as the words have answers to them; phrased as in
 * training. Words that WordNet lacks are skipped.
 */
export function dictionaryQuestions(wordnet: WordNet, words: readonly string[], seed: number): DictionaryQuestion[] {
  const random = new Random(seed, 'dictionary-questions');
  const entries = words.map((word) => entryOf(wordnet, word)).filter((entry) => entry !== undefined);
  const order = random.shuffle(entries);
  const tasks = new Map<string, DictionaryTask>();
  for (const [position, task] of HARDEST_FIRST.entries()) {
    const wanted = Math.round((order.length * (position + 1)) / HARDEST_FIRST.length);
    for (const entry of order) {
      if (tasks.size >= wanted) break;
      if (!tasks.has(entry.word) && hasAnswer(entry, task)) tasks.set(entry.word, task);
    }
  }
  return order.map((entry) => {
    const task = tasks.get(entry.word) ?? 'define';
    return { word: entry.word, task, question: askAbout(random, task, entry.word), expected: answerOf(entry, task) };
  });
}

/** The messages that put a question to the model: free to call the tool, or told to answer from memory. */
export function questionMessages(question: DictionaryQuestion, { tool }: { readonly tool: boolean }): ChatMessage[] {
  const user: ChatMessage = { role: 'user', content: question.question };
  return tool ? [user] : [{ role: 'system', content: MEMORY_SYSTEM }, user];
}

/** Whether an answer is the expected one, but for white space around it. */
export function gradeAnswer(expected: string, answer: string): boolean {
  return answer.trim() === expected.trim();
}
