import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CorruptFileError, InputError } from '../util/errors.js';
import { WordNet } from './wordnet.js';
import { PARTS_OF_SPEECH, parseSynset, splitGloss } from './wordnet-synset.js';

const wordnet = new WordNet();

describe('WordNet 3.1', () => {
  test('every synset parses, as many as published', () => {
    const counts: Record<string, number> = { noun: 0, verb: 0, adjective: 0, adverb: 0 };
    let examples = 0;
    let undefinedGlosses = 0;
    for (const id of wordnet.synsetIds()) {
      const synset = wordnet.synset(id);
      counts[synset.partOfSpeech]!++;
      examples += synset.examples.length;
      if (synset.id !== id) throw new Error(`synset at ${id} says it is ${synset.id}`);
      if (synset.definition === '') undefinedGlosses++;
      if (synset.definition.includes('_')) throw new Error(`underscore in ${synset.definition}`);
    }
    expect(counts).toEqual({ noun: 82_192, verb: 13_789, adjective: 18_185, adverb: 3_625 });
    expect(Object.keys(counts)).toEqual([...PARTS_OF_SPEECH]);
    expect(examples).toBeGreaterThan(47_000);
    expect(undefinedGlosses).toBeLessThan(10);
    expect(wordnet.words()).toHaveLength(147_478);
  });

  test('answers about words', () => {
    expect(wordnet.define('Frog')[0]).toEqual({
      partOfSpeech: 'noun',
      definition:
        'any of various tailless stout-bodied amphibians with long hind limbs for leaping; semiaquatic and terrestrial species',
    });
    expect(wordnet.synonyms('frog')).toEqual(expect.arrayContaining(['toad', 'anuran', 'batrachian']));
    expect(wordnet.hypernyms('frog')[0]).toBe('amphibian');
    expect(wordnet.antonyms('hot')).toEqual(['cold']);
    expect(wordnet.antonyms('torrid')).toEqual([]);
    expect(wordnet.hypernyms('Paris')).toContain('national capital');
    expect(wordnet.examples('upgrade')).toContain('The company upgraded their personnel');
    expect(wordnet.senses('tree frog')[0]!.words).toContain('tree frog');
    expect(wordnet.senses('run')[0]!.partOfSpeech).toBe('verb');
  });

  test('inflected and unknown words', () => {
    expect(wordnet.lemma('FROGS')).toBe('frog');
    expect(wordnet.lemma('abbreviated')).toBe('abbreviated');
    expect(wordnet.lemma('abolishing')).toBe('abolish');
    expect(wordnet.lemma('blorfed')).toBeUndefined();
    expect(wordnet.has('frogs')).toBe(false);
    for (const word of ['blorf', '', ' ', '__proto__', '\n', '../frog']) {
      expect(wordnet.senses(word)).toEqual([]);
      expect(wordnet.antonyms(word)).toEqual([]);
    }
  });

  test('a damaged or missing file is named', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'wordnet-'));
    try {
      expect(() => new WordNet(folder)).toThrow(InputError);
      for (const suffix of ['noun', 'verb', 'adj', 'adv']) {
        writeFileSync(path.join(folder, `data.${suffix}`), '00000000 03 n 02 frog\n');
        writeFileSync(path.join(folder, `index.${suffix}`), 'frog n 1 0 1 0 00000000  \ntoad n 9 0 1 0 00000000\n');
      }
      const damaged = new WordNet(folder);
      expect(() => damaged.senses('frog')).toThrow(CorruptFileError);
      expect(() => damaged.senses('toad')).toThrow(/index\.noun: toad/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('a gloss splits into definition and examples', () => {
  expect(splitGloss('excited; "a hot week"; "hot `stuff\'"  ')).toEqual({
    definition: 'excited',
    examples: ['a hot week', "hot 'stuff'"],
  });
  expect(splitGloss('a demand in the phrase "the call of duty"  ')).toEqual({
    definition: 'a demand in the phrase "the call of duty"',
    examples: [],
  });
  expect(splitGloss('connect to a vehicle: "hitch it"--Genesis').examples).toEqual(['hitch it']);
});

test('a synset line gives words, pointers and no adjective marker', () => {
  const line = '00000010 00 s 02 galore(ip) 0 in_plenty 0 001 ! 00000020 a 0201 | there is a lot  ';
  const synset = parseSynset(line, 2, 'here');
  expect(synset.words).toEqual(['galore', 'in plenty']);
  expect(synset.pointers).toEqual([{ symbol: '!', target: 2 * 2 ** 28 + 20, sourceWord: 2, targetWord: 1 }]);
  expect(() => parseSynset(line, 0, 'here')).toThrow(/here: not a line/);
});
