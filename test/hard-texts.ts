import fc from 'fast-check';

/** Texts on which tokenizers differ: scripts, joined emoji, white space of all kinds, forged special tokens. */
export const HARD_TEXTS: readonly string[] = [
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

/** Text of such characters, with what tokenizers look for mixed in. */
export const settledText: fc.Arbitrary<string> = fc
  .array(settledCharacter, { maxLength: 60 })
  .map((characters) => characters.join(''));

const loneSurrogates = fc.array(fc.integer({ min: 0xd700, max: 0xe010 }), { maxLength: 12 });

/** Any string that JavaScript can hold. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  settledText,
  loneSurrogates.map((units) => String.fromCharCode(...units)),
);
