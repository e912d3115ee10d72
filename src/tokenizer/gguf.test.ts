import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import { GgufFile } from '../gguf/file.js';
import { AthanorError } from '../util/errors.js';
import { BYTE_TO_CHARACTER } from './byte-alphabet.js';
import { ByteBpe, type ByteBpeDefinition } from './byte-bpe.js';
import { byteToken } from './byte-fallback.js';
import { CharacterTokenizer } from './characters.js';
import { tokenizerFromGguf } from './gguf.js';
import { TOKENIZER_KEYS } from './gguf-fields.js';
import { LLAMA3_PATTERN, QWEN2_PATTERN, QWEN35_PATTERN } from './gguf-pre.js';
import { tokenizerToGguf } from './gguf-writing.js';
import { loadLlama2cTokenizer } from './llama2c.js';
import { NFC, readNormalizer } from './normalizer.js';
import { surroundWith } from './post-processor.js';
import { readPreTokenizer } from './pre-tokenizer.js';
import { GPT2_PATTERN, pretokenizerOf, WORDS_AND_DIGITS_PATTERN } from './pretokenizer.js';
import { SentencePieceBpe, type SentencePieceDefinition } from './sentencepiece-bpe.js';
import type { Tokenizer } from './tokenizer.js';

const END = { id: 259, content: '<|endoftext|>', special: true };
const BAR = { id: 260, content: '<bar>', special: false };
const byteVocabulary = new Map<string, number>([
  ...BYTE_TO_CHARACTER.map((character, byte): [string, number] => [character, byte]),
  ['he', 256],
  ['Ġhe', 257],
  ['12', 258],
  [END.content, END.id],
  [BAR.content, BAR.id],
]);

const byteBpe = (change: Partial<ByteBpeDefinition> = {}): ByteBpe =>
  new ByteBpe({
    vocabulary: byteVocabulary,
    merges: [
      ['h', 'e'],
      ['Ġ', 'he'],
      ['1', '2'],
    ],
    addedTokens: [END, BAR],
    pretokenizer: pretokenizerOf(GPT2_PATTERN),
    ...change,
  });

const pieces = ['▁', 'a', 'b', '▁a', 'ab', '▁ab'];
const pieceVocabulary = new Map<string, number>([
  ['<unk>', 0],
  ['<s>', 1],
  ['</s>', 2],
  ...Array.from({ length: 256 }, (_, byte): [string, number] => [byteToken(byte), 3 + byte]),
  ...pieces.map((piece, i): [string, number] => [piece, 259 + i]),
]);

const sentencePiece = (change: Partial<SentencePieceDefinition> = {}): SentencePieceBpe =>
  new SentencePieceBpe({
    vocabulary: pieceVocabulary,
    merges: [
      { left: 'a', right: 'b', priority: 0 },
      { left: '▁', right: 'a', priority: 1 },
      { left: '▁', right: 'ab', priority: 2 },
      { left: '▁a', right: 'b', priority: 2 },
    ],
    addedTokens: ['<unk>', '<s>', '</s>'].map((content, id) => ({ id, content, special: true })),
    roles: { bos: '<s>', eos: '</s>' },
    ...change,
  });

const TEXTS = ['he he 12 123  12', 'éé <bar> <|endoftext|>', ' ab aab▁ab', 'e\u0301x', '', '  \n', '金 12345'];

function expectSame(tokenizer: Tokenizer, again: Tokenizer): void {
  expect(again.kind).toBe(tokenizer.kind);
  expect(again.vocabularySize).toBe(tokenizer.vocabularySize);
  expect([again.bosId, again.eosId, again.padId]).toEqual([tokenizer.bosId, tokenizer.eosId, tokenizer.padId]);
  expect(again.specialTokens).toEqual(tokenizer.specialTokens);
  for (const text of TEXTS) {
    for (const options of [{}, { allowSpecial: true }, { addSpecial: true }]) {
      const ids = tokenizer.encode(text, options);
      expect(again.encode(text, options)).toEqual(ids);
      expect(again.decode(ids)).toBe(tokenizer.decode(ids));
    }
  }
}

const eachDigit = readPreTokenizer({ type: 'Digits', individual_digits: true });

describe('the tokenizer of a GGUF file', () => {
  it('gives the published ids of the GPT-2 vocabulary', (context) => {
    const name = sharedData('tokenizers/gguf/ggml-vocab-gpt-2.gguf');
    if (name === undefined) return context.skip('the shared test data is not on this machine');
    const file = GgufFile.open(name);
    file.close();
    const { tokenizer, chatTemplate } = tokenizerFromGguf(file.metadata, name);
    expect(chatTemplate).toBeUndefined();
    expect(tokenizer).toMatchObject({ vocabularySize: 50257, bosId: 50256, eosId: 50256, padId: undefined });
    const texts = readFileSync(`${name}.inp`, 'utf8').split('\n__ggml_vocab_test__\n').slice(0, -1);
    const lines = readFileSync(`${name}.out`, 'utf8').split('\n').slice(0, -1);
    expect([texts.length, lines.length]).toEqual([46, 46]);
    texts.forEach((text, i) => {
      const ids = lines[i]!.split(' ')
        .filter((id) => id !== '')
        .map(Number);
      expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(ids);
    });
  });

  it.each<[string, string, boolean, Partial<ByteBpeDefinition>]>([
    ['GPT-2', 'gpt-2', true, {}],
    ['GPT-2 with NFC', 'olmo', false, { normalizer: NFC }],
    ['SmolLM', 'smollm', true, { cuts: [eachDigit] }],
    ['Qwen', 'qwen2', false, { pretokenizer: pretokenizerOf(QWEN2_PATTERN), normalizer: NFC }],
    ['Qwen without NFC', 'qwen2', true, { pretokenizer: pretokenizerOf(QWEN2_PATTERN) }],
    ['ours', 'qwen35', true, { pretokenizer: pretokenizerOf(WORDS_AND_DIGITS_PATTERN) }],
    ['Llama 3', 'llama-bpe', true, { pretokenizer: pretokenizerOf(LLAMA3_PATTERN), ignoreMerges: true }],
    ['opening', 'gpt-2', true, { postProcessor: surroundWith([[END.content, END.id]], [[END.content, END.id]]) }],
  ])('comes back from its fields: %s', (_, pre, isExact, change) => {
    const tokenizer = byteBpe(change);
    const { fields, warnings } = tokenizerToGguf(tokenizer, { chatTemplate: '{{ x }}' });
    expect(warnings).toHaveLength(isExact ? 0 : 1);
    expect(fields.get(TOKENIZER_KEYS.model)).toEqual({ type: 'string', value: 'gpt2' });
    expect(fields.get(TOKENIZER_KEYS.pre)).toEqual({ type: 'string', value: pre });
    const types = fields.get(TOKENIZER_KEYS.types)!.value as Int32Array;
    expect([types[0], types[END.id], types[BAR.id]]).toEqual([1, 3, 4]);
    const again = tokenizerFromGguf(fields, 'test.gguf');
    expect(again.chatTemplate).toBe('{{ x }}');
    expectSame(tokenizer, again.tokenizer);
  });

  it('comes back from its fields: SentencePiece', () => {
    const tokenizer = sentencePiece();
    const { fields, warnings } = tokenizerToGguf(tokenizer);
    expect(warnings).toEqual([]);
    const types = fields.get(TOKENIZER_KEYS.types)!.value as Int32Array;
    expect([...types.subarray(0, 4), types[259]]).toEqual([2, 3, 3, 6, 1]);
    expect([...(fields.get(TOKENIZER_KEYS.scores)!.value as Float32Array).subarray(262)]).toEqual([-1, -0, -2]);
    expect(fields.get(TOKENIZER_KEYS.addsBos)).toEqual({ type: 'bool', value: true });
    expectSame(tokenizer, tokenizerFromGguf(fields, 'test.gguf').tokenizer);
    const normalizer = readNormalizer({ type: 'Replace', pattern: { String: ' ' }, content: '▁' });
    const bare = sentencePiece({ normalizer, keepsLeadingSpace: true });
    const bareFields = tokenizerToGguf(bare).fields;
    expect(bareFields.get(TOKENIZER_KEYS.addsSpace)).toEqual({ type: 'bool', value: false });
    expectSame(bare, tokenizerFromGguf(bareFields, 'test.gguf').tokenizer);
  });

  it('comes back from its fields: stories260K', (context) => {
    const file = sharedData('models/stories260K/tok512.bin');
    if (file === undefined) return context.skip('the shared test data is not on this machine');
    const tokenizer = loadLlama2cTokenizer(file, 512);
    const { fields, warnings } = tokenizerToGguf(tokenizer);
    expect(warnings).toEqual([]);
    expectSame(tokenizer, tokenizerFromGguf(fields, 'test.gguf').tokenizer);
  });

  it('fills the vocabulary up to the rows of the model', () => {
    const { fields } = tokenizerToGguf(byteBpe(), { vocabularySize: 264 });
    const tokens = fields.get(TOKENIZER_KEYS.tokens)!.value as string[];
    expect(tokens.slice(261)).toEqual(['[PAD261]', '[PAD262]', '[PAD263]']);
    expectSame(byteBpe(), tokenizerFromGguf(fields, 'test.gguf').tokenizer);
    expect(() => tokenizerToGguf(byteBpe(), { vocabularySize: 260 })).toThrow(/at least 261/);
  });

  it('refuses to write what llama.cpp would cut otherwise, and warns of the rest', () => {
    const write = (tokenizer: Tokenizer) => () => tokenizerToGguf(tokenizer);
    expect(write(byteBpe({ pretokenizer: pretokenizerOf('\\p{L}+|.') }))).toThrow(/cannot cut text as this tokenizer/);
    expect(write(byteBpe({ ignoreMerges: true }))).toThrow(/cannot cut text as this tokenizer/);
    expect(write(byteBpe({ addPrefixSpace: true }))).toThrow(/space before every text/);
    expect(write(byteBpe({ normalizer: readNormalizer({ type: 'Lowercase' }) }))).toThrow(/does not normalise/);
    expect(write(sentencePiece({ normalizer: readNormalizer({ type: 'NFKC' }) }))).toThrow(/cannot rewrite text/);
    const characters = new CharacterTokenizer({
      vocabulary: new Map([...pieceVocabulary].slice(3, 261)),
      addedTokens: [],
    });
    expect(write(characters)).toThrow(/cannot be written to a GGUF file[\s\S]*character/);
    const incomplete = sentencePiece({ merges: [{ left: 'a', right: 'b', priority: 0 }] });
    expect(tokenizerToGguf(incomplete).warnings).toEqual([expect.stringContaining('any two tokens')]);
    const silent = byteBpe({ roles: {} });
    expect(tokenizerToGguf(silent).warnings).toEqual([expect.stringContaining('names no token that ends a text')]);
  });

  it('says which field of a file is wrong', () => {
    const { fields } = tokenizerToGguf(byteBpe());
    const pieceFields = tokenizerToGguf(sentencePiece()).fields;
    const read =
      (key: string, value: unknown, from: typeof fields = fields) =>
      () =>
        tokenizerFromGguf(new Map<string, { value: unknown }>([...from, [key, { value }]]), 'm.gguf');
    expect(read(TOKENIZER_KEYS.model, 'rwkv')).toThrow(/m.gguf, tokenizer.ggml.model: [\s\S]*gpt2 or llama[\s\S]*rwkv/);
    expect(read(TOKENIZER_KEYS.model, undefined)).toThrow(/got: {6}nothing/);
    expect(read(TOKENIZER_KEYS.pre, 'viking')).toThrow(/tokenizer.ggml.pre: [\s\S]*gpt-2, [\s\S]*viking/);
    expect(read(TOKENIZER_KEYS.tokens, undefined)).toThrow(/no complete tokenizer[\s\S]*tokenizer.ggml.tokens/);
    expect(read(TOKENIZER_KEYS.tokens, ['a', 'a'])).toThrow(/token_type: [\s\S]*array of 2 numbers/);
    expect(read(TOKENIZER_KEYS.types, new Int32Array(3))).toThrow(/array of 261 numbers[\s\S]*array of 3/);
    expect(read(TOKENIZER_KEYS.merges, ['nospace'])).toThrow(/merge 0: not a merge/);
    expect(read(TOKENIZER_KEYS.merges, ['q z'])).toThrow(/a merge needs a token/);
    expect(read(TOKENIZER_KEYS.eos, 261)).toThrow(/eos_token_id: [\s\S]*0 to 260[\s\S]*261/);
    const twice = [...byteVocabulary.keys()];
    twice[7] = twice[8]!;
    expect(read(TOKENIZER_KEYS.tokens, twice)).toThrow(/token 8: a token is listed twice/);
    expect(read(TOKENIZER_KEYS.removesSpaces, true, pieceFields)).toThrow(/repeated spaces/);
    expect(read(TOKENIZER_KEYS.scores, undefined, pieceFields)).toThrow(/tokenizer.ggml.scores/);
  });

  it('fails with an error of its own on any field', () => {
    const sources = [tokenizerToGguf(byteBpe()).fields, tokenizerToGguf(sentencePiece()).fields];
    const scalar = fc.oneof(fc.string(), fc.boolean(), fc.double(), fc.nat(300), fc.constant(undefined));
    const value = fc.oneof(
      scalar,
      fc.array(fc.string({ maxLength: 4 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: -2, max: 9 }), { maxLength: 8 }).map((list) => Int32Array.from(list)),
    );
    // One element of an array changed, or the whole field.
    const change = fc.record({
      key: fc.constantFrom(...Object.values(TOKENIZER_KEYS)),
      at: fc.nat(270),
      value,
      scalar,
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...sources),
        fc.array(change, { maxLength: 3 }),
        fc.boolean(),
        (source, list, whole) => {
          const fields = new Map<string, { value: unknown }>(source);
          for (const { key, at, value: other, scalar: element } of list) {
            const old = fields.get(key)?.value;
            const isArray = Array.isArray(old) || old instanceof Int32Array || old instanceof Float32Array;
            if (whole || !isArray) fields.set(key, { value: other });
            else
              fields.set(key, { value: Array.from(old as ArrayLike<unknown>, (one, i) => (i === at ? element : one)) });
          }
          try {
            const { tokenizer } = tokenizerFromGguf(fields, 'm.gguf');
            for (const text of TEXTS) tokenizer.decode(tokenizer.encode(text, { allowSpecial: true }));
          } catch (error) {
            expect(error).toBeInstanceOf(AthanorError);
          }
        },
      ),
      { seed: 5, numRuns: 600, interruptAfterTimeLimit: 2000, markInterruptAsFailure: false },
    );
  });

  it('takes the pattern of later Qwen for ours, because they cut alike', () => {
    const [ours, theirs] = [pretokenizerOf(WORDS_AND_DIGITS_PATTERN), pretokenizerOf(QWEN35_PATTERN)];
    expect(QWEN35_PATTERN).not.toBe(QWEN2_PATTERN);
    const character = fc.constantFrom(..."aZé\u0301\u0300 \t\n\r.,'`1½٣金नि\u200d\u00a0😀sStLdvemr_");
    fc.assert(
      fc.property(fc.array(character, { minLength: 1, maxLength: 12 }), (list) => {
        const text = list.join('');
        for (let start = 0; start < text.length; start = ours.end(text, start)) {
          expect(theirs.end(text, start)).toBe(ours.end(text, start));
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
