import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import * as native from 'tokenizers';
import { afterAll, describe, expect, it } from 'vitest';
import { HARD_TEXTS, settledText } from '../../test/hard-texts.js';
import { sharedData } from '../../test/shared-data.js';
import { InputError } from '../util/errors.js';
import { loadTokenizer, saveTokenizer, tokenizerFromJson } from './file.js';
import type { Tokenizer } from './tokenizer.js';
import type { WordPiece } from './wordpiece.js';
import { trainWordPiece } from './wordpiece-training.js';

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-wordpiece-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder as published ones were before tokenizer.json. */
function bertFolder(name: string, vocabulary: string, config?: { [key: string]: unknown }): string {
  const home = mkdtempSync(path.join(folder, `${name}-`));
  copyFileSync(vocabulary, path.join(home, 'vocab.txt'));
  if (config !== undefined) writeFileSync(path.join(home, 'tokenizer_config.json'), JSON.stringify(config));
  return home;
}

const TEXTS = [
  ...HARD_TEXTS,
  'Élève ÀÉÎÕÜ ΑΣ ΌΔΟΣ İstanbul ﬁne naïve\u00adcafé',
  "do not, don't; I 'm  you 've \" quoted \" ( so ) . . .",
  '[CLS] a [MASK] b [SEP] [mask] x[SEP]y [PAD]',
  'unaffable'.repeat(12),
  `${'a'.repeat(100)} ${'a'.repeat(101)} ${'中'.repeat(120)}`,
  '\ufffd\u0000x\u200by\u00adz \u{e0001}\u{1f600}',
];

describe('BERT from vocab.txt', () => {
  const vocabulary = sharedData('tokenizers/bert-base-uncased/vocab.txt');
  const variants: [name: string, config: { [key: string]: unknown }, options: native.BertNormalizerOptions][] = [
    ['uncased', {}, {}],
    ['cased', { do_lower_case: false }, { lowercase: false, stripAccents: false }],
    ['cased without accents', { do_lower_case: false, strip_accents: true }, { lowercase: false, stripAccents: true }],
    ['uncased with accents', { strip_accents: false }, { stripAccents: false }],
    ['Chinese in words', { tokenize_chinese_chars: false }, { handleChineseChars: false }],
  ];

  it.each(variants)('gives the native ids: %s', async (name, config, options) => {
    if (vocabulary === undefined) return;
    const tokenizer = loadTokenizer(bertFolder('native', vocabulary, config));
    // Made part by part, without our files.
    const oracle = new native.Tokenizer(await native.WordPiece.fromFile(vocabulary, { unkToken: '[UNK]' }));
    oracle.setNormalizer(native.bertNormalizer(options));
    oracle.setPreTokenizer(native.bertPreTokenizer());
    oracle.setPostProcessor(native.bertProcessing(['[SEP]', 102], ['[CLS]', 101]));
    oracle.setDecoder(native.wordPieceDecoder('##', true));
    oracle.addSpecialTokens(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']);
    const agree = async (text: string): Promise<void> => {
      const ids = [...tokenizer.encode(text, { allowSpecial: true, addSpecial: true })];
      expect(ids, `${name}: ${JSON.stringify(text)}`).toEqual((await oracle.encode(text)).getIds());
      for (const skipSpecial of [false, true]) {
        expect(tokenizer.decode(ids, { skipSpecial })).toBe(await oracle.decode(ids, skipSpecial));
      }
    };
    for (const text of TEXTS) await agree(text);
    await fc.assert(fc.asyncProperty(settledText, agree), { seed: 20241123, numRuns: 100 });
  });

  it('gives the published ids, and the same from tokenizer.json in either library', async (context) => {
    if (vocabulary === undefined) return context.skip('the shared test data is not on this machine');
    const tokenizer = loadTokenizer(bertFolder('saved', vocabulary));
    expect(tokenizer).toMatchObject({ kind: 'wordpiece', vocabularySize: 30522, padId: 0, isLossy: true });
    const ids = [101, 7592, 1010, 2088, 999, 102];
    expect([...tokenizer.encode('Hello, world!', { addSpecial: true })]).toEqual(ids);
    expect([...tokenizer.encode('Hello, world!')]).toEqual(ids.slice(1, -1));
    expect(tokenizer.decode(ids)).toBe('[CLS] hello, world! [SEP]');
    const home = path.join(folder, 'written');
    saveTokenizer(tokenizer, home);
    const again = loadTokenizer(home);
    expect(again.toJson()).toEqual(JSON.parse(JSON.stringify(tokenizer.toJson())));
    const json = readFileSync(path.join(home, 'tokenizer.json'), 'utf8');
    const [rust, javaScript] = [
      native.Tokenizer.fromString(json),
      new HuggingFaceTokenizer(JSON.parse(json), { clean_up_tokenization_spaces: false }),
    ];
    for (const text of TEXTS) {
      const expected = [...tokenizer.encode(text, { allowSpecial: true, addSpecial: true })];
      expect([...again.encode(text, { allowSpecial: true, addSpecial: true })]).toEqual(expected);
      expect((await rust.encode(text)).getIds()).toEqual(expected);
      // It lower-cases a final sigma and İ in their own way, and keeps what is neither letter nor control.
      if (!/[ΣİͰ-Ͽ]|[^\p{L}\p{N}\p{P}\p{S}\s]/u.test(text)) expect(javaScript.encode(text).ids).toEqual(expected);
    }
  });
});

describe('WordPiece', () => {
  const root = {
    added_tokens: [{ id: 0, content: '[UNK]', special: true }],
    pre_tokenizer: { type: 'Whitespace' },
    model: { type: 'WordPiece', vocab: { '[UNK]': 0, un: 1, '##aff': 2, '##able': 3, '##a': 4, a: 5 } },
  };
  const read = (changes: { [key: string]: unknown } = {}, model: { [key: string]: unknown } = {}): Tokenizer =>
    tokenizerFromJson(JSON.parse(JSON.stringify({ ...root, ...changes, model: { ...root.model, ...model } })));

  it('takes the longest token at each place, and no word in part', () => {
    const tokenizer = read();
    expect([...tokenizer.encode('unaffable una unaffx a')]).toEqual([1, 2, 3, 1, 4, 0, 5]);
    expect(tokenizer.decode([1, 2, 3, 5])).toBe('unaffable a');
    expect([...read({}, { max_input_chars_per_word: 8 }).encode('unaffable una')]).toEqual([0, 1, 4]);
    expect(Buffer.from(tokenizer.tokenBytes(2)).toString()).toBe('aff');
    expect(() => tokenizer.decode([6])).toThrow(/not a token of this vocabulary/);
  });

  it('says which setting it does not know', () => {
    expect(() => read({}, { unk_token: '[NO]' })).toThrow(/model\.unk_token[\s\S]*\[NO\]/);
    expect(() => read({ decoder: { type: 'BPEDecoder' } })).toThrow(/decoder\.type[\s\S]*BPEDecoder/);
    expect(() => read({ pre_tokenizer: { type: 'ByteLevel' } })).toThrow(/pre-tokenizer[\s\S]*ByteLevel/);
    expect(() => read({}, { max_input_chars_per_word: -1 })).toThrow(InputError);
    expect(() => read({ post_processor: { type: 'BertProcessing', cls: ['x', 9], sep: ['y', 0] } })).toThrow(
      /no token/,
    );
  });
});

describe('trainWordPiece', () => {
  interface Reference {
    readonly vocabularySize: number;
    readonly counts: { readonly [word: string]: number };
    readonly vocabulary: readonly string[];
  }
  const reference: Reference = JSON.parse(
    readFileSync(new URL('../../test/fixtures/tokenizer/wordpiece-training.json', import.meta.url), 'utf8'),
  );
  const texts = Object.entries(reference.counts).map(([word, count]) => Array(count).fill(word).join(' '));
  const train = (options = {}): Promise<WordPiece> =>
    trainWordPiece(texts, { vocabularySize: reference.vocabularySize, ...options });

  it('learns the vocabulary that the reference trainer learns', async () => {
    const tokenizer = await train();
    expect([...tokenizer.definition.vocabulary.keys()].sort()).toEqual([...reference.vocabulary].sort());
    expect(tokenizer.padId).toBe(0);
    const home = path.join(folder, 'trained');
    saveTokenizer(tokenizer, home);
    const text = 'The golden vessel steadily reheating';
    const ids = [...loadTokenizer(home).encode(text, { addSpecial: true })];
    expect(ids).toEqual((await native.Tokenizer.fromFile(path.join(home, 'tokenizer.json')).encode(text)).getIds());
    expect(ids[0]).toBe(2);
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('the golden vessel steadily reheating');
  });

  it('obeys its limits', async () => {
    const few = await train({ alphabetLimit: 5 });
    const characters = [...few.definition.vocabulary.keys()].filter((token) => [...token].length === 1);
    expect(characters).toHaveLength(5);
    const rare = await train({ minimumFrequency: 1e6, vocabularySize: 5000 });
    expect(rare.vocabularySize).toBeLessThan(reference.vocabularySize);
    await expect(train({ vocabularySize: 20 })).rejects.toThrow(/every character/);
    await expect(train({ specialTokens: ['[PAD]'] })).rejects.toThrow(/specialTokens[\s\S]*\[SEP\]|\[CLS\]/);
    await expect(trainWordPiece([], { vocabularySize: 100 })).rejects.toThrow(/no text/);
  });
});
