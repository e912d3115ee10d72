import { InputError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { ARITHMETIC_PHRASES } from './arithmetic.js';
import { DICTIONARY_TASKS, type DictionaryTask, entryOf, hasAnswer, isRude, tokensOf } from './dictionary-entry.js';
import { MEMORY_SYSTEM, NOT_FOUND, NOT_FOUND_ANSWER, QUESTION_TEMPLATES, SMALL_TALK } from './dictionary-templates.js';
import { documentMaterial, wordingVocabulary } from './dictionary-text.js';
import type { WordNet } from './wordnet.js';

export interface HeldOutOptions {
  readonly wordnet: WordNet;
  readonly seed: number;
  /** How many words; 500 by default. */
  readonly count?: number;
  /** In how many synsets besides its own a word may be mentioned; 4 by default. */
  readonly mentionLimit?: number;
}

/**
 * Words to keep out of all training: single words of 4 to 12 letters that people use (they occur in WordNet's tagged
 * texts), that few other synsets mention (so that little is lost by dropping those), and of which WordNet knows enough
 * to ask about. Each task of `DICTIONARY_TASKS` gets a share of words that have an answer to it. Sorted; the same
 * options give the same words.
 *
 * @throws {InputError} where there are fewer such words than asked for.
 */
export function selectHeldOutWords({ wordnet, seed, count = 500, mentionLimit = 4 }: HeldOutOptions): string[] {
  const reserved = templateVocabulary();
  const candidates: string[] = [];
  for (const [word, count] of mentionsOf(wordnet)) {
    if (count <= wordnet.senseCount(word) + mentionLimit && !reserved.has(word)) candidates.push(word);
  }
  new Random(seed, 'dictionary-held-out').shuffle(candidates);
  const isInsult = (word: string) => wordnet.define(word).some(({ definition }) => isRude(definition));
  const chosen = new Set<string>();
  for (const [position, task] of HARDEST_FIRST.entries()) {
    const wanted = Math.round((count * (position + 1)) / HARDEST_FIRST.length);
    for (const word of candidates) {
      if (chosen.size >= wanted) break;
      if (chosen.has(word)) continue;
      const entry = entryOf(wordnet, word)!;
      const known = entry.synonyms.length > 0 || entry.kind !== undefined;
      if (entry.word === word && known && hasAnswer(entry, task) && !isInsult(word)) chosen.add(word);
    }
  }
  if (chosen.size < count) {
    throw new InputError('too few words to hold out', { expected: `${count} words`, got: `${chosen.size}` });
  }
  return [...chosen].sort();
}

/** The tasks from the one that fewest words can answer to the one that all can. */
export const HARDEST_FIRST: readonly DictionaryTask[] = ['opposite', 'example', 'synonyms', 'kind', 'define'];

const counted = new WeakMap<WordNet, ReadonlyMap<string, number>>();

/** For each word that could be held out, in how many synsets' documents it can occur; counted once a WordNet. */
function mentionsOf(wordnet: WordNet): ReadonlyMap<string, number> {
  const before = counted.get(wordnet);
  if (before !== undefined) return before;
  const words = wordnet.words().filter((word) => /^[a-z]{4,12}$/.test(word) && wordnet.taggedSenses(word) > 0);
  const counts = new Map(words.map((word) => [word, 0]));
  for (const id of wordnet.synsetIds()) {
    const material = documentMaterial(wordnet, wordnet.synset(id));
    for (const word of new Set(tokensOf(material))) {
      const count = counts.get(word);
      if (count !== undefined) counts.set(word, count + 1);
    }
  }
  counted.set(wordnet, counts);
  return counts;
}

/** Every word of the wordings of documents, questions and small talk: held out, it would empty them. */
function templateVocabulary(): Set<string> {
  const words = wordingVocabulary();
  const texts = [MEMORY_SYSTEM, NOT_FOUND, NOT_FOUND_ANSWER, ...ARITHMETIC_PHRASES];
  for (const task of DICTIONARY_TASKS) texts.push(...QUESTION_TEMPLATES[task]);
  for (const { ask, answer } of SMALL_TALK) texts.push(...ask, answer);
  for (const text of texts) for (const word of tokensOf(text)) words.add(word);
  return words;
}
