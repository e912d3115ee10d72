import type { GgufField } from '../../src/gguf/field.js';
import { type GgufTensorSource, ggufParts } from '../../src/gguf/writer.js';
import { BYTE_TO_CHARACTER } from '../../src/tokenizer/byte-alphabet.js';
import { type Cases, concatenated, cuts, patched } from './damages.js';

/** Writes the parts of a header as they are asked for, right or wrong. */
class Header {
  readonly parts: Uint8Array[] = [];

  number(value: number | bigint, bytes: 1 | 4 | 8): this {
    const part = new DataView(new ArrayBuffer(8));
    part.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
    this.parts.push(new Uint8Array(part.buffer, 0, bytes));
    return this;
  }

  u32(value: number): this {
    return this.number(value, 4);
  }

  u64(value: number | bigint): this {
    return this.number(value, 8);
  }

  text(value: string | Uint8Array, announced?: number | bigint): this {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    this.u64(announced ?? bytes.length).parts.push(bytes);
    return this;
  }
}

const MAGIC = 0x46554747;

/** A header with these counts, what `write` adds, and room for tensors. */
function file(write: (header: Header) => void, { version = 3, tensors = 0n, fields = 1n, data = 64 } = {}): Uint8Array {
  const header = new Header().u32(MAGIC).u32(version).u64(tensors).u64(fields);
  write(header);
  const length = header.parts.reduce((sum, part) => sum + part.length, 0);
  return concatenated(...header.parts, new Uint8Array(Math.ceil(length / 32) * 32 - length + data));
}

interface TensorDamage {
  readonly name?: string | Uint8Array;
  readonly dimensions?: number;
  readonly shape?: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset?: number | bigint;
}

function tensor(header: Header, damage: TensorDamage = {}): void {
  const { name = 'a', shape = [4, 2], type = 0, offset = 0 } = damage;
  header.text(name).u32(damage.dimensions ?? shape.length);
  for (const size of shape) header.u64(size);
  header.u32(type).u64(offset);
}

const one = (damage: TensorDamage, data = 64): Uint8Array =>
  file((header) => tensor(header, damage), { tensors: 1n, fields: 0n, data });
const two = (first: TensorDamage, second: TensorDamage): Uint8Array =>
  file(
    (header) => {
      tensor(header, first);
      tensor(header, second);
    },
    { tensors: 2n, fields: 0n, data: 128 },
  );
const field = (write: (header: Header) => void): Uint8Array => file((header) => write(header.text('key')));
const alignment = (write: (header: Header) => void): Uint8Array =>
  file((header) => write(header.text('general.alignment')));

export const GOOD_HEADER: Uint8Array = file(
  (header) => {
    header.text('general.name').u32(8).text('x');
    header.text('list').u32(9).u32(8).u64(2).text('a').text('b');
    header.text('flag').u32(7).number(1, 1);
    header.text('wide').u32(10).u64(7);
    tensor(header);
    tensor(header, { name: 'b', shape: [32], type: 8, offset: 32 });
  },
  { fields: 4n, tensors: 2n, data: 96 },
);

/** Damages of the header, which need no model. */
export function ggufCases(): Cases {
  const huge = 2n ** 63n;
  return {
    ...cuts(GOOD_HEADER, [
      0,
      3,
      4,
      7,
      8,
      15,
      16,
      23,
      24,
      40,
      60,
      90,
      130,
      GOOD_HEADER.length - 97,
      GOOD_HEADER.length - 34,
    ]),
    'magic-of-ggml': patched(GOOD_HEADER, 0, [0x6c, 0x6d, 0x67, 0x67]),
    'magic-reversed': patched(GOOD_HEADER, 0, [0x46, 0x55, 0x47, 0x47]),
    'version-0': patched(GOOD_HEADER, 4, [0]),
    'version-1': patched(GOOD_HEADER, 4, [1]),
    'version-4': patched(GOOD_HEADER, 4, [4]),
    'version-big-endian': patched(GOOD_HEADER, 4, [0, 0, 0, 3]),
    'tensor-count-2-to-the-31': patched(GOOD_HEADER, 8, [0, 0, 0, 128, 0, 0, 0, 0]),
    'tensor-count-2-to-the-63': patched(GOOD_HEADER, 8, [0, 0, 0, 0, 0, 0, 0, 128]),
    'tensor-count-one-more': patched(GOOD_HEADER, 8, [3]),
    'field-count-2-to-the-31': patched(GOOD_HEADER, 16, [0, 0, 0, 128, 0, 0, 0, 0]),
    'field-count-negative': patched(GOOD_HEADER, 16, Array(8).fill(255)),
    'field-count-one-more': patched(GOOD_HEADER, 16, [5]),
    'field-count-one-less': patched(GOOD_HEADER, 16, [3]),
    'key-empty': file((header) => header.text('').u32(7).number(1, 1)),
    'key-longer-than-the-file': file((header) => header.text('key', 5000)),
    'key-length-2-to-the-63': file((header) => header.text('key', huge)),
    'key-of-65540-bytes': file((header) => header.text('k'.repeat(65_540)).u32(7).number(1, 1)),
    'key-is-not-utf-8': file((header) => header.text(Uint8Array.of(0xff, 0xfe)).u32(7).number(1, 1)),
    'key-twice': file((header) => header.text('k').u32(7).number(1, 1).text('k').u32(7).number(0, 1), { fields: 2n }),
    'type-unknown': field((header) => header.u32(13).u64(0)),
    'type-2-to-the-32': field((header) => header.u32(0xffffffff).u64(0)),
    'bool-is-2': field((header) => header.u32(7).number(2, 1)),
    'string-is-not-utf-8': field((header) => header.u32(8).text(Uint8Array.of(0xc3, 0x28))),
    'string-longer-than-the-file': field((header) => header.u32(8).text('x', 10_000)),
    'string-length-2-to-the-53': field((header) => header.u32(8).text('x', 2n ** 53n)),
    'string-length-negative': field((header) => header.u32(8).text('x', -1n)),
    'u64-beyond-53-bits': field((header) => header.u32(10).u64(2n ** 60n)),
    'i64-beyond-53-bits': field((header) => header.u32(11).u64(2n ** 63n)),
    'array-of-arrays': field((header) => header.u32(9).u32(9).u64(1).u32(0).u64(0)),
    'array-of-an-unknown-type': field((header) => header.u32(9).u32(99).u64(1)),
    'array-of-2-to-the-31': field((header) =>
      header
        .u32(9)
        .u32(4)
        .u64(2n ** 31n),
    ),
    'array-of-2-to-the-63': field((header) => header.u32(9).u32(0).u64(huge)),
    'array-of-strings-2-to-the-40': field((header) =>
      header
        .u32(9)
        .u32(8)
        .u64(2n ** 40n),
    ),
    'array-of-bools-cut-off': field((header) => header.u32(9).u32(7).u64(5000)),
    'alignment-zero': alignment((header) => header.u32(4).u32(0)),
    'alignment-24': alignment((header) => header.u32(4).u32(24)),
    'alignment-2-to-the-31': alignment((header) => header.u32(4).u32(2 ** 31)),
    'alignment-is-a-text': alignment((header) => header.u32(8).text('32')),
    'alignment-is-a-list': alignment((header) => header.u32(9).u32(4).u64(1).u32(32)),
    'tensor-name-empty': one({ name: '' }),
    'tensor-name-is-not-utf-8': one({ name: Uint8Array.of(0x80) }),
    'tensor-name-steers-the-terminal': one({ name: '\u001b[2J\u202e', type: 99 }),
    'tensor-name-twice': two({}, { offset: 32 }),
    'tensor-of-5-dimensions': one({ shape: [1, 1, 1, 1, 8] }),
    'tensor-of-2-to-the-32-dimensions': one({ dimensions: 0xffffffff }),
    'tensor-shape-overflows': one({ shape: [2n ** 32n, 2n ** 32n] }),
    'tensor-shape-overflows-to-zero': one({ shape: [2n ** 32n, 2n ** 32n, 2n ** 32n, 2n ** 32n] }),
    'tensor-size-2-to-the-63': one({ shape: [huge] }),
    'tensor-size-times-zero': one({ shape: [2 ** 50, 0] }),
    'tensor-rows-in-half-blocks': one({ shape: [16, 2], type: 8 }),
    'tensor-type-unknown': one({ type: 99 }),
    'tensor-type-not-built': one({ type: 10 }),
    'tensor-type-removed': one({ type: 4 }),
    'tensor-offset-not-aligned': one({ offset: 4 }),
    'tensor-offset-past-the-end': one({ offset: 4096 }),
    'tensor-offset-2-to-the-53': one({ offset: 2n ** 53n - 32n }),
    'tensor-offset-negative': one({ offset: -32n }),
    'tensors-overlap': two({ shape: [16] }, { name: 'b', offset: 32 }),
    'tensors-share-all': two({}, { name: 'b' }),
    'data-cut-off': one({}, 16),
  };
}

const text = (value: string): GgufField => ({ type: 'string', value });
const u32 = (value: number): GgufField => ({ type: 'u32', value });
const f32 = (value: number): GgufField => ({ type: 'f32', value });
const texts = (value: readonly string[]): GgufField => ({ type: 'array', items: 'string', value });
const TOKENS = [...BYTE_TO_CHARACTER, 'ab', '<|end|>'];
const TYPES = Int32Array.from(TOKENS, (_, id) => (id === 257 ? 3 : 1));

const MODEL: readonly (readonly [string, GgufField])[] = [
  ['general.architecture', text('llama')],
  ['llama.block_count', u32(1)],
  ['llama.context_length', u32(16)],
  ['llama.embedding_length', u32(2)],
  ['llama.feed_forward_length', u32(4)],
  ['llama.attention.head_count', u32(1)],
  ['llama.attention.layer_norm_rms_epsilon', f32(1e-5)],
  ['tokenizer.ggml.model', text('gpt2')],
  ['tokenizer.ggml.pre', text('gpt-2')],
  ['tokenizer.ggml.tokens', texts(TOKENS)],
  ['tokenizer.ggml.token_type', { type: 'array', items: 'i32', value: TYPES }],
  ['tokenizer.ggml.merges', texts(['a b'])],
  ['tokenizer.ggml.eos_token_id', u32(257)],
];
const MATRICES = ['attn_q', 'attn_k', 'attn_v', 'attn_output'];
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'token_embd.weight': [258, 2],
  'output_norm.weight': [2],
  'blk.0.attn_norm.weight': [2],
  'blk.0.ffn_norm.weight': [2],
  ...Object.fromEntries(MATRICES.map((name) => [`blk.0.${name}.weight`, [2, 2]])),
  'blk.0.ffn_gate.weight': [4, 2],
  'blk.0.ffn_up.weight': [4, 2],
  'blk.0.ffn_down.weight': [2, 4],
};

/** A model with some fields and tensors changed; undefined takes one away. */
function model(
  fields: Readonly<Record<string, GgufField | undefined>> = {},
  shapes: Readonly<Record<string, readonly number[] | undefined>> = {},
): Uint8Array {
  const metadata = new Map(
    [...MODEL, ...Object.entries(fields)].filter((pair): pair is [string, GgufField] => !!pair[1]),
  );
  for (const [key, value] of Object.entries(fields)) if (value === undefined) metadata.delete(key);
  const tensors = Object.entries({ ...SHAPES, ...shapes }).flatMap(([name, shape]): GgufTensorSource[] => {
    if (shape === undefined) return [];
    const count = shape.reduce((product, size) => product * size, 1);
    return [{ name, type: 'F16', shape, data: () => new Uint8Array(2 * count) }];
  });
  return concatenated(...ggufParts(metadata, tensors));
}

export const GOOD_MODEL: Uint8Array = model();

/** Damages of what a whole file says of a model and its tokenizer. */
export function ggufModelCases(): Cases {
  const nan = f32(Number.NaN);
  return {
    'architecture-missing': model({ 'general.architecture': undefined }),
    'architecture-unknown': model({ 'general.architecture': text('mamba') }),
    'architecture-of-the-prototype': model({ 'general.architecture': text('constructor') }),
    'architecture-is-a-number': model({ 'general.architecture': u32(1) }),
    'is-an-adapter': model({ 'general.type': text('adapter') }),
    'is-a-part-of-three': model({ 'split.count': u32(3) }),
    'layers-missing': model({ 'llama.block_count': undefined }),
    'layers-zero': model({ 'llama.block_count': u32(0) }),
    'layers-two': model({ 'llama.block_count': u32(2) }),
    'layers-2-to-the-32': model({ 'llama.block_count': u32(2 ** 32 - 1) }),
    'layers-is-a-text': model({ 'llama.block_count': text('1') }),
    'context-zero': model({ 'llama.context_length': u32(0) }),
    'context-2-to-the-32': model({ 'llama.context_length': u32(2 ** 32 - 1) }),
    'width-zero': model({ 'llama.embedding_length': u32(0) }),
    'width-of-another-model': model({ 'llama.embedding_length': u32(8) }),
    'hidden-2-to-the-32': model({ 'llama.feed_forward_length': u32(2 ** 32 - 1) }),
    'hidden-is-a-list': model({
      'llama.feed_forward_length': { type: 'array', items: 'i32', value: Int32Array.of(4, 5) },
    }),
    'heads-zero': model({ 'llama.attention.head_count': u32(0) }),
    'heads-do-not-divide': model({ 'llama.attention.head_count': u32(3) }),
    'heads-too-many': model({ 'llama.attention.head_count': u32(4) }),
    'key-heads-do-not-divide': model({ 'llama.attention.head_count_kv': u32(3) }),
    'head-width-2-to-the-32': model({ 'llama.attention.key_length': u32(2 ** 32 - 1) }),
    'epsilon-not-a-number': model({ 'llama.attention.layer_norm_rms_epsilon': nan }),
    'epsilon-negative': model({ 'llama.attention.layer_norm_rms_epsilon': f32(-1) }),
    'theta-infinite': model({ 'llama.rope.freq_base': f32(Number.POSITIVE_INFINITY) }),
    'experts-eight': model({ 'llama.expert_count': u32(8) }),
    'rope-scaling-unknown': model({ 'llama.rope.scaling.type': text('longrope'), 'llama.rope.scaling.factor': f32(2) }),
    'rope-factors-zero': model({}, { 'rope_freqs.weight': [1] }),
    'tensor-missing': model({}, { 'blk.0.attn_q.weight': undefined }),
    'tensor-too-many': model({}, { 'blk.1.attn_q.weight': [2, 2] }),
    'tensor-of-another-shape': model({}, { 'blk.0.attn_q.weight': [2, 4] }),
    'embedding-missing': model({}, { 'token_embd.weight': undefined }),
    'embedding-without-rows': model({}, { 'token_embd.weight': [] }),
    'embedding-shorter-than-the-vocabulary': model({}, { 'token_embd.weight': [200, 2] }),
    'tokenizer-missing': model({ 'tokenizer.ggml.model': undefined }),
    'tokenizer-unknown': model({ 'tokenizer.ggml.model': text('rwkv') }),
    'cut-unknown': model({ 'tokenizer.ggml.pre': text('nobody') }),
    'cut-of-the-prototype': model({ 'tokenizer.ggml.pre': text('__proto__') }),
    'tokens-missing': model({ 'tokenizer.ggml.tokens': undefined }),
    'tokens-are-numbers': model({ 'tokenizer.ggml.tokens': { type: 'array', items: 'u8', value: Uint8Array.of(1) } }),
    'token-twice': model({ 'tokenizer.ggml.tokens': texts([...TOKENS.slice(0, 257), 'ab']) }),
    'token-of-2000-characters': model({
      'tokenizer.ggml.tokens': texts([...TOKENS.slice(0, 256), 'x'.repeat(2000), 'y']),
    }),
    'byte-missing': model({ 'tokenizer.ggml.tokens': texts(['cd', ...TOKENS.slice(1)]) }),
    'types-too-few': model({ 'tokenizer.ggml.token_type': { type: 'array', items: 'i32', value: TYPES.slice(1) } }),
    'types-unknown': model({
      'tokenizer.ggml.token_type': { type: 'array', items: 'i32', value: TYPES.map(() => -7) },
    }),
    'merge-of-one': model({ 'tokenizer.ggml.merges': texts(['ab']) }),
    'merge-of-unknown-tokens': model({ 'tokenizer.ggml.merges': texts(['x y']) }),
    'end-past-the-vocabulary': model({ 'tokenizer.ggml.eos_token_id': u32(258) }),
    'end-is-a-text': model({ 'tokenizer.ggml.eos_token_id': text('257') }),
    'temperature-negative': model({ 'general.sampling.temp': f32(-1) }),
    'template-is-a-number': model({ 'tokenizer.chat_template': u32(1) }),
    'template-does-not-parse': model({ 'tokenizer.chat_template': text('{% if %}') }),
    'template-asks-for-a-huge-range': model({ 'tokenizer.chat_template': text('{{ range(999999999999) }}') }),
  };
}
