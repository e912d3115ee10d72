import { nestedLists } from '../scripts/corpus/damages.js';
import { type Json, parseJson } from '../src/util/json.js';
import type { Random } from '../src/util/random.js';
import type { Files } from './readers.js';

const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)]!;

/** Lengths, counts and offsets that readers do not expect. */
const WHOLE: readonly bigint[] = [
  ...[0n, 1n, 2n, 7n, 127n, 128n, 255n, 256n, 32767n, 65535n, 2n ** 24n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n],
  ...[2n ** 32n, 2n ** 40n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, -1n, -8n],
];

const VALUES: readonly Json[] = [
  ...[
    null,
    true,
    false,
    0,
    -0,
    1,
    -1,
    0.5,
    7,
    255,
    4096,
    2 ** 22,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -(2 ** 53),
    1e300,
    5e-324,
  ],
  ...[
    '',
    'x',
    ' ',
    '0',
    '-1',
    '../x',
    '/etc/hostname',
    'a\0b',
    '__proto__',
    'constructor',
    'toString',
    '\ud800',
    '\u2581',
  ],
  ...['(a+)+$', '[UNK]', '##', 'Sequence', 'yarn', 'x'.repeat(300)],
  ...[[], {}, [[]], [0, 0], [null], { type: null }, { toString: 1, valueOf: 1 }, { length: 5 }],
  JSON.parse(nestedLists(60)) as Json,
];

const WORDS: readonly string[] = [
  ...[
    '{%',
    '%}',
    '{{',
    '}}',
    '{#',
    '#}',
    '-',
    '|',
    '~',
    '(',
    ')',
    '[',
    ']',
    '"',
    "'",
    '\\',
    '\n',
    '\r\n',
    '\0',
    '\ufeff',
  ],
  ...[
    'for',
    'if',
    'else',
    'endfor',
    'endif',
    'set',
    'macro',
    'endmacro',
    'in',
    'is',
    'not',
    'range(9)',
    'messages',
    'loop',
  ],
  ...[
    ' | tojson',
    ' | join(",")',
    '.x',
    '[0]',
    '[::-1]',
    'namespace()',
    '+ 1',
    '** 9',
    '== 1',
    'a b',
    '#version: 0.2',
    '<s>',
  ],
  ...['&a', '*a', '!!', '---', ': ', '- ', '? ', '[PAD]', '__proto__', 'é', '猫', '😀'],
];

/** A copy of a tree with one change. */
function mutatedTree(root: Json, random: Random): Json {
  const copy = structuredClone(root);
  const holders: { holder: Json[] | { [key: string]: Json }; key: string }[] = [];
  const walk = (value: Json): void => {
    if (value === null || typeof value !== 'object' || holders.length > 2000) return;
    const holder = value as { [key: string]: Json };
    for (const key of Object.keys(holder)) {
      holders.push({ holder: value, key });
      walk(holder[key]!);
    }
  };
  walk(copy);
  if (holders.length === 0) return pick(random, VALUES);
  const { holder, key } = pick(random, holders);
  const at = holder as { [key: string]: Json };
  const put = (name: string, value: Json): void => {
    Object.defineProperty(at, name, { value, enumerable: true, configurable: true, writable: true });
  };
  const kind = random.integer(7);
  if (kind === 0 && !Array.isArray(holder)) delete at[key];
  else if (kind === 1 && Array.isArray(holder))
    holder.splice(Number(key), random.integer(3), ...holder.slice(0, random.integer(3)));
  else if (kind === 2) {
    const other = pick(random, holders);
    put(key, structuredClone((other.holder as { [key: string]: Json })[other.key]!));
  } else if (kind === 3 && typeof at[key] === 'number') put(key, at[key] + pick(random, [-1, 1, 0.5, 2 ** 31]));
  else if (kind === 4 && !Array.isArray(holder))
    put(pick(random, ['__proto__', 'type', 'id', '', '0', 'constructor']), at[key]!);
  else put(key, structuredClone(pick(random, VALUES)));
  return copy;
}

function mutatedBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.integer(bytes.length + 1);
  const length = 1 + random.integer(pick(random, [2, 8, 64]));
  const cut = (drop: number, insert: Uint8Array = new Uint8Array(0)): Uint8Array =>
    new Uint8Array(Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + drop)]));
  switch (random.integer(9)) {
    case 0: {
      const copy = bytes.slice();
      if (at < copy.length) copy[at]! ^= 1 << random.integer(8);
      return copy;
    }
    case 1: {
      const number = new DataView(new ArrayBuffer(8));
      number.setBigUint64(0, BigInt.asUintN(64, pick(random, WHOLE)), random.integer(8) > 0);
      const width = pick(random, [1, 2, 4, 8]);
      return cut(width, new Uint8Array(number.buffer, 0, width));
    }
    case 2:
      return bytes.slice(0, at);
    case 3:
      return cut(length);
    case 4:
      return cut(0, bytes.slice(at, at + length));
    case 5:
      return cut(
        0,
        Uint8Array.from({ length }, () => random.integer(256)),
      );
    case 6:
      return cut(pick(random, [0, length]), Buffer.from(pick(random, WORDS)));
    case 7: {
      const from = random.integer(bytes.length + 1);
      return cut(length, bytes.slice(from, from + length));
    }
    default:
      return cut(length, new Uint8Array(length).fill(pick(random, [0, 0x20, 0x30, 0x7f, 0x80, 0xff])));
  }
}

function parsed(text: Uint8Array): Json | undefined {
  try {
    // Ours refuses what lies too deep to be walked through here, too.
    return parseJson(Buffer.from(text).toString('utf8'), '');
  } catch {
    return undefined;
  }
}

/** The tree in the header of a safetensors file, and what follows it. */
function safetensorsTree(bytes: Uint8Array): { tree: Json; data: Uint8Array } | undefined {
  if (bytes.length < 9) return undefined;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const tree = length <= bytes.length - 8 ? parsed(bytes.subarray(8, 8 + length)) : undefined;
  return tree === undefined ? undefined : { tree, data: bytes.subarray(8 + length) };
}

function mutatedContent(content: string | Uint8Array, random: Random): Uint8Array {
  const bytes = typeof content === 'string' ? new Uint8Array(Buffer.from(content)) : new Uint8Array(content);
  if (random.integer(4) > 0) {
    const tree = parsed(bytes);
    if (tree !== undefined) return Buffer.from(JSON.stringify(mutatedTree(tree, random)));
    const tensors = safetensorsTree(bytes);
    if (tensors !== undefined) {
      const header = Buffer.from(JSON.stringify(mutatedTree(tensors.tree, random)));
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64LE(BigInt(header.length));
      return new Uint8Array(Buffer.concat([prefix, header, tensors.data]));
    }
  }
  return mutatedBytes(bytes, random);
}

/** Files with a few changes: values of JSON and of safetensors headers, numbers, bits, cuts, copies, words of a format. */
export function mutated(files: Files, random: Random): Files {
  const changed: Record<string, string | Uint8Array> = { ...files };
  const names = Object.keys(changed);
  if (names.length === 0) return changed;
  for (let count = 1 + random.integer(pick(random, [1, 3, 8])); count > 0; count--) {
    const name = pick(random, names);
    changed[name] = mutatedContent(changed[name]!, random);
  }
  return changed;
}
