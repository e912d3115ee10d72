import { type DictionaryTask, ENTRY_LIMITS } from './dictionary-entry.js';
import type { WordNet } from './wordnet.js';

/** Words to draw from when chats are made; all in lower case. */
export interface WordLists {
  /** Every lemma of letters, spaces, hyphens and apostrophes, up to 24 characters. */
  readonly all: readonly string[];
  /** Those that people use: they occur in WordNet's tagged texts. */
  readonly common: readonly string[];
  /** Those of one word, 3 to 12 letters. */
  readonly single: readonly string[];
  /** For the tasks that few words have an answer to: words likely to have one. */
  readonly answering: Readonly<Partial<Record<DictionaryTask, readonly string[]>>>;
}

const known = new WeakMap<WordNet, WordLists>();

/** The lists of a WordNet, made once (about a second). Held-out words are in them: whoever draws checks. */
export function wordListsOf(wordnet: WordNet): WordLists {
  const lists = known.get(wordnet) ?? makeLists(wordnet);
  known.set(wordnet, lists);
  return lists;
}

function makeLists(wordnet: WordNet): WordLists {
  const all = wordnet.words().filter((word) => word.length <= 24 && /^[a-z][a-z' -]*[a-z]$/.test(word));
  const allowed = new Set(all);
  const opposite = new Set<string>();
  const example = new Set<string>();
  for (const id of wordnet.synsetIds()) {
    const synset = wordnet.synset(id);
    const quotes = synset.examples.filter((text) => text.length <= ENTRY_LIMITS.example);
    for (const [i, written] of synset.words.entries()) {
      const word = written.toLowerCase();
      if (!allowed.has(word)) continue;
      if (synset.pointers.some((pointer) => pointer.symbol === '!' && pointer.sourceWord === i + 1)) opposite.add(word);
      if (quotes.some((text) => text.toLowerCase().includes(word))) example.add(word);
    }
  }
  return {
    all,
    common: all.filter((word) => wordnet.taggedSenses(word) > 0),
    single: all.filter((word) => /^[a-z]{3,12}$/.test(word)),
    answering: { opposite: [...opposite], example: [...example] },
  };
}
