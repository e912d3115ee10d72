import { readFileSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import { trainByteBpe } from './byte-bpe-training.js';
import { trainCharacters } from './characters.js';
import { CHAT_SPECIAL_TOKENS } from './chat-template.js';
import { loadTokenizer, tokenizerFromJson } from './file.js';
import { loadLlama2cTokenizer } from './llama2c.js';
import type { Tokenizer } from './tokenizer.js';

// Every tokenizer, written as tokenizer.json and read by the two Hugging Face libraries, must give our ids and texts.

const SENTENCES = [
  'The cat sat on the mat; the other cats sat, too. She said: "It’s 1,234.50 dollars!"',
  "I'll say we've DON'T they'RE it's 'sun' rock'n'roll O'Neill's",
  'for (let i = 0; i < 10; i++) {\n\tconsole.log(`x = {i}`);\r\n}\n\n\n    return null;\n',
  '人生若只如初見，何事秋風悲畫扇。等閒變卻故人心，卻道故人心易變。床前明月光，疑是地上霜。',
  '한국어는 한글로 표기합니다. こんにちは、世界。नमस्ते दुनिया! ภาษาไทย Привет, мир! مرحبا بالعالم',
  '👩‍👩‍👧‍👦 👍🏽 🇨🇭🇨🇳 ❤️ 1️⃣ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𠀁',
  ' a  b   c\u00a0d\u2003e\u3000f\u0085g\ufeffh\u200bi\u2028j \t\n k\r\n  \r l   ',
  'e\u0301 n\u0303 \u0301x ½ ² Ⅻ ٣ 三 _under_score__ #hash @at 3.14e-10 0x1F __proto__ constructor',
  '<|endoftext|> <|user|>hi<|end|> <0x41> ▁ <s> </s> <unk>',
  '',
  ' ',
  '\n',
  '\u0000\u0001\u007f',
];

/** Characters that had their classes long before the oldest Unicode tables in use. */
const settledCharacter = fc.oneof(
  fc.constantFrom(
    ...' \t\n\r\u00a0\u0085\u2003\u2028\u3000\ufeff\u200d\ufe0f\u0301\u093e\u0e31',
    "'s",
    "'LL",
    ' ',
    '  ',
  ),
  fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCodePoint(code)),
  ...[
    [0x00, 0x24f],
    [0x391, 0x3a1],
    [0x410, 0x44f],
    [0x5d0, 0x5ea],
    [0x621, 0x64a],
    [0x660, 0x669],
    [0x905, 0x939],
    [0x3041, 0x3096],
    [0x4e00, 0x9fa5],
    [0xac00, 0xd7a3],
    [0x1f300, 0x1f64f],
    [0x20000, 0x2a6d6],
    [0xe000, 0xf8ff],
  ].map(([min, max]) => fc.integer({ min: min!, max: max! }).map((code) => String.fromCodePoint(code))),
);
const settledText = fc.array(settledCharacter, { maxLength: 60 }).map((characters) => characters.join(''));
const loneSurrogates = fc.array(fc.integer({ min: 0xd700, max: 0xe010 }), { maxLength: 12 });
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  settledText,
  loneSurrogates.map((units) => String.fromCharCode(...units)),
);

const seeded = { seed: 20240607, numRuns: 300 };

interface Subject {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly text: HuggingFaceTokenizer;
  readonly native: NativeTokenizer;
}

function subject(name: string, tokenizer: Tokenizer): Subject {
  const json = JSON.stringify(tokenizer.toJson());
  return {
    name,
    tokenizer,
    text: new HuggingFaceTokenizer(JSON.parse(json), { clean_up_tokenization_spaces: false }),
    native: NativeTokenizer.fromString(json),
  };
}

/** Like llama2.c we drop the first space after the opening token wherever it stands; the libraries only at the start. */
function dropsSpaceInside(tokenizer: Tokenizer, ids: readonly number[]): boolean {
  return tokenizer.dropsLeadingSpace === true && ids.includes(tokenizer.bosId!);
}

async function expectNative({ tokenizer, native }: Subject, text: string): Promise<void> {
  const ids = [...tokenizer.encode(text, { allowSpecial: true })];
  expect(ids).toEqual((await native.encode(text, null, { addSpecialTokens: false })).getIds());
  if (!dropsSpaceInside(tokenizer, ids)) expect(tokenizer.decode(ids)).toBe(await native.decode(ids, false));
}

function expectJavaScript({ tokenizer, text: oracle }: Subject, text: string): void {
  const ids = [...tokenizer.encode(text, { allowSpecial: true })];
  expect(ids).toEqual(oracle.encode(text, { add_special_tokens: false }).ids);
  // It decodes no empty list, and drops a byte order mark that byte fallback spells.
  if (ids.length > 0 && !text.includes('\ufeff') && !dropsSpaceInside(tokenizer, ids))
    expect(tokenizer.decode(ids)).toBe(oracle.decode(ids));
}

let subjects: Subject[] = [];

beforeAll(async () => {
  const training = Array.from({ length: 4 }, () => SENTENCES).flat();
  const bytes = await trainByteBpe(training, { vocabularySize: 600, specialTokens: CHAT_SPECIAL_TOKENS });
  const characters = await trainCharacters(SENTENCES.slice(0, 4), { specialTokens: CHAT_SPECIAL_TOKENS });
  subjects = [subject('byte-level BPE', bytes), subject('characters', characters)];
  const llama2c = sharedData('models/stories260K/tok512.bin');
  if (llama2c !== undefined) subjects.push(subject('llama2c', loadLlama2cTokenizer(llama2c, 512)));
  const gpt2 = sharedData('tokenizers/gpt2/gpt2_tokenizer.json');
  if (gpt2 !== undefined) subjects.push(subject('GPT-2', loadTokenizer(gpt2)));
});

describe('agreement with @huggingface/tokenizers and the native tokenizers', () => {
  it('on hard sentences', async () => {
    for (const one of subjects) {
      for (const text of SENTENCES) {
        await expectNative(one, text);
        expectJavaScript(one, text);
      }
    }
  });

  it('on random text, lone surrogates included', async () => {
    for (const one of subjects) {
      fc.assert(
        fc.property(anyText, (text) => expectJavaScript(one, text)),
        seeded,
      );
      await fc.assert(
        fc.asyncProperty(settledText, (text) => expectNative(one, text)),
        seeded,
      );
    }
  });

  it('on long pretokens', async () => {
    for (const text of ['a', 'na', '中国', '.', ' ', 'the', 'Xyz🙂'].map((piece) => piece.repeat(300))) {
      for (const one of subjects) await expectNative(one, text);
    }
  });

  it('on random ids', async () => {
    for (const one of subjects) {
      const anyIds = fc.array(fc.nat(one.tokenizer.vocabularySize - 1), { minLength: 1, maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(anyIds, async (ids) => {
          const text = one.tokenizer.decode(ids);
          // The two libraries differ on bytes that are not UTF-8 and on a byte order mark.
          if (!text.includes('\ufffd') && !text.includes('\ufeff') && !dropsSpaceInside(one.tokenizer, ids)) {
            expect(text).toBe(await one.native.decode(ids, false));
            expect(text).toBe(one.text.decode(ids));
          }
        }),
        seeded,
      );
    }
  });

  it('on the 83 multilingual texts', async (context) => {
    const file = sharedData('tokenizers/expected/multilingual/inputs.json');
    if (file === undefined) return context.skip('the shared test data is not on this machine');
    const texts = JSON.parse(readFileSync(file, 'utf8')) as { text: string }[];
    expect(texts).toHaveLength(83);
    for (const { text } of texts) {
      for (const one of subjects) {
        await expectNative(one, text);
        expectJavaScript(one, text);
      }
    }
  });
});

describe('GPT-2', () => {
  it('gives the published ids', (context) => {
    const file = sharedData('tokenizers/gpt2/gpt2_tokenizer.json');
    const folder = sharedData('tokenizers/expected/multilingual');
    if (file === undefined || folder === undefined) return context.skip('the shared test data is not on this machine');
    const gpt2 = loadTokenizer(file);
    expect(gpt2).toMatchObject({ kind: 'byte-bpe', vocabularySize: 50257, bosId: 50256, eosId: 50256 });
    const inputs = JSON.parse(readFileSync(`${folder}/inputs.json`, 'utf8')) as { id: string; text: string }[];
    const { entries } = JSON.parse(readFileSync(`${folder}/gpt2_multilingual.json`, 'utf8')) as {
      entries: { id: string; input_ids: number[]; decoded_with_special: string }[];
    };
    const texts = new Map(inputs.map(({ id, text }) => [id, text]));
    expect(entries).toHaveLength(83);
    for (const { id, input_ids } of entries) {
      expect([...gpt2.encode(texts.get(id)!)], id).toEqual(input_ids);
      expect(gpt2.decode(input_ids), id).toBe(texts.get(id));
    }
  });
});

describe('every tokenizer', () => {
  it('gives back every text', () => {
    for (const { name, tokenizer } of subjects) {
      // SentencePiece cannot tell ▁ from a space.
      const property = fc.property(anyText, (text) => {
        const wellFormed = Buffer.from(text, 'utf8').toString('utf8');
        const expected = name === 'llama2c' ? wellFormed.replaceAll('▁', ' ') : wellFormed;
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(expected);
      });
      fc.assert(property, seeded);
    }
  });

  it('comes back the same from its own tokenizer.json', () => {
    for (const { name, tokenizer } of subjects) {
      const json = JSON.parse(JSON.stringify(tokenizer.toJson()));
      const again = tokenizerFromJson(json, name === 'llama2c' ? { bos: '<s>', eos: '</s>' } : undefined);
      expect(again.kind).toBe(tokenizer.kind);
      expect(again.specialTokens).toEqual(tokenizer.specialTokens);
      expect(again.bosId).toBe(tokenizer.bosId);
      expect(JSON.parse(JSON.stringify(again.toJson()))).toEqual(json);
      for (const text of SENTENCES) expect(again.encode(text)).toEqual(tokenizer.encode(text));
    }
  });

  it('recognises special tokens in text only when allowed', () => {
    for (const { tokenizer } of subjects) {
      for (const [content, id] of tokenizer.specialTokens) {
        expect([...tokenizer.encode(content)]).not.toContain(id);
        expect([...tokenizer.encode(content, { allowSpecial: true })]).toEqual([id]);
        expect(tokenizer.decode([id])).toBe(content);
        expect(tokenizer.decode([id], { skipSpecial: true })).toBe('');
        expect(Buffer.from(tokenizer.tokenBytes(id)).toString()).toBe(content);
      }
    }
  });

  it('refuses ids outside its vocabulary', () => {
    for (const { tokenizer } of subjects) {
      for (const id of [-1, tokenizer.vocabularySize, 1.5, Number.NaN]) {
        expect(() => tokenizer.decode([id])).toThrow(/not a token of this vocabulary/);
        expect(() => tokenizer.tokenBytes(id)).toThrow(/from 0 to/);
      }
    }
  });
});
