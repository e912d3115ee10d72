import { BYTE_TO_CHARACTER } from '../../src/tokenizer/byte-alphabet.js';
import type { Json } from '../../src/util/json.js';
import { brokenJson, type Cases, changed, type JsonObject, withValue, wrongValues } from './damages.js';

const SPECIAL = { special: true, normalized: false, lstrip: false, rstrip: false, single_word: false };

export const WORDPIECE: JsonObject = {
  version: '1.0',
  added_tokens: [
    { id: 0, content: '[UNK]', ...SPECIAL },
    { id: 1, content: '[CLS]', ...SPECIAL },
  ],
  normalizer: { type: 'BertNormalizer', lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '[CLS]': { id: '[CLS]', ids: [1], tokens: ['[CLS]'] } },
  },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[UNK]': 0, '[CLS]': 1, a: 2, '##b': 3, c: 4, '##a': 5 },
  },
};

export const UNIGRAM: JsonObject = {
  added_tokens: [{ id: 0, content: '<unk>', ...SPECIAL }],
  normalizer: {
    type: 'Sequence',
    normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }],
  },
  pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always' },
  post_processor: null,
  decoder: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always' },
  model: {
    type: 'Unigram',
    unk_id: 0,
    vocab: [
      ['<unk>', 0],
      ['\u2581', -2],
      ['a', -3],
      ['\u2581a', -4],
    ],
  },
};

export const BPE: JsonObject = {
  added_tokens: [{ id: 258, content: '<|end|>', ...SPECIAL }],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  post_processor: { type: 'ByteLevel' },
  decoder: { type: 'ByteLevel' },
  model: {
    type: 'BPE',
    vocab: Object.fromEntries([...BYTE_TO_CHARACTER, 'ab', 'abc'].map((token, id) => [token, id])),
    merges: ['a b', ['ab', 'c']],
  },
};

const split = (pattern: Json, more: JsonObject = {}): JsonObject => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern, behavior: 'Isolated', invert: false, ...more },
    { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
  ],
});
const nested = (type: string, key: string, depth: number, inner: Json): Json =>
  depth === 0 ? inner : { type, [key]: [nested(type, key, depth - 1, inner)] };
const regex = (pattern: string): string => withValue(BPE, 'pre_tokenizer', split({ Regex: pattern }));
const replace = (content: string, pattern: Json = { String: 'a' }): JsonObject => ({
  type: 'Replace',
  pattern,
  content,
});

export function tokenizerJsonCases(): Cases {
  const charsmap = (bytes: readonly number[]): string =>
    withValue(UNIGRAM, 'normalizer', {
      type: 'Precompiled',
      precompiled_charsmap: Buffer.from(bytes).toString('base64'),
    });
  return {
    ...brokenJson(WORDPIECE),
    ...wrongValues(WORDPIECE, {
      model: ['missing', 'null', 'is-a-text', 'is-a-list', 'is-nested'],
      'model.type': ['null', 'is-a-number', 'is-a-text', 'speaks-to-javascript'],
      'model.vocab': ['missing', 'null', 'is-a-list', 'is-a-text', 'is-nested'],
      'model.vocab.a': ['null', 'negative', 'fraction', 'beyond-31-bits', 'is-a-text', 'is-zero', 'is-a-list'],
      'model.unk_token': ['is-a-text', 'is-a-number', 'missing'],
      'model.continuing_subword_prefix': ['is-a-number', 'is-empty-text', 'is-an-object'],
      'model.max_input_chars_per_word': ['negative', 'beyond-31-bits', 'is-a-text', 'fraction'],
      added_tokens: ['is-a-text', 'is-an-object', 'is-nested'],
      'added_tokens.0': ['null', 'is-a-list', 'is-a-text'],
      'added_tokens.0.id': ['missing', 'negative', 'beyond-31-bits', 'is-a-number', 'is-a-text'],
      'added_tokens.0.content': ['missing', 'is-empty-text', 'is-a-number', 'is-a-list'],
      normalizer: ['is-a-text', 'is-a-list', 'is-an-object'],
      'normalizer.type': ['missing', 'is-a-text', 'is-a-list', 'speaks-to-javascript'],
      'normalizer.lowercase': ['is-a-text', 'is-a-number'],
      pre_tokenizer: ['is-a-text', 'is-a-list', 'is-an-object'],
      'pre_tokenizer.type': ['is-a-number', 'is-a-text', 'speaks-to-javascript'],
      post_processor: ['is-a-text', 'is-a-list'],
      'post_processor.type': ['missing', 'is-a-list'],
      'post_processor.single': ['missing', 'is-a-text', 'is-a-list', 'is-nested'],
      'post_processor.special_tokens': ['missing', 'is-a-list', 'is-an-object'],
      decoder: ['is-a-text', 'is-a-list', 'is-an-object'],
      'decoder.prefix': ['is-a-number'],
      'decoder.cleanup': ['is-a-text'],
    }),
    ...wrongValues(
      UNIGRAM,
      {
        'model.vocab': ['missing', 'is-an-object', 'is-a-list', 'is-a-text'],
        'model.vocab.1': ['null', 'is-a-list', 'is-a-text', 'is-nested'],
        'model.vocab.1.0': ['is-a-number', 'null', 'is-empty-text'],
        'model.vocab.1.1': ['is-a-text', 'null', 'enormous', 'missing'],
        'model.unk_id': ['missing', 'negative', 'is-a-number', 'beyond-31-bits', 'is-a-text'],
        'model.byte_fallback': ['is-true', 'is-a-number'],
        decoder: ['missing', 'null', 'is-a-text', 'speaks-to-javascript'],
        'decoder.type': ['is-a-list', 'speaks-to-javascript'],
        'normalizer.normalizers': ['missing', 'is-an-object', 'is-a-list'],
        'pre_tokenizer.replacement': ['is-a-text', 'missing', 'is-a-list'],
      },
      'unigram-',
    ),
    ...wrongValues(
      BPE,
      {
        'model.merges': ['missing', 'is-a-text', 'is-a-list', 'is-nested'],
        'model.merges.0': ['is-a-text', 'is-a-list', 'null'],
        decoder: ['speaks-to-javascript'],
      },
      'bpe-',
    ),
    'bpe-byte-missing': changed(BPE, (copy) => delete (copy.model as { vocab: JsonObject }).vocab.A),
    'bpe-merge-of-unknown-tokens': withValue(BPE, 'model.merges', ['x y']),
    'bpe-merge-twice-the-other-way': withValue(BPE, 'model.merges', ['a b', 'a b']),
    'bpe-decoder-type-speaks-to-javascript': withValue(BPE, 'decoder', { type: { toString: 1, valueOf: 1 } }),
    'bpe-steps-speak-to-javascript': withValue(BPE, 'pre_tokenizer', { type: { toString: 1, valueOf: 1 } }),
    'bpe-dropout': withValue(BPE, 'model.dropout', 0.1),
    'ids-of-one-token-twice': withValue(WORDPIECE, 'model.vocab.c', 2),
    'vocabulary-of-the-prototype': JSON.stringify(WORDPIECE).replace('"c":4', '"__proto__":4,"constructor":6'),
    'unigram-token-twice': withValue(UNIGRAM, 'model.vocab.3', ['a', -1]),
    'unigram-token-of-2000-characters': withValue(UNIGRAM, 'model.vocab.3', ['x'.repeat(2000), -1]),
    'unigram-score-infinite': JSON.stringify(UNIGRAM).replace('-3', '-1e999'),
    'pattern-of-nested-repetitions': regex('(a+)+$|(?:[ab]+\\s?)+$'),
    'pattern-hangs-in-the-normalizer': withValue(UNIGRAM, 'normalizer', replace('x', { Regex: '(?:\\s*\\S*)*\u0001' })),
    'pattern-of-many-repetitions': regex('(?:(?:\\p{L}?){200}){200}'),
    'pattern-does-not-compile': regex('(?<a'),
    'pattern-unbalanced': regex('a)'),
    'pattern-of-nested-classes': regex('[a[b]]'),
    'pattern-of-5000-characters': regex('a'.repeat(5000)),
    'pattern-looks-behind': regex('(?<=a{1,9})b+'),
    'pattern-matches-nothing': regex('x*?'),
    'pattern-is-a-number': withValue(BPE, 'pre_tokenizer', split({ Regex: 1 })),
    'pattern-is-empty': withValue(BPE, 'pre_tokenizer', split({ String: '' }, { behavior: 'Removed' })),
    'pattern-behavior-unknown': withValue(BPE, 'pre_tokenizer', split({ String: 'a' }, { behavior: 'Eaten' })),
    'normalizer-puts-in-1000-characters': withValue(UNIGRAM, 'normalizer', replace('x'.repeat(1000))),
    'normalizer-doubles-40-times': withValue(UNIGRAM, 'normalizer', {
      type: 'Sequence',
      normalizers: Array(40).fill(replace('aa')),
    }),
    'normalizer-prepends-40-times': withValue(UNIGRAM, 'normalizer', {
      type: 'Sequence',
      normalizers: Array(40).fill({ type: 'Prepend', prepend: 'xy' }),
    }),
    'normalizers-in-one-another': withValue(
      UNIGRAM,
      'normalizer',
      nested('Sequence', 'normalizers', 40, { type: 'NFC' }),
    ),
    'pre-tokenizers-in-one-another': withValue(
      UNIGRAM,
      'pre_tokenizer',
      nested('Sequence', 'pretokenizers', 40, { type: 'Digits' }),
    ),
    'post-processors-in-one-another': withValue(
      WORDPIECE,
      'post_processor',
      nested('Sequence', 'processors', 40, { type: 'ByteLevel' }),
    ),
    'post-processor-puts-100-tokens': withValue(WORDPIECE, 'post_processor.special_tokens', {
      '[CLS]': { ids: Array(100).fill(1) },
    }),
    'post-processor-puts-an-unknown-id': withValue(WORDPIECE, 'post_processor.special_tokens', {
      '[CLS]': { ids: [99] },
    }),
    'post-processor-token-of-the-prototype': withValue(WORDPIECE, 'post_processor.single', [
      { SpecialToken: { id: 'toString' } },
      { Sequence: {} },
    ]),
    'post-processor-without-the-text': withValue(WORDPIECE, 'post_processor.single', []),
    'added-token-collides': withValue(WORDPIECE, 'added_tokens.0.content', 'a'),
    'added-token-steers-the-terminal': withValue(WORDPIECE, 'added_tokens.0', { id: -1, content: '\u001b[2J' }),
    'charsmap-is-not-base64': withValue(UNIGRAM, 'normalizer', { type: 'Precompiled', precompiled_charsmap: '***' }),
    'charsmap-of-3-bytes': charsmap([1, 2, 3]),
    'charsmap-longer-than-its-bytes': charsmap([255, 255, 255, 127, 0, 0, 0, 0]),
    'charsmap-leads-out': charsmap([4, 0, 0, 0, 0, 255, 255, 127, 65, 0]),
    'charsmap-of-zeros': charsmap([4, 0, 0, 0, 0, 0, 0, 0, 65, 0]),
    'charsmap-of-endless-text': charsmap([...[0, 4, 0, 0], ...Array(1024).fill(0), ...Array(600).fill(65)]),
  };
}
