import { BYTE_TO_CHARACTER } from '../../src/tokenizer/byte-alphabet.js';
import { brokenJson, type Cases, inFolder, type JsonObject, withValue, wrongValues } from './damages.js';

export const WORDS: string = '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nc\n';
export const BYTES: JsonObject = Object.fromEntries(
  [...BYTE_TO_CHARACTER, 'ab', '<|endoftext|>'].map((token, id) => [token, id]),
);
export const MERGES: string = '#version: 0.2\na b\n';
export const CONFIG: JsonObject = {
  tokenizer_class: 'BertTokenizer',
  do_lower_case: true,
  unk_token: '[UNK]',
  additional_special_tokens: ['<x>'],
  added_tokens_decoder: { 1: { content: '[UNK]', special: true }, 9: { content: '<y>' } },
};

export function vocabularyCases(): Cases {
  const words = (text: string | Uint8Array): { 'vocab.txt': string | Uint8Array } => ({ 'vocab.txt': text });
  const pairs = (merges: string | Uint8Array, more: JsonObject = BYTES): Record<string, string | Uint8Array> => ({
    'vocab.json': JSON.stringify(more),
    'merges.txt': merges,
  });
  const beside = (config: string): Record<string, string> => ({ 'vocab.txt': WORDS, 'tokenizer_config.json': config });
  return {
    ...inFolder(brokenJson(CONFIG), 'tokenizer_config.json', { 'vocab.txt': WORDS }, 'config-'),
    ...inFolder(wrongValues(CONFIG, CONFIG_VALUES), 'tokenizer_config.json', { 'vocab.txt': WORDS }, 'config-'),
    'words-empty': words(''),
    'words-without-specials': words('a\nb\n'),
    'words-are-binary': words(Uint8Array.from({ length: 256 }, (_, i) => i)),
    'words-in-latin-1': words(Buffer.concat([Buffer.from(WORDS), Buffer.from('caf\xe9\n', 'latin1')])),
    'words-in-utf-16': words(Buffer.from(WORDS, 'utf16le')),
    'words-with-a-byte-order-mark': words(`\ufeff${WORDS}`),
    'words-of-windows': words(WORDS.replaceAll('\n', '\r\n')),
    'words-twice': words(`${WORDS}a\na\nc\n`),
    'words-of-empty-lines': words(`${WORDS}\n\n\n`),
    'words-of-the-prototype': words(`${WORDS}__proto__\nconstructor\n`),
    'word-of-20000-characters': words(`${WORDS}${'x'.repeat(20_000)}\n`),
    'pairs-without-bytes': pairs(MERGES, { a: 0, b: 1, ab: 2 }),
    'pairs-vocabulary-of-texts': pairs(MERGES, { ...BYTES, ab: '256' }),
    'pairs-vocabulary-nested': pairs(MERGES, { ...BYTES, ab: { a: 1 } }),
    'pairs-id-twice': pairs(MERGES, { ...BYTES, ab: 1 }),
    'pairs-id-of-2-to-the-31': pairs(MERGES, { ...BYTES, ab: 2 ** 31 }),
    'pairs-not-in-the-byte-alphabet': pairs(MERGES, { ...BYTES, 'a b\u4e00': 258 }),
    'pairs-end-of-text-is-a-number': pairs(MERGES, { ...BYTES, '<|endoftext|>': -5 }),
    'pairs-of-the-prototype': { 'vocab.json': '{"__proto__":1,"a":0}', 'merges.txt': MERGES },
    'merges-empty': pairs(''),
    'merges-of-one': pairs('a\n'),
    'merges-of-three': pairs('a b c\n'),
    'merges-of-nothing': pairs(' \n  \n'),
    'merges-of-unknown-tokens': pairs('a c\n'),
    'merges-are-binary': pairs(Uint8Array.from({ length: 200 }, (_, i) => 255 - i)),
    'merges-missing': { 'vocab.json': JSON.stringify(BYTES) },
    'class-unknown': { ...pairs(MERGES), 'tokenizer_config.json': '{"tokenizer_class":"CLIPTokenizer"}' },
    'class-of-the-prototype': { ...pairs(MERGES), 'tokenizer_config.json': '{"tokenizer_class":"__proto__"}' },
    'class-that-lacks-its-tokens': {
      ...pairs(MERGES),
      'tokenizer_config.json': '{"tokenizer_class":"RobertaTokenizer"}',
    },
    'added-tokens-collide': { ...pairs(MERGES), 'added_tokens.json': '{"<new>":3}' },
    'added-tokens-negative': { ...pairs(MERGES), 'added_tokens.json': '{"<new>":-1}' },
    'added-tokens-enormous': { ...pairs(MERGES), 'added_tokens.json': '{"<new>":1e15}' },
    'added-tokens-are-a-list': { ...pairs(MERGES), 'added_tokens.json': '["<new>"]' },
    'special-tokens-cut-off': { ...pairs(MERGES), 'special_tokens_map.json': '{"bos_token":' },
    'id-is-a-word': beside(withValue(CONFIG, 'added_tokens_decoder', { one: { content: 'x' } })),
    'id-is-negative': beside(withValue(CONFIG, 'added_tokens_decoder', { '-1': { content: 'x' } })),
    'id-is-enormous': beside(withValue(CONFIG, 'added_tokens_decoder', { 99999999999: { content: 'x' } })),
    'id-of-another-token': beside(withValue(CONFIG, 'added_tokens_decoder', { 5: { content: 'x' } })),
    'model-empty': { 'spiece.model': '' },
    'model-is-a-text': {
      'tokenizer.model': 'no model',
      'tokenizer_config.json': '{"tokenizer_class":"LlamaTokenizer"}',
    },
    'nothing-at-all': { 'README.md': '' },
  };
}

const CONFIG_VALUES = {
  unk_token: ['is-a-text', 'is-a-number', 'is-a-list', 'is-empty-text'],
  additional_special_tokens: ['is-a-text', 'is-an-object', 'is-nested'],
  added_tokens_decoder: ['null', 'is-a-list', 'is-a-text', 'is-an-object'],
  'added_tokens_decoder.9': ['null', 'is-a-text', 'is-a-list'],
  'added_tokens_decoder.9.content': ['missing', 'is-empty-text', 'is-a-number'],
} as const;
