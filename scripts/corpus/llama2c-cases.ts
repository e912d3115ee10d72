import { type Cases, concatenated, cuts, patched } from './damages.js';

interface Shape {
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly vocabulary: number;
  readonly positions: number;
}

const TINY: Shape = { width: 4, hidden: 3, layers: 1, heads: 2, keyHeads: 1, vocabulary: 5, positions: 2 };

const header = (shape: Shape): Uint8Array =>
  new Uint8Array(
    Int32Array.of(
      shape.width,
      shape.hidden,
      shape.layers,
      shape.heads,
      shape.keyHeads,
      shape.vocabulary,
      shape.positions,
    ).buffer,
  );
const weights = (shape: Shape): number => {
  const { width, hidden, layers, heads, keyHeads, vocabulary, positions } = shape;
  const layer = 2 * width + 2 * width ** 2 + 2 * (width / heads) * keyHeads * width + 3 * width * hidden;
  return Math.abs(vocabulary) * width * (vocabulary > 0 ? 1 : 2) + layers * layer + width + (positions * width) / heads;
};
/** A file of the length that its header tells, as far as such a file can be. */
const model = (change: Partial<Shape> = {}): Uint8Array => {
  const shape = { ...TINY, ...change };
  const count = weights(shape);
  const bytes = Number.isInteger(count) && count > 0 && count < 4000 ? 4 * count : 64;
  return concatenated(header(shape), new Uint8Array(bytes).fill(0x3e));
};

export const GOOD_LLAMA2C: Uint8Array = model();

export function llama2cCases(): Cases {
  const cases: Cases = {
    ...cuts(GOOD_LLAMA2C, [0, 1, 4, 27, 28, 29, 100, GOOD_LLAMA2C.length - 4, GOOD_LLAMA2C.length - 1]),
    'goes-on-after-its-end': concatenated(GOOD_LLAMA2C, new Uint8Array(4)),
    'header-big-endian': concatenated(header(TINY).reverse(), GOOD_LLAMA2C.slice(28)),
    'version-1': concatenated(Uint8Array.of(0x34, 0x32, 0x6b, 0x61, 1, 0, 0, 0), GOOD_LLAMA2C),
    'is-a-pickle': concatenated(Uint8Array.of(0x80, 2, 0x7d, 0x71, 0), new Uint8Array(60)),
    'is-a-text': 'weights and measures of a small animal of the Andes',
    'is-all-zeros': new Uint8Array(400),
    'is-all-ones': new Uint8Array(400).fill(255),
    'weights-not-numbers': patched(GOOD_LLAMA2C, 28, [0, 0, 192, 127]),
    'head-of-its-own-missing': concatenated(header({ ...TINY, vocabulary: -5 }), GOOD_LLAMA2C.slice(28)),
    'heads-do-not-divide': model({ heads: 3 }),
    'heads-of-odd-width': model({ width: 6, heads: 2 }),
    'heads-more-than-the-width': model({ heads: 8 }),
    'key-heads-do-not-divide': model({ heads: 2, keyHeads: 3 }),
    'layers-1025': model({ layers: 1025 }),
    'sizes-that-overflow-to-the-length': concatenated(
      header({ ...TINY, width: 2 ** 24, hidden: 2 ** 24, layers: 2 ** 24, vocabulary: 2 ** 24 }),
      new Uint8Array(64),
    ),
  };
  for (const key of Object.keys(TINY) as (keyof Shape)[]) {
    const name = key === 'keyHeads' ? 'key-heads' : key;
    cases[`${name}-zero`] = model({ [key]: 0 });
    cases[`${name}-negative`] = model({ [key]: -3 });
    cases[`${name}-2-to-the-31`] = model({ [key]: 2 ** 31 - 1 });
  }
  return cases;
}

const SIZE = 264;

/** The 264 tokens of a tokenizer, with some of them changed. */
function tokenizer(
  change: (tokens: [text: string | Uint8Array, score: number, length?: number][]) => void = () => {},
): Uint8Array {
  const tokens: [string | Uint8Array, number, number?][] = [
    ['<unk>', 0],
    ['\n<s>\n', 0],
    ['\n</s>\n', 0],
    ...Array.from({ length: 256 }, (_, i): [string, number] => [
      `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`,
      0,
    ]),
    ...['a', 'b', 'ab', ' ', ' a'].map((text, i): [string, number] => [text, -i]),
  ];
  change(tokens);
  const parts = tokens.map(([text, score, length]) => {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const head = new DataView(new ArrayBuffer(8));
    head.setFloat32(0, score, true);
    head.setInt32(4, length ?? bytes.length, true);
    return concatenated(new Uint8Array(head.buffer), bytes);
  });
  return concatenated(Uint8Array.of(27, 0, 0, 0), ...parts);
}

export const GOOD_LLAMA2C_TOKENIZER: Uint8Array = tokenizer();

export function llama2cTokenizerCases(): Cases {
  const last = (text: string | Uint8Array, score = -1, length?: number): Uint8Array =>
    tokenizer((tokens) => {
      tokens[SIZE - 1] = length === undefined ? [text, score] : [text, score, length];
    });
  const good = GOOD_LLAMA2C_TOKENIZER;
  return {
    ...cuts(good, [0, 1, 3, 4, 5, 8, 11, 12, 15, 17, 30, 100, 2000, good.length - 9, good.length - 2, good.length - 1]),
    'goes-on-after-its-end': concatenated(good, Uint8Array.of(0)),
    'is-a-text': 'a token of my esteem',
    'is-all-zeros': new Uint8Array(4096),
    'is-all-ones': new Uint8Array(4096).fill(255),
    'token-missing': tokenizer((tokens) => tokens.pop()),
    'token-too-many': tokenizer((tokens) => tokens.push(['zz', -9])),
    'length-negative': last('a', -1, -1),
    'length-2-to-the-31': last('a', -1, 2 ** 31 - 1),
    'length-past-the-end': last('zz', -1, 900),
    'length-one-less': tokenizer((tokens) => {
      tokens[100] = [tokens[100]![0], 0, 5];
    }),
    'length-one-more': tokenizer((tokens) => {
      tokens[100] = [tokens[100]![0], 0, 7];
    }),
    'token-of-2000-bytes': last('x'.repeat(2000)),
    'token-is-not-utf-8': last(Uint8Array.of(0xff, 0xfe)),
    'token-is-half-a-character': last(Uint8Array.of(0xe4, 0xb8)),
    'token-twice': last('ab'),
    'token-like-a-byte': last('<0x41>'),
    'token-like-a-special-one': last('<s>'),
    'token-empty': last(''),
    'token-of-the-prototype': last('__proto__'),
    'token-steers-the-terminal': tokenizer((tokens) => {
      tokens[260] = ['\u001b[2J', 0];
      tokens[261] = ['\u001b[2J', 0];
    }),
    'score-not-a-number': last('zz', Number.NaN),
    'score-infinite': last('zz', Number.POSITIVE_INFINITY),
    'scores-all-equal': tokenizer((tokens) => {
      for (const token of tokens) token[1] = 5;
    }),
    'byte-out-of-place': tokenizer((tokens) => {
      [tokens[3], tokens[4]] = [tokens[4]!, tokens[3]!];
    }),
    'byte-in-small-letters': tokenizer((tokens) => {
      tokens[13] = ['<0x0a>', 0];
    }),
    'byte-missing': tokenizer((tokens) => tokens.splice(50, 1)),
    'longest-token-negative': patched(good, 0, [255, 255, 255, 255]),
    'longest-token-zero': patched(good, 0, [0, 0, 0, 0]),
  };
}
