import { type Cases, concatenated, cuts, patched } from './damages.js';

type Part = Uint8Array | string;

const varint = (value: number | bigint): Uint8Array => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...bytes, Number(rest)]);
};
const int = (field: number, value: number | bigint): Uint8Array => concatenated(varint(field * 8), varint(value));
const float = (field: number, value: number): Uint8Array =>
  concatenated(varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer));
const bytes = (field: number, content: Part, announced?: number | bigint): Uint8Array => {
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  return concatenated(varint(field * 8 + 2), varint(announced ?? body.length), body);
};

const piece = (text: Part, score = -1, type = 1): Uint8Array =>
  bytes(1, concatenated(bytes(1, text), float(2, score), ...(type === 1 ? [] : [int(3, type)])));
const trainer = (...parts: Part[]): Uint8Array => bytes(2, concatenated(...parts));
const normalizer = (...parts: Part[]): Uint8Array => bytes(3, concatenated(...parts));

const UNKNOWN = piece('<unk>', 0, 2);
const CONTROLS = [UNKNOWN, piece('<s>', 0, 3), piece('</s>', 0, 3)];
const PIECES = [
  ...CONTROLS,
  piece('\u2581', -2),
  piece('a', -3),
  piece('\u2581a', -4),
  piece('b', -5),
  piece('ab', -1),
];
const unigram = (...parts: Uint8Array[]): Uint8Array => concatenated(...PIECES, ...parts, trainer(int(3, 1)));
const bpe = (...parts: Uint8Array[]): Uint8Array => concatenated(...PIECES, ...parts, trainer(int(3, 2)));
const charsmap = (...list: number[]): Uint8Array => unigram(normalizer(bytes(2, Uint8Array.from(list))));

export const GOOD_SENTENCEPIECE: Uint8Array = concatenated(unigram(), normalizer(int(3, 1), int(4, 1)));

/** Pieces of two letters that can be cut in very many ways, as few as hold so many merges. */
function manyCuts(): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let i = 1; i <= 30; i++) for (let j = 1; j <= 30; j++) list.push(piece('c'.repeat(i) + 'd'.repeat(j)));
  return list;
}

export function sentencePieceCases(): Cases {
  const end = GOOD_SENTENCEPIECE.length;
  return {
    ...cuts(GOOD_SENTENCEPIECE, [0, 1, 2, 5, 9, 14, 40, end - 3, end - 1]),
    'is-a-text': 'a model of pieces of sentences',
    'is-json': '{"model":{"type":"Unigram"}}',
    'is-all-ones': new Uint8Array(100).fill(255),
    'is-all-zeros': new Uint8Array(100),
    'pieces-missing': trainer(int(3, 1)),
    'piece-longer-than-the-file': concatenated(...PIECES, bytes(1, 'x', 1000)),
    'piece-length-2-to-the-31': concatenated(...PIECES, bytes(1, 'x', 2 ** 31)),
    'piece-length-2-to-the-63': concatenated(...PIECES, bytes(1, 'x', 2n ** 63n)),
    'piece-is-a-number': concatenated(...PIECES, int(1, 5)),
    'piece-without-text': unigram(bytes(1, float(2, -1))),
    'piece-text-empty': unigram(piece('')),
    'piece-text-is-not-utf-8': unigram(piece(Uint8Array.of(0xff, 0xfe))),
    'piece-text-is-half-a-character': unigram(piece(Uint8Array.of(0xe2, 0x96))),
    'piece-text-is-a-number': unigram(bytes(1, int(1, 5))),
    'piece-text-longer-than-the-piece': unigram(bytes(1, bytes(1, 'x', 50))),
    'piece-text-of-600-characters': unigram(piece('x'.repeat(600))),
    'piece-text-steers-the-terminal': unigram(piece('\u001b[2J'), piece('\u001b[2J')),
    'piece-twice': unigram(piece('a')),
    'piece-score-not-a-number': unigram(piece('x', Number.NaN)),
    'piece-score-infinite': unigram(piece('x', Number.NEGATIVE_INFINITY)),
    'piece-score-is-whole': unigram(bytes(1, concatenated(bytes(1, 'x'), int(2, 1)))),
    'piece-type-zero': unigram(piece('x', -1, 0)),
    'piece-type-seven': unigram(piece('x', -1, 7)),
    'piece-type-negative': unigram(bytes(1, concatenated(bytes(1, 'x'), int(3, -1n)))),
    'piece-is-a-byte-without-bytes': unigram(piece('<0x41>', 0, 6)),
    'piece-is-no-byte': concatenated(...PIECES, piece('<0xZZ>', 0, 6), trainer(int(3, 1), int(35, 1))),
    'bytes-missing': concatenated(...PIECES, piece('<0x41>', 0, 6), trainer(int(3, 1), int(35, 1))),
    'bytes-missing-in-bpe': concatenated(...PIECES, trainer(int(3, 2), int(35, 1))),
    'unknown-missing': concatenated(piece('a'), trainer(int(3, 1))),
    'unknown-twice': unigram(piece('<unk2>', 0, 2)),
    'only-unknown': concatenated(UNKNOWN, trainer(int(3, 1))),
    'model-of-words': concatenated(...PIECES, trainer(int(3, 3))),
    'model-of-characters': concatenated(...PIECES, trainer(int(3, 4))),
    'model-type-zero': concatenated(...PIECES, trainer(int(3, 0))),
    'model-type-beyond-53-bits': concatenated(...PIECES, trainer(int(3, 2n ** 60n))),
    'model-type-is-a-text': concatenated(...PIECES, trainer(bytes(3, 'BPE'))),
    'spaces-behind-words': concatenated(...PIECES, trainer(int(3, 1), int(24, 1))),
    'spaces-not-marked': unigram(normalizer(int(5, 0))),
    'rewrites-what-is-decoded': unigram(bytes(5, bytes(2, 'xx'))),
    'bpe-switched-off-in-part': bpe(piece('x', -1, 5)),
    'bpe-cut-in-many-ways': bpe(...manyCuts(), piece('c'), piece('d')),
    'bpe-piece-of-600-characters': bpe(piece('x'.repeat(600))),
    'roles-past-the-pieces': concatenated(...PIECES, trainer(int(3, 1), int(41, 9999), int(42, 2 ** 31), int(43, -5n))),
    'roles-beyond-53-bits': concatenated(...PIECES, trainer(int(3, 1), int(41, 2n ** 62n))),
    'charsmap-of-3-bytes': charsmap(1, 2, 3),
    'charsmap-longer-than-its-bytes': charsmap(255, 255, 255, 255, 0, 0, 0, 0),
    'charsmap-of-half-a-unit': charsmap(5, 0, 0, 0, 0, 0, 0, 0, 0),
    'charsmap-leads-out': charsmap(4, 0, 0, 0, 0, 255, 255, 127, 65, 0),
    'charsmap-is-not-utf-8': charsmap(...[0, 4, 0, 0], ...Array(1024).fill(0), 0xff, 0),
    'charsmap-of-endless-text': charsmap(...[0, 4, 0, 0], ...Array(1024).fill(0), ...Array(600).fill(65)),
    'normalizer-longer-than-the-file': concatenated(...PIECES, bytes(3, 'x', 9999)),
    'number-of-eleven-bytes': concatenated(...PIECES, varint(16), Uint8Array.from([...Array(10).fill(255), 1])),
    'field-zero': concatenated(Uint8Array.of(0), GOOD_SENTENCEPIECE),
    'wire-type-of-groups': concatenated(Uint8Array.of(0x0b), GOOD_SENTENCEPIECE),
    'second-byte-changed': patched(GOOD_SENTENCEPIECE, 1, [0x7f]),
  };
}
