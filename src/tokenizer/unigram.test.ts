import { readFileSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { tokenizerFromJson } from './file.js';
import { readSentencePieceProto } from './sentencepiece-proto.js';

type JsonObject = { [key: string]: Json };

const model = new URL('../../test/fixtures/tokenizers/unigram-nfkc.model', import.meta.url);
const proto = readSentencePieceProto(readFileSync(model), 'unigram-nfkc.model');
const PRECOMPILED: Json = {
  type: 'Precompiled',
  precompiled_charsmap: Buffer.from(proto.charsmap).toString('base64'),
};
const metaspace = (scheme: string, split = true): JsonObject => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme: scheme,
  split,
});

/** A `tokenizer.json` with the pieces of the fixture; the parts as published tokenizers have them. */
function jsonOf(parts: { normalizer: Json; pre_tokenizer: Json; scheme?: string }): JsonObject {
  const added = ['<unk>', '<s>', '</s>'].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: parts.normalizer,
    pre_tokenizer: parts.pre_tokenizer,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
      special_tokens: { '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] } },
    },
    decoder: metaspace(parts.scheme ?? 'always'),
    model: {
      type: 'Unigram',
      unk_id: 0,
      vocab: proto.pieces.map(({ text, score }) => [text, score]),
      byte_fallback: false,
    },
  };
}

const WORDS: Json = { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace('always')] };
const TWO_SPACES: Json = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' };
const KINDS: { [name: string]: JsonObject } = {
  T5: jsonOf({ normalizer: PRECOMPILED, pre_tokenizer: WORDS }),
  'XLM-RoBERTa, newer': jsonOf({
    normalizer: {
      type: 'Sequence',
      normalizers: [PRECOMPILED, { type: 'Strip', strip_left: false, strip_right: true }, TWO_SPACES],
    },
    pre_tokenizer: metaspace('always'),
  }),
  ALBERT: jsonOf({
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Replace', pattern: { String: '``' }, content: '"' },
        { type: 'NFKD' },
        { type: 'StripAccents' },
        { type: 'Lowercase' },
        PRECOMPILED,
        { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
      ],
    },
    pre_tokenizer: metaspace('always'),
  }),
  'whole sentences': jsonOf({
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Nmt' }, { type: 'NFKC' }] },
    pre_tokenizer: metaspace('never', false),
    scheme: 'never',
  }),
};

const HARD = [
  ...[
    'e\u0301',
    '\r\n',
    '\u0301',
    'ﬁ',
    'ａ',
    '™',
    '\u200d',
    '👩‍👩‍👧',
    '가',
    '\u1100\u1161\u11a8',
    'ก็',
    'क्षि',
    'ｶﾞ',
    '①',
    'ﷺ',
  ],
  ...[
    '\u0344',
    '\u212b',
    '▁',
    ' ',
    '  ',
    '\u00a0',
    '\t',
    '\u0000',
    '\u00ad',
    '𝔘',
    '🇨🇭🇨',
    'ſ',
    '\u1e9b\u0323',
    '\u0001',
  ],
  ...['the', 'heat', 'ing', 'A', '1,024', '炼丹', '<s>', '``', 'é'],
];
const hardText = fc.array(fc.constantFrom(...HARD), { maxLength: 20 }).map((parts) => parts.join(''));
const anyText = fc.oneof(
  hardText,
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);
const seeded = { seed: 20240607, numRuns: 250 };

describe('readUnigram', () => {
  it.each(Object.entries(KINDS))('gives the ids and texts of the Hugging Face library: %s', async (_, json) => {
    const tokenizer = tokenizerFromJson(json, { eos: '</s>' });
    const native = NativeTokenizer.fromString(JSON.stringify(json));
    // The tables of Unicode behind NFKC differ by version: there only characters that have been settled for long.
    const usesOwnTables = JSON.stringify(json.normalizer).includes('"NFKC"');
    const property = fc.asyncProperty(usesOwnTables ? hardText : anyText, async (text) => {
      const ids = [...tokenizer.encode(text, { allowSpecial: true, addSpecial: true })];
      const wellFormed = Buffer.from(text, 'utf8').toString('utf8');
      expect(ids).toEqual((await native.encode(wellFormed)).getIds());
      // A space behind a special token at the start is dropped here, there only at the very start.
      if (ids[0]! > 2) expect(tokenizer.decode(ids)).toBe(await native.decode(ids, false));
    });
    await fc.assert(property, seeded);
  });

  it('gives the ids of the JavaScript library', () => {
    const json = KINDS.T5!;
    const tokenizer = tokenizerFromJson(json);
    const oracle = new HuggingFaceTokenizer(JSON.parse(JSON.stringify(json)), {});
    for (const text of ['The alchemist keeps a steady heat.', 'élan vital, 1,024 candles', '炼丹炉里的火 xxx']) {
      expect([...tokenizer.encode(text, { addSpecial: true })]).toEqual(oracle.encode(text).ids);
    }
  });

  it('lets no text become a special token', () => {
    const tokenizer = tokenizerFromJson(KINDS.T5!);
    for (const text of ['</s>', '＜/s＞', '<unk>']) {
      const ids = [...tokenizer.encode(text)];
      expect(ids.filter((id) => id === 1 || id === 2)).toEqual([]);
    }
  });

  it('cuts a line of any length in linear time and memory', () => {
    const tokenizer = tokenizerFromJson(KINDS.T5!);
    const few = tokenizer.encode('steadyheat'.repeat(20));
    const many = tokenizer.encode('steadyheat'.repeat(20_000));
    expect(many.length).toBeGreaterThan(900 * few.length);
    expect(tokenizer.decode(many)).toBe('steadyheat'.repeat(20_000));
  });

  const broken: [string, (json: JsonObject, model: JsonObject) => void, RegExp][] = [
    ['a vocabulary that is no list', (_, part) => Object.assign(part, { vocab: {} }), /model\.vocab/],
    ['a token without a score', (_, part) => (part.vocab as Json[]).push(['x']), /score/],
    ['a token twice', (_, part) => (part.vocab as Json[]).push((part.vocab as Json[])[5]!), /token 5 already/],
    ['an endless token', (_, part) => (part.vocab as Json[]).push(['x'.repeat(5000), 0]), /too long/],
    ['an unknown id outside', (_, part) => Object.assign(part, { unk_id: 300 }), /unk_id/],
    ['nothing for unknown characters', (_, part) => Object.assign(part, { unk_id: null }), /nothing stands/],
    ['byte fallback without bytes', (_, part) => Object.assign(part, { byte_fallback: true }), /lacks a byte token/],
    ['another decoder', (json) => Object.assign(json, { decoder: { type: 'WordPiece' } }), /decoder/],
    [
      'another mark for spaces',
      (json) => Object.assign(json.pre_tokenizer!, { type: 'Metaspace', replacement: '_' }),
      /replacement/,
    ],
    ['a damaged map', (json) => Object.assign(json.normalizer!, { precompiled_charsmap: 'AAAA' }), /map of characters/],
  ];
  it.each(broken)('refuses %s', (_, change, message) => {
    const json = JSON.parse(JSON.stringify(KINDS.T5)) as JsonObject;
    change(json, json.model as JsonObject);
    expect(() => tokenizerFromJson(json)).toThrow(message);
  });

  it('refuses or reads mutated files, and nothing else', () => {
    const small = JSON.parse(JSON.stringify(KINDS['whole sentences'])) as JsonObject;
    (small.model as JsonObject).vocab = ((small.model as JsonObject).vocab as Json[]).slice(0, 12);
    const paths: string[][] = [];
    const walk = (value: Json, at: string[]): void => {
      if (at.length > 0) paths.push(at);
      if (value !== null && typeof value === 'object') {
        for (const [key, child] of Object.entries(value)) walk(child, [...at, key]);
      }
    };
    walk(small, []);
    const odd = fc.oneof(
      fc.constantFrom<Json>(null, true, -1, 1.5, 1e300, '', '▁', [], {}, [['a', 0]], { type: 'Sequence' }),
      fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
    );
    const changes = fc.array(fc.tuple(fc.constantFrom(...paths), odd), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(changes, (list) => {
        const json = JSON.parse(JSON.stringify(small)) as JsonObject;
        for (const [at, value] of list) {
          let place: unknown = json;
          for (const key of at.slice(0, -1)) place = (place as Record<string, unknown> | null | undefined)?.[key];
          if (place !== null && typeof place === 'object') (place as Record<string, unknown>)[at.at(-1)!] = value;
        }
        try {
          const tokenizer = tokenizerFromJson(JSON.parse(JSON.stringify(json)) as JsonObject);
          tokenizer.decode(tokenizer.encode('the heat \u0301 炼', { addSpecial: true }));
        } catch (error) {
          expect(error).toBeInstanceOf(AthanorError);
        }
      }),
      { seed: 5, numRuns: 400 },
    );
  });
});
