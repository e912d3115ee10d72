import type { Files } from '../../test/readers.js';
import {
  brokenJson,
  type Cases,
  concatenated,
  cuts,
  inFolder,
  type JsonObject,
  nestedLists,
  wrongValues,
} from './damages.js';

const DATA = Uint8Array.from({ length: 32 }, (_, i) => i);
const SEED = {
  a: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
  b: { dtype: 'F16', shape: [4], data_offsets: [16, 24] },
  c: { dtype: 'F64', shape: [], data_offsets: [24, 32] },
};

function length(bytes: bigint): Uint8Array {
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, bytes, true);
  return prefix;
}

/** A file with a header of this text. @param announced its length, as the file says it. */
function file(header: string | Uint8Array, data: Uint8Array = DATA, announced?: bigint): Uint8Array {
  const text = typeof header === 'string' ? Buffer.from(header) : header;
  return concatenated(length(announced ?? BigInt(text.length)), text, data);
}

const entry = (change: object, data: Uint8Array = DATA): Uint8Array =>
  file(JSON.stringify({ ...SEED, a: { ...SEED.a, ...change } }), data);
const only = (tensor: object, bytes: number): Uint8Array => file(JSON.stringify({ a: tensor }), new Uint8Array(bytes));

export const GOOD: Uint8Array = file(JSON.stringify({ __metadata__: { format: 'pt' }, ...SEED }));

export function safetensorsCases(): Cases {
  const text = JSON.stringify(SEED);
  const headers = { ...brokenJson(SEED), ...wrongValues(SEED, WRONG_VALUES) };
  return {
    ...Object.fromEntries(
      Object.entries(headers).map(([name, header]) => [`header-${name}`, file(header as string | Uint8Array)]),
    ),
    ...cuts(GOOD, [0, 1, 7, 8, 9, 60, GOOD.length - 33, GOOD.length - 1]),
    'header-length-zero': file(text, DATA, 0n),
    'header-length-one-less': file(text, DATA, BigInt(text.length - 1)),
    'header-length-one-more': file(text, DATA, BigInt(text.length + 1)),
    'header-length-past-the-end': file(text, DATA, 5000n),
    'header-length-100-megabytes': file(text, DATA, 100_000_000n),
    'header-length-2-to-the-31': file(text, DATA, 2n ** 31n),
    'header-length-2-to-the-53': file(text, DATA, 2n ** 53n),
    'header-length-negative': file(text, DATA, 2n ** 64n - 1n),
    'header-length-big-endian': concatenated(length(BigInt(text.length)).reverse(), text, DATA),
    'shape-overflows': entry({ shape: [2 ** 32, 2 ** 32] }),
    'shape-overflows-to-zero': entry({ shape: [2 ** 32, 2 ** 32, 2 ** 32] }),
    'shape-times-zero': only({ dtype: 'F32', shape: [0, 2 ** 53 - 1], data_offsets: [0, 0] }, 0),
    'shape-infinite-times-zero': only(
      { dtype: 'F32', shape: [...Array(40).fill(2 ** 40), 0], data_offsets: [0, 0] },
      0,
    ),
    'shape-of-rank-5000': only({ dtype: 'U8', shape: Array(5000).fill(1), data_offsets: [0, 1] }, 1),
    'shape-is-infinite': file(text.replace('[2,2]', '[1e400]')),
    'shape-is-minus-zero': file(text.replace('[2,2]', '[-0]')),
    'dtype-unknown': entry({ dtype: 'F8_E4M3' }),
    'dtype-in-small-letters': entry({ dtype: 'f32' }),
    'dtype-of-the-prototype': entry({ dtype: 'toString' }),
    'dtype-of-another-size': entry({ dtype: 'F64' }),
    'offsets-reversed': entry({ data_offsets: [16, 0] }),
    'offsets-of-one': entry({ data_offsets: [16] }),
    'offsets-of-three': entry({ data_offsets: [0, 16, 16] }),
    'offsets-of-texts': entry({ data_offsets: ['0', '16'] }),
    'offsets-past-the-end': entry({ data_offsets: [2 ** 40, 2 ** 40 + 16] }),
    'offsets-at-2-to-the-53': entry({ data_offsets: [2 ** 53 - 17, 2 ** 53 - 1] }),
    'tensors-overlap': entry({ data_offsets: [8, 24] }),
    'tensors-share-all': file(JSON.stringify({ a: SEED.a, b: SEED.a }), new Uint8Array(16)),
    'hole-before-the-first': file(JSON.stringify({ a: { ...SEED.a, data_offsets: [16, 32] } })),
    'hole-between': file(JSON.stringify({ a: SEED.a, c: SEED.c })),
    'data-cut-off': file(text, DATA.slice(0, 31)),
    'data-missing': file(text, new Uint8Array(0)),
    'data-too-long': file(text, new Uint8Array(40)),
    'name-twice': file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},${text.slice(1)}`),
    'name-empty': file(text.replace('"a"', '""')),
    'name-of-the-prototype': file(text.replace('"a"', '"__proto__"')),
    'name-steers-the-terminal': file(text.replace('"a"', '"\\u001b[2J\\u0007\\u202e"').replace('F32', 'F33')),
    'name-of-20000-characters': file(text.replace('"a"', `"${'n'.repeat(20_000)}"`).replace('F32', 'F33')),
    'entry-is-nested': file(`{"a":${nestedLists(100)}}`),
    'metadata-is-a-list': file(`{"__metadata__":["pt"],${text.slice(1)}`),
    'metadata-holds-a-number': file(`{"__metadata__":{"step":1},${text.slice(1)}`),
    'metadata-holds-an-object': file(`{"__metadata__":{"a":{}},${text.slice(1)}`),
    'metadata-is-null': file(`{"__metadata__":null,${text.slice(1)}`),
    'metadata-of-the-prototype': file(`{"__metadata__":{"__proto__":"x","toString":"y"},${text.slice(1)}`),
    'is-a-zip': concatenated(Uint8Array.of(0x50, 0x4b, 3, 4), new Uint8Array(60)),
    'is-a-pickle': Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e),
  };
}

const WRONG_VALUES = {
  'a.dtype': ['missing', 'null', 'is-a-number', 'is-a-list', 'speaks-to-javascript'],
  'a.shape': ['missing', 'null', 'is-a-text', 'is-a-number', 'is-an-object', 'is-nested'],
  'a.shape.0': ['null', 'is-a-text', 'negative', 'fraction', 'beyond-53-bits', 'enormous', 'is-a-list'],
  'a.data_offsets': ['missing', 'null', 'is-a-text', 'is-an-object', 'is-nested'],
  'a.data_offsets.0': ['null', 'negative', 'fraction', 'beyond-31-bits', 'beyond-53-bits'],
  a: ['null', 'is-a-number', 'is-a-list', 'speaks-to-javascript'],
} as const;

export const INDEX: JsonObject = {
  metadata: { total_size: 64 },
  weight_map: { a: 'one.safetensors', b: 'one.safetensors', c: 'one.safetensors', d: 'two.safetensors' },
};
const TWO = file('{"d":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4));
const NAME = 'model.safetensors.index.json';
export const SHARDS: Files = { 'one.safetensors': GOOD, 'two.safetensors': TWO };

/** Folders with an index of shards, or with weights of other kinds. */
export function weightCases(): Cases {
  const index = (map: unknown): Record<string, string | Uint8Array> => ({
    ...SHARDS,
    [NAME]: JSON.stringify({ weight_map: map }),
  });
  const named = (name: unknown): Record<string, string | Uint8Array> => index({ a: 'one.safetensors', d: name });
  return {
    ...inFolder({ ...brokenJson(INDEX), ...wrongValues(INDEX, INDEX_VALUES) }, NAME, SHARDS, 'index-'),
    'name-leads-out': named('../two.safetensors'),
    'name-leads-out-the-windows-way': named('..\\two.safetensors'),
    'name-is-a-path': named('sub/two.safetensors'),
    'name-is-absolute': named('/etc/hostname'),
    'name-is-a-url': named('https://example.org/two.safetensors'),
    'name-is-a-dot': named('.'),
    'name-is-two-dots': named('..'),
    'name-holds-a-zero-byte': named('two.safetensors\0.txt'),
    'name-holds-a-line-break': named('two.safetensors\n'),
    'name-is-hidden': named('.two.safetensors'),
    'name-is-long': named(`${'n'.repeat(5000)}.safetensors`),
    'name-is-the-index': named(NAME),
    'shard-missing': { [NAME]: JSON.stringify(INDEX), 'one.safetensors': GOOD },
    'shard-cut-off': { ...index(INDEX.weight_map), 'two.safetensors': TWO.slice(0, -1) },
    'shard-empty': { ...index(INDEX.weight_map), 'two.safetensors': '' },
    'shard-twice': { ...index({ a: 'one.safetensors', d: 'three.safetensors' }), 'three.safetensors': GOOD },
    'map-of-many-missing': index(
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`t${i}`, `s${i}.safetensors`])),
    ),
    'single-file-cut-off': { 'model.safetensors': GOOD.slice(0, 50) },
    'single-file-empty': { 'model.safetensors': '' },
    'pickle-alone': { 'pytorch_model.bin': Uint8Array.of(0x80, 2) },
    'pickle-in-parts': { 'pytorch_model-00001-of-00002.bin': 'x', 'config.json': '{}' },
    'checkpoint-of-lightning': { 'last.ckpt': 'x' },
    'no-weights': { 'config.json': '{}' },
  };
}

const INDEX_VALUES = {
  weight_map: ['missing', 'null', 'is-a-text', 'is-a-number', 'is-a-list', 'is-nested', 'is-true'],
  'weight_map.d': ['null', 'is-a-number', 'is-empty-text', 'is-a-list', 'speaks-to-javascript', 'is-a-text'],
} as const;
