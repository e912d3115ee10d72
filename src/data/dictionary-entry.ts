import { otherWords, type WordNet } from './wordnet.js';
import type { PartOfSpeech, Synset } from './wordnet-synset.js';

/** What can be asked about a word. */
export const DICTIONARY_TASKS = ['define', 'synonyms', 'opposite', 'kind', 'example'] as const;
export type DictionaryTask = (typeof DICTIONARY_TASKS)[number];

/** A short dictionary entry: one line of text a field, each short enough for a small model to copy. */
export interface DictionaryEntry {
  readonly word: string;
  readonly partOfSpeech: PartOfSpeech;
  readonly definition: string;
  readonly synonyms: readonly string[];
  readonly kind: string | undefined;
  readonly opposites: readonly string[];
  readonly example: string | undefined;
}

/** Longest definition, example and list of words in an entry, in characters. */
export const ENTRY_LIMITS = { definition: 80, example: 60, list: 40, listWords: 3 } as const;

/** What stands for an empty field. */
export const NOTHING = 'none';

/**
 * The entry of a word: its most usual meaning. Synonyms, opposite, kind and example come from the first meaning of the
 * same part of speech that has them. `undefined` where WordNet does not have the word.
 */
export function entryOf(wordnet: WordNet, word: string): DictionaryEntry | undefined {
  const senses = wordnet.senses(word);
  const first = senses[0];
  if (first === undefined) return undefined;
  const same = senses.filter((sense) => sense.partOfSpeech === first.partOfSpeech);
  const firstList = (list: (sense: Synset) => string[]): string[] => {
    for (const sense of same) {
      const words = shortList(list(sense));
      if (words.length > 0) return words;
    }
    return [];
  };
  return {
    word: first.words.find((written) => written.toLowerCase() === word.trim().toLowerCase()) ?? word,
    partOfSpeech: first.partOfSpeech,
    definition: shortDefinition(first.definition),
    synonyms: firstList((sense) => otherWords(sense, word)),
    kind: firstList((sense) => wordnet.hypernymsOf(sense))[0],
    opposites: firstList((sense) => wordnet.antonymsOf(sense, word)),
    example: shortExample(
      same.flatMap((sense) => sense.examples),
      word,
    ),
  };
}

/**
 * The text of an entry, the same for the real tool and for training: always five lines, each `label: value`. Every
 * line is what the assistant answers to one task, label included, so that answering is copying a line from its label
 * on, token by token, whatever the tokenizer.
 */
export function renderEntry(entry: DictionaryEntry): string {
  return DICTIONARY_TASKS.map((task) => answerOf(entry, task)).join('\n');
}

/** The answer to a task, exactly one line of `renderEntry`. */
export function answerOf(entry: DictionaryEntry, task: DictionaryTask): string {
  switch (task) {
    case 'define':
      return `${entry.partOfSpeech}: ${entry.definition}`;
    case 'synonyms':
      return `synonyms: ${entry.synonyms.join(', ') || NOTHING}`;
    case 'opposite':
      return `opposite: ${entry.opposites.join(', ') || NOTHING}`;
    case 'kind':
      return `kind: ${entry.kind ?? NOTHING}`;
    case 'example':
      return `example: ${entry.example ?? NOTHING}`;
  }
}

/** Whether the entry has something to say to a task. */
export function hasAnswer(entry: DictionaryEntry, task: DictionaryTask): boolean {
  return !answerOf(entry, task).endsWith(`: ${NOTHING}`);
}

/**
 * The first clause of a definition without a closing remark in parentheses, cut before a joining word where it is
 * still too long. It does not end in a mark: many tokenizers join a mark with the end of the line that follows.
 */
export function shortDefinition(definition: string): string {
  const clause = definition.split(/;\s/)[0]!.trim();
  let text = clause.replace(/(?<=.{15}) \([^()]*\)$/, '');
  const limit = ENTRY_LIMITS.definition;
  if (text.length > limit) {
    const boundary =
      /[,:]? (?:\(|and |or |that |which |who |whose |when |where |while |with |for |from |by |in |on |to |as |especially |\w+ing )|, /g;
    let cut = -1;
    for (const match of text.matchAll(boundary)) if (match.index <= limit && match.index >= 20) cut = match.index;
    text = text.slice(0, cut > 0 ? cut : text.lastIndexOf(' ', limit)).trim();
  }
  if ((text.match(/\(/g)?.length ?? 0) > (text.match(/\)/g)?.length ?? 0)) {
    const open = text.lastIndexOf('(');
    text = open >= 20 ? text.slice(0, open).trim() : text.replaceAll('(', '');
  }
  return text.replace(/(?:[\s,:;]+|\s(?:an?|the|of|its|their|is|are|usually|often))+$/, '');
}

function shortList(words: readonly string[]): string[] {
  const chosen: string[] = [];
  let length = 0;
  for (const word of new Set(words)) {
    length += word.length + 2;
    if (chosen.length === ENTRY_LIMITS.listWords || length > ENTRY_LIMITS.list + 2) break;
    chosen.push(word);
  }
  return chosen;
}

/** The first example that is short, ends in a word, and uses the word itself rather than another of its synset. */
function shortExample(examples: readonly string[], word: string): string | undefined {
  const stem = word.trim().toLowerCase().replace(/[ey]$/, '');
  return examples
    .map((example) => example.replace(/[.!]$/, ''))
    .find(
      (example) =>
        example.length <= ENTRY_LIMITS.example && /^\w.{5,}\w$/.test(example) && example.toLowerCase().includes(stem),
    );
}

const RUDE = /\b(?:slur|offensive|obscene|vulgar|profane|disparag\w*|derogatory|pejorative|contemptuous|ethnic)\b/;

/** Whether a definition says that its word insults; such words are looked up on request but never taught. */
export function isRude(definition: string): boolean {
  return RUDE.test(definition);
}

/** The words of a text in lower case: runs of letters. The unit in which held-out words are kept away. */
export function tokensOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z]+/g) ?? [];
}

/** Whether any word of the text is in the set. */
export function mentions(text: string, words: ReadonlySet<string>): boolean {
  return words.size > 0 && tokensOf(text).some((token) => words.has(token));
}
