import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { ByteBpe } from './byte-bpe.js';
import { trainByteBpe } from './byte-bpe-training.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE, loadChatTemplate } from './chat-template.js';
import { loadTokenizer, saveTokenizer, tokenizerFromJson } from './file.js';

type Loose = { [key: string]: Loose } & Loose[] & Json;

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const small = (): Promise<ByteBpe> =>
  trainByteBpe(['the cat sat on the mat __proto__ __proto__'], {
    vocabularySize: 280,
    specialTokens: CHAT_SPECIAL_TOKENS,
    roles: { bos: '<|endoftext|>', eos: '<|end|>', pad: '<|endoftext|>' },
  });

describe('saveTokenizer and loadTokenizer', () => {
  it('keep ids, roles and the chat template', async () => {
    const tokenizer = await small();
    const home = path.join(folder, 'saved');
    saveTokenizer(tokenizer, home, { chatTemplate: DEFAULT_CHAT_TEMPLATE });
    for (const place of [home, path.join(home, 'tokenizer.json')]) {
      const loaded = loadTokenizer(place);
      expect(loaded).toMatchObject({ bosId: 0, eosId: 6, padId: 0, vocabularySize: 280 });
      expect(loaded.encode('the cat __proto__ <|end|>')).toEqual(tokenizer.encode('the cat __proto__ <|end|>'));
    }
    expect(loadChatTemplate(home)).toBe(DEFAULT_CHAT_TEMPLATE);
  });

  it('say what is wrong with a file', async () => {
    expect(() => loadTokenizer(path.join(folder, 'absent'))).toThrow(/absent: cannot read: no such file/);
    const file = path.join(folder, 'tokenizer.json');
    writeFileSync(file, '{"model": {"type": "BPE", "vocab": {"a": 0');
    expect(() => loadTokenizer(file)).toThrow(/not valid JSON/);
    writeFileSync(file, '[]');
    expect(() => loadTokenizer(file)).toThrow(/not a JSON object/);
    const json = JSON.parse(JSON.stringify((await small()).toJson()));
    json.model.merges[3] = 'lonely';
    writeFileSync(file, JSON.stringify(json));
    expect(() => loadTokenizer(file)).toThrow(
      /tokenizer\.json: not a usable tokenizer: model\.merges\[3\]: not a merge/,
    );
    expect(readFileSync(file, 'utf8')).toContain('lonely');
  });
});

describe('tokenizerFromJson', () => {
  const damages: [name: string, damage: (root: Loose) => void, message: RegExp][] = [
    ['no model', (root) => delete root.model, /there is no model/],
    ['another type', (root) => set(root.model!, 'type', 'WordLevel'), /model\.type.*not supported[\s\S]*"WordLevel"/],
    ['vocabulary as a list', (root) => set(root.model!, 'vocab', []), /model\.vocab.*\n.*an object/],
    ['negative id', (root) => set(root.model!.vocab!, 'a', -1), /model\.vocab\["a"\]/],
    ['huge id', (root) => set(root.model!.vocab!, 'a', 2 ** 31), /whole number from 0/],
    ['an id twice', (root) => set(root.model!.vocab!, 'zzz', 5), /id 5 belongs to/],
    ['a byte missing', (root) => delete root.model!.vocab!.q, /no token for a byte/],
    ['a strange token', (root) => set(root.model!.vocab!, '中', 5000), /byte alphabet/],
    ['a merge of strangers', (root) => set(root.model!.merges!, 0, 'q z'), /merge 0: a merge needs a token/],
    ['a merge of three', (root) => set(root.model!.merges!, 0, 'a b c'), /model\.merges\[0\]: not a merge/],
    ['merges as a text', (root) => set(root.model!, 'merges', 'a b'), /model\.merges.*\n.*a list/],
    ['a suffix', (root) => set(root.model!, 'end_of_word_suffix', '</w>'), /end_of_word_suffix: this setting/],
    ['an added token without text', (root) => set(root.added_tokens![0]!, 'content', ''), /collides/],
    ['an added token elsewhere', (root) => set(root.added_tokens![0]!, 'id', 9), /added_tokens\[0\].*collides/],
    ['another normalizer', (root) => set(root, 'normalizer', { type: 'Mystery' }), /normalizer\.type/],
    ['another decoder', (root) => set(root, 'decoder', { type: 'CTC' }), /decoder: this decoder.*\n.*ByteLevel\n.*CTC/],
    ['dropout', (root) => set(root.model!, 'dropout', 0.1), /model\.dropout/],
    [
      'another post-processor',
      (root) => set(root, 'post_processor', { type: 'Magic' }),
      /post_processor\.type.*\n.*TemplateProcessing/,
    ],
    [
      'another pretokenizer',
      (root) => set(root, 'pre_tokenizer', { type: 'Whitespace' }),
      /not supported[\s\S]*Whitespace/,
    ],
    ['no pretokenizer', (root) => set(root, 'pre_tokenizer', null), /pre_tokenizer/],
  ];

  it.each(damages)('refuses %s', async (_name, damage, message) => {
    const root = JSON.parse(JSON.stringify((await small()).toJson()));
    damage(root);
    expect(() => tokenizerFromJson(root)).toThrow(InputError);
    expect(() => tokenizerFromJson(root)).toThrow(message);
  });

  it('obeys ignore_merges and NFC', async () => {
    const root = JSON.parse(JSON.stringify((await small()).toJson()));
    root.model.ignore_merges = true;
    root.model.vocab.zebra = 5000;
    root.normalizer = { type: 'NFC' };
    const tokenizer = tokenizerFromJson(root);
    expect([...tokenizer.encode('zebra')]).toEqual([5000]);
    expect(tokenizer.decode(tokenizer.encode('e\u0301'))).toBe('é');
    expect(tokenizer.decode([4999])).toBe('');
    expect(tokenizerFromJson(JSON.parse(JSON.stringify(tokenizer.toJson()))).encode('zebra')).toHaveLength(1);
  });
});

it('reads a SentencePiece model in a folder as the tokenizer.json that it becomes', () => {
  const [first, second] = ['pieces', 'pieces-saved'].map((name) => path.join(folder, name)) as [string, string];
  for (const place of [first, second]) mkdirSync(place);
  copyFileSync(
    new URL('../../test/fixtures/tokenizers/unigram-nfkc.model', import.meta.url),
    path.join(first, 'spiece.model'),
  );
  writeFileSync(path.join(first, 'tokenizer_config.json'), JSON.stringify({ tokenizer_class: 'T5Tokenizer' }));
  const tokenizer = loadTokenizer(first);
  saveTokenizer(tokenizer, second);
  const again = loadTokenizer(second);
  expect([again.vocabularySize, again.eosId, again.padId]).toEqual([
    tokenizer.vocabularySize,
    tokenizer.eosId,
    tokenizer.padId,
  ]);
  // Stacked marks, where the two formats apply rules of normalisation differently.
  for (const text of ['ȫ', 'o\u0308\u0304 x', 'ﬁ ①', '\u0344', 'a small cat']) {
    expect([...again.encode(text, { addSpecial: true })], text).toEqual([
      ...tokenizer.encode(text, { addSpecial: true }),
    ]);
  }
});

function set(target: Loose, key: string | number, value: Json): void {
  (target as { [key: string | number]: Json })[key] = value;
}
