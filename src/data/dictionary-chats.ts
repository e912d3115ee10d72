import type { ChatMessage } from '../tokenizer/chat-template.js';
import type { Random } from '../util/random.js';
import {
  answerOf,
  DICTIONARY_TASKS,
  type DictionaryEntry,
  type DictionaryTask,
  entryOf,
  hasAnswer,
  isRude,
  mentions,
  renderEntry,
} from './dictionary-entry.js';
import { inventedWord, syntheticEntry } from './dictionary-invented.js';
import { MEMORY_SYSTEM, NOT_FOUND, NOT_FOUND_ANSWER, QUESTION_TEMPLATES, SMALL_TALK } from './dictionary-templates.js';
import { type WordLists, wordListsOf } from './dictionary-words.js';
import type { WordNet } from './wordnet.js';

/** How often a task is asked of a word that has an answer to it; else the answer may be `none`. */
const ANSWERED_SHARE = 0.9;

/** How often a word to look up is one in daily use; the others are drawn from all words, most of them rare. */
const COMMON_SHARE = 0.35;

/** A question about a word in one of the task's phrasings, sometimes without capital or final mark, as people type. */
export function askAbout(random: Random, task: DictionaryTask, word: string): string {
  let text = random.pick(QUESTION_TEMPLATES[task]).replace('*', () => word);
  if (random.uniform() < 0.2 && !text.startsWith('I ')) text = text.charAt(0).toLowerCase() + text.slice(1);
  if (random.uniform() < 0.2) text = text.replace(/[.?]$/, '');
  return text;
}

/**
 * Makes the chats that turn a language model into the dictionary assistant. Every chat depends on the random stream
 * alone, and none contains a held-out word in any message.
 */
export class DictionaryChats {
  readonly wordnet: WordNet;
  private readonly heldOut: ReadonlySet<string>;
  private readonly words: WordLists;

  /** @param heldOutWords single words in lower case. The first time for a WordNet it takes a second to list words. */
  constructor(wordnet: WordNet, heldOutWords: Iterable<string>) {
    this.wordnet = wordnet;
    this.heldOut = new Set(heldOutWords);
    this.words = wordListsOf(wordnet);
  }

  /** Asked about a real word: look it up, answer with a line of the result. */
  lookup(random: Random): ChatMessage[] {
    const task = random.pick(DICTIONARY_TASKS);
    return lookupChat(random, task, this.drawEntry(random, task));
  }

  /** The same with an invented word and entry. */
  inventedLookup(random: Random): ChatMessage[] {
    const task = random.pick(DICTIONARY_TASKS);
    for (;;) {
      const model = this.drawEntry(random, 'define');
      const entry = syntheticEntry(this.wordnet, random, model, () => random.pick(this.words.single));
      const answered = hasAnswer(entry, task) || random.uniform() > ANSWERED_SHARE;
      if (answered && !mentions(`${entry.word}\n${renderEntry(entry)}`, this.heldOut)) {
        return lookupChat(random, task, entry);
      }
    }
  }

  /** Asked about a word that is in no dictionary: look it up, say so. */
  notFound(random: Random): ChatMessage[] {
    const task = random.pick(DICTIONARY_TASKS);
    let word = inventedWord(this.wordnet, random);
    while (this.heldOut.has(word)) word = inventedWord(this.wordnet, random);
    return exchange(askAbout(random, task, word), word, NOT_FOUND, NOT_FOUND_ANSWER);
  }

  /** Told to answer from memory: the same answer at once, for words in daily use. */
  memory(random: Random): ChatMessage[] {
    const task = random.pick(DICTIONARY_TASKS);
    const entry = this.drawEntry(random, task, this.words.common);
    return [
      { role: 'system', content: MEMORY_SYSTEM },
      { role: 'user', content: askAbout(random, task, entry.word) },
      { role: 'assistant', content: answerOf(entry, task) },
    ];
  }

  /** A greeting, a question about the assistant, thanks. */
  smallTalk(random: Random): ChatMessage[] {
    const { ask, answer } = random.pick(SMALL_TALK);
    let text = random.pick(ask);
    if (random.uniform() < 0.2) text = text.toLowerCase();
    if (random.uniform() < 0.2) text = text.replace(/[.?!]$/, '');
    return [
      { role: 'user', content: text },
      { role: 'assistant', content: answer },
    ];
  }

  /** An entry of a real word that may be taught and mostly has an answer to the task. */
  private drawEntry(random: Random, task: DictionaryTask, words?: readonly string[]): DictionaryEntry {
    const answered = random.uniform() < ANSWERED_SHARE;
    const usual = words ?? (random.uniform() < COMMON_SHARE ? this.words.common : this.words.all);
    const pool = (answered ? this.words.answering[task] : undefined) ?? usual;
    for (;;) {
      const entry = entryOf(this.wordnet, random.pick(pool));
      if (entry === undefined || (answered && !hasAnswer(entry, task))) continue;
      if (isRude(entry.definition) || mentions(`${entry.word}\n${renderEntry(entry)}`, this.heldOut)) continue;
      return random.uniform() < 0.3 ? { ...entry, word: entry.word.toLowerCase() } : entry;
    }
  }
}

function lookupChat(random: Random, task: DictionaryTask, entry: DictionaryEntry): ChatMessage[] {
  return exchange(askAbout(random, task, entry.word), entry.word, renderEntry(entry), answerOf(entry, task));
}

/** A question, the look-up of its word, what that gave, and the answer. */
export function exchange(question: string, word: string, result: string, answer: string): ChatMessage[] {
  return [
    { role: 'user', content: question },
    { role: 'assistant', content: '', toolCalls: [{ name: 'lookup', arguments: word }] },
    { role: 'tool', content: result },
    { role: 'assistant', content: answer },
  ];
}
