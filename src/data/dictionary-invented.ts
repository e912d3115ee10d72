import type { Random } from '../util/random.js';
import { type DictionaryEntry, ENTRY_LIMITS, shortDefinition } from './dictionary-entry.js';
import type { WordNet } from './wordnet.js';

const ONSETS =
  'b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sh sl sm sp st t th tr v w z'.split(' ');
const VOWELS = 'a e i o u a e i o ai ea ee oa oo ou y'.split(' ');
const CODAS = ['', '', '', ...'b ck d ft g l ll m mp n nd ng nt p r rd rk s sh ss st t th x'.split(' ')];
const EXAMPLES = [
  'the W was near the X',
  'they saw a W in the X',
  'her X is very W today',
  'nobody could W the X',
  'a W of the X',
  'he put the W on the X',
  'the X and the W',
  'we W every X at night',
  'no X is as W as this X',
  'she spoke about the W',
];

/** A pronounceable word of two or three syllables that WordNet does not have, in no form. */
export function inventedWord(wordnet: WordNet, random: Random): string {
  for (;;) {
    let word = '';
    const syllables = 2 + random.integer(2);
    for (let i = 0; i < syllables; i++) {
      word += random.pick(ONSETS) + random.pick(VOWELS);
      if (i === syllables - 1) word += random.pick(CODAS);
    }
    if (wordnet.lemma(word) === undefined) return word;
  }
}

/**
 * An entry for an invented word, so that looking up is learned as copying and cannot be done from memory: the
 * definition of a real entry with about half of its longer words exchanged, synonyms, kind and opposite drawn at
 * random, some of them invented too.
 *
 * @param model the real entry; @param anyWord draws a real single word in lower case.
 */
export function syntheticEntry(
  wordnet: WordNet,
  random: Random,
  model: DictionaryEntry,
  anyWord: () => string,
): DictionaryEntry {
  const word = inventedWord(wordnet, random);
  const some = () => (random.uniform() < 0.3 ? inventedWord(wordnet, random) : anyWord());
  const definition = model.definition.replace(/\b[a-z]{5,}\b/g, (old) => (random.uniform() < 0.5 ? some() : old));
  const example = random.pick(EXAMPLES).replace('W', word).replaceAll('X', anyWord);
  return {
    word,
    partOfSpeech: model.partOfSpeech,
    definition: shortDefinition(definition),
    synonyms: capped(Array.from({ length: random.integer(4) }, some)),
    kind: random.uniform() < 0.8 ? some() : undefined,
    opposites: random.uniform() < 0.6 ? [some()] : [],
    example: random.uniform() < 0.7 && example.length <= ENTRY_LIMITS.example ? example : undefined,
  };
}

function capped(words: readonly string[]): string[] {
  const unique = [...new Set(words)];
  while (unique.join(', ').length > ENTRY_LIMITS.list) unique.pop();
  return unique;
}
