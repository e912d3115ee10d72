import type { Json } from '../../src/util/json.js';
import type { Files } from '../../test/readers.js';

/** What a case consists of: one file, or several by name. */
export type Content = string | Uint8Array | Files;

/** Cases by what is wrong with them. */
export type Cases = Record<string, Content>;

export type JsonObject = { [key: string]: Json };

export const concatenated = (...parts: readonly (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))));

/** Lists inside one another. */
export const nestedLists = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

/** Values of the wrong kind, by name; `missing` takes the key away. */
const WRONG: Readonly<Record<string, () => Json | undefined>> = {
  missing: () => undefined,
  null: () => null,
  'is-a-text': () => 'seven',
  'is-empty-text': () => '',
  'is-a-number': () => 7,
  'is-zero': () => 0,
  negative: () => -1,
  fraction: () => 1.5,
  'beyond-31-bits': () => 2 ** 31,
  'beyond-53-bits': () => 2 ** 53,
  enormous: () => 1e300,
  'is-a-list': () => [1, 2],
  'is-an-object': () => ({ a: 1 }),
  'is-true': () => true,
  'speaks-to-javascript': () => ({ toString: 1, valueOf: null, constructor: 'x' }),
  'is-nested': () => JSON.parse(nestedLists(100)) as Json,
};

export type Wrong =
  | 'missing'
  | 'null'
  | 'is-a-text'
  | 'is-empty-text'
  | 'is-a-number'
  | 'is-zero'
  | 'negative'
  | 'fraction'
  | 'beyond-31-bits'
  | 'beyond-53-bits'
  | 'enormous'
  | 'is-a-list'
  | 'is-an-object'
  | 'is-true'
  | 'speaks-to-javascript'
  | 'is-nested';

const clone = (value: JsonObject): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;

/** A copy with one change. */
export function changed(seed: JsonObject, change: (copy: JsonObject) => void): string {
  const copy = clone(seed);
  change(copy);
  return JSON.stringify(copy);
}

/** A copy in which the value at a path (`model.vocab`, `added_tokens.0.id`) is another. */
export function withValue(seed: JsonObject, path: string, value: Json | undefined): string {
  return changed(seed, (copy) => {
    const keys = path.split('.');
    let at: { [key: string]: Json } = copy;
    for (const key of keys.slice(0, -1)) at = at[key] as JsonObject;
    if (value === undefined) delete at[keys.at(-1)!];
    else at[keys.at(-1)!] = value;
  });
}

/** Cases in which values at paths are of the wrong kind: `model.vocab` and `null` make `model-vocab-null`. */
export function wrongValues(seed: JsonObject, wrongs: Readonly<Record<string, readonly Wrong[]>>, prefix = ''): Cases {
  const cases: Cases = {};
  for (const [path, kinds] of Object.entries(wrongs)) {
    const name = prefix + path.replaceAll(/[._]/g, '-').toLowerCase();
    for (const kind of kinds) cases[`${name}-${kind}`] = withValue(seed, path, WRONG[kind]!());
  }
  return cases;
}

/** What can be wrong with any JSON file that holds an object. */
export function brokenJson(seed: JsonObject): Cases {
  const text = JSON.stringify(seed);
  const [key] = Object.keys(seed);
  return {
    empty: '',
    blank: ' \n\t ',
    'cut-off': text.slice(0, text.length >> 1),
    'without-its-end': text.slice(0, -1),
    'goes-on-after-its-end': `${text}}`,
    'twice-in-one': text + text,
    'byte-order-mark': `\ufeff${text}`,
    'utf-16': new Uint8Array(Buffer.from(text, 'utf16le')),
    'latin-1': new Uint8Array(Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from(',"caf\xe9":1}', 'latin1')])),
    'zero-bytes': new Uint8Array(64),
    'top-is-a-list': `[${text}]`,
    'top-is-a-number': '1e5',
    'top-is-a-text': JSON.stringify(text.slice(0, 40)),
    'top-is-null': 'null',
    'not-a-number': text.replace(':', ':NaN,"x":'),
    'single-quotes': text.slice(0, 200).replaceAll('"', "'"),
    'comma-at-the-end': `${text.slice(0, -1)},}`,
    comment: `{/* a comment */${text.slice(1)}`,
    'deep-lists': `{${JSON.stringify(key)}:${nestedLists(7000)}}`,
    'deep-objects': `${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}`,
    'deep-without-end': '['.repeat(7000),
    'lone-surrogate-key': `{"\\ud800":1,${text.slice(1)}`,
    'prototype-key': `{"__proto__":{"polluted":true,"model_type":"llama"},"constructor":{"prototype":1}}`,
    'is-html': '<!DOCTYPE html><html><body>404 Not Found</body></html>',
    'is-a-git-lfs-pointer': 'version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123\n',
  };
}

/** Cuts a file at some bytes. */
export function cuts(bytes: Uint8Array, places: readonly number[]): Cases {
  return Object.fromEntries(places.map((at) => [`cut-at-byte-${at}`, bytes.slice(0, at)]));
}

/** Changes bytes at a place. */
export function patched(bytes: Uint8Array, at: number, patch: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(patch, at < 0 ? copy.length + at : at);
  return copy;
}

/** All cases under names that begin so, each as a file of a folder with companions. */
export function inFolder(cases: Cases, file: string, companions: Files, prefix = ''): Cases {
  return Object.fromEntries(
    Object.entries(cases).map(([name, content]) => [prefix + name, { ...companions, [file]: content as string }]),
  );
}
