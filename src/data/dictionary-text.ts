import { Random } from '../util/random.js';
import { isRude, mentions, tokensOf } from './dictionary-entry.js';
import type { WordNet } from './wordnet.js';
import type { Synset } from './wordnet-synset.js';

/** A document for pretraining and where it came from (`wordnet:SYNSET-ID`). */
export interface DictionaryDocument {
  readonly text: string;
  readonly origin: string;
}

export interface DictionaryTextOptions {
  readonly wordnet: WordNet;
  /** Words (lower case, single) that may occur in no document. */
  readonly heldOutWords: Iterable<string>;
  readonly seed: number;
  /** Told of every synset that is left out. */
  readonly onDrop?: (origin: string, reason: 'held-out word' | 'insulting word') => void;
}

/** The parts of a document that the wordings below put together. */
interface Parts {
  readonly word: string;
  readonly partOfSpeech: string;
  readonly definition: string;
  readonly synonyms: readonly string[];
  readonly kind: string | undefined;
  readonly opposites: readonly string[];
  readonly examples: readonly string[];
}

/**
 * WordNet as plain text: one short document for each of its 117,791 synsets, in a seeded order and a seeded choice of
 * wordings, the headword being any word of the synset. The documents with a held-out word in them, or with a held-out
 * word among the synset's words, are left out. The same options give the same documents; each wording depends on the
 * seed and the synset alone.
 */
export function* dictionaryDocuments(options: DictionaryTextOptions): Generator<DictionaryDocument> {
  const { wordnet, seed, onDrop } = options;
  const heldOut = new Set(options.heldOutWords);
  const order = new Random(seed, 'dictionary-text').shuffle(wordnet.synsetIds());
  for (const id of order) {
    const synset = wordnet.synset(id);
    const origin = `wordnet:${id}`;
    const text = documentOf(wordnet, synset, new Random(seed, id));
    if (mentions(`${synset.words.join(' ')} ${text}`, heldOut)) onDrop?.(origin, 'held-out word');
    else if (isRude(synset.definition)) onDrop?.(origin, 'insulting word');
    else yield { text, origin };
  }
}

/** All text that a document of this synset can contain, whatever the wording. */
export function documentMaterial(wordnet: WordNet, synset: Synset): string {
  const opposites = synset.words.flatMap((word) => wordnet.antonymsOf(synset, word));
  const kind = wordnet.hypernymsOf(synset)[0] ?? '';
  return [...synset.words, synset.definition, ...synset.examples, kind, ...opposites].join(' \n');
}

function documentOf(wordnet: WordNet, synset: Synset, random: Random): string {
  const word = random.pick(synset.words);
  const parts: Parts = {
    word,
    partOfSpeech: synset.partOfSpeech,
    definition: synset.definition,
    synonyms: synset.words.filter((other) => other !== word),
    kind: wordnet.hypernymsOf(synset)[0],
    opposites: wordnet.antonymsOf(synset, word),
    examples: synset.examples,
  };
  return random.pick(WORDINGS)(parts, random);
}

const WORDINGS: readonly ((parts: Parts, random: Random) => string)[] = [
  (parts) =>
    joined([
      `${parts.word} (${parts.partOfSpeech}): ${parts.definition}.`,
      parts.synonyms.length > 0 && `Synonyms: ${parts.synonyms.join(', ')}.`,
      kindSentence(parts),
      parts.opposites.length > 0 && `Opposite: ${parts.opposites.join(', ')}.`,
      parts.examples.length > 0 && `Example: ${parts.examples.map(sentence).join(' ')}`,
    ]),
  (parts, random) =>
    joined([
      `The ${parts.partOfSpeech} ${parts.word} means: ${parts.definition}.`,
      ...random.shuffle([synonymSentence(parts, random), kindSentence(parts), oppositeSentence(parts, random)]),
      exampleSentences(parts, random),
    ]),
  (parts, random) =>
    joined([
      exampleSentences(parts, random),
      `Here ${parts.word} is ${article(parts.partOfSpeech)}, and its meaning is ${parts.definition}.`,
      synonymSentence(parts, random),
      oppositeSentence(parts, random),
      kindSentence(parts),
    ]),
  (parts, random) =>
    joined([
      `What does ${parts.word} mean? ${capital(parts.definition)}.`,
      synonymSentence(parts, random),
      kindSentence(parts),
      oppositeSentence(parts, random),
      exampleSentences(parts, random),
    ]),
  (parts, random) =>
    joined([
      `${capital(parts.definition)}: that is the meaning of ${parts.word}.`,
      kindSentence(parts),
      oppositeSentence(parts, random),
      synonymSentence(parts, random),
      exampleSentences(parts, random),
    ]),
  (parts) =>
    [
      parts.word,
      `${parts.partOfSpeech}: ${parts.definition}`,
      `synonyms: ${parts.synonyms.join(', ') || 'none'}`,
      `opposite: ${parts.opposites.join(', ') || 'none'}`,
      `kind: ${parts.kind ?? 'none'}`,
      `example: ${parts.examples.join('; ') || 'none'}`,
    ].join('\n'),
];

function synonymSentence({ word, synonyms }: Parts, random: Random): string | false {
  if (synonyms.length === 0) return false;
  return random.pick([
    `Another word for ${word} is ${either(synonyms)}.`,
    `Instead of ${word} one can say ${either(synonyms)}.`,
    `It is also called ${either(synonyms)}.`,
    `Synonyms of ${word}: ${synonyms.join(', ')}.`,
  ]);
}

function oppositeSentence({ word, opposites }: Parts, random: Random): string | false {
  if (opposites.length === 0) return false;
  return random.pick([
    `The opposite of ${word} is ${either(opposites)}.`,
    `It is the opposite of ${either(opposites)}.`,
    `${capital(word)} is not ${either(opposites)}.`,
  ]);
}

function kindSentence({ word, kind, partOfSpeech }: Parts): string | false {
  if (kind === undefined) return false;
  if (partOfSpeech === 'verb') return `To ${word} is to ${kind} in some way.`;
  const subject = /^[A-Z]/.test(word) ? word : capital(article(word));
  return `${subject} is a kind of ${kind}.`;
}

function exampleSentences({ examples }: Parts, random: Random): string | false {
  if (examples.length === 0) return false;
  const lead = random.pick(['', '', 'For example: ', 'As in: ']);
  return lead + examples.map(sentence).join(' ');
}

function joined(sentences: readonly (string | false)[]): string {
  const text = sentences.filter((part) => part !== false).join(' ');
  return text.replace(/([a-z])\.\.(?=\s|$)/gi, '$1.');
}

function either(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function article(word: string): string {
  return `${/^[aeiou]/i.test(word) ? 'an' : 'a'} ${word}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sentence(text: string): string {
  return capital(text) + (/[.!?]$/.test(text) ? '' : '.');
}

/** Every word that the wordings themselves bring into documents, in lower case. */
export function wordingVocabulary(): Set<string> {
  const parts: Parts = {
    word: '0',
    partOfSpeech: 'noun verb adjective adverb',
    definition: '0',
    synonyms: ['0', '0'],
    kind: '0',
    opposites: ['0', '0'],
    examples: ['0'],
  };
  const words = new Set<string>();
  for (const wording of WORDINGS) {
    for (const partOfSpeech of ['noun', 'verb']) {
      for (let i = 0; i < 50; i++) {
        for (const word of tokensOf(wording({ ...parts, partOfSpeech }, new Random(0, i)))) words.add(word);
      }
    }
  }
  return words;
}
