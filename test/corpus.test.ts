import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allCases } from '../scripts/corpus/all-cases.js';
import { corpusOf } from './corpus-files.js';
import { HARMLESS, STOPPED_BY_THE_CLOCK } from './corpus-harmless.js';
import { faultOf, outcomeOf } from './outcome.js';
import { place, READERS } from './readers.js';

const root = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'athanor-corpus-')));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const MOST_SECONDS = 1;
/** Growth of the process's peak over the whole corpus; most of it is garbage that nobody needed to collect. */
const MOST_MEMORY = 400e6;
const LEAST_CASES = 40;

/** Paths that were opened or listed for reading, and those that were written. */
const read: string[] = [];
const written: string[] = [];
let isWatching = false;
const original = { ...fs };
const WATCHED = ['openSync', 'readFileSync', 'readdirSync', 'writeFileSync', 'mkdirSync'] as const;

beforeAll(async () => {
  // What is loaded when it is needed, and is none of the files in question.
  await import('yaml');
  const watch = (name: (typeof WATCHED)[number], list: string[]): void => {
    const inner = original[name] as (...values: unknown[]) => unknown;
    (fs as unknown as Record<string, unknown>)[name] = (target: unknown, ...rest: unknown[]): unknown => {
      if (isWatching && typeof target === 'string') {
        const writes = name === 'openSync' && typeof rest[0] === 'string' && rest[0] !== 'r';
        (writes ? written : list).push(target);
      }
      return inner(target, ...rest);
    };
  };
  for (const name of ['openSync', 'readFileSync', 'readdirSync'] as const) watch(name, read);
  for (const name of ['writeFileSync', 'mkdirSync'] as const) watch(name, written);
  syncBuiltinESMExports();
});
afterAll(() => {
  for (const name of WATCHED) (fs as unknown as Record<string, unknown>)[name] = original[name];
  syncBuiltinESMExports();
});

it('is what scripts/make-corpus.ts writes, and what fuzzing found', () => {
  const made = allCases();
  expect(Object.keys(made)).toEqual(Object.keys(READERS));
  for (const [name, reader] of Object.entries(READERS)) {
    const kept = corpusOf(name, reader).filter((one) => !one.name.startsWith('found-'));
    expect(kept.map((one) => one.name).sort()).toEqual(Object.keys(made[name]!).sort());
    for (const { name: damage, files } of kept) {
      const content = made[name]![damage]!;
      const isFile = typeof content === 'string' || content instanceof Uint8Array;
      const expected = Object.entries(isFile ? { [reader.file!]: content } : content);
      const isSame = expected.every(([file, part]) => Buffer.from(part).equals(files[file] as Uint8Array));
      expect(isSame && expected.length === Object.keys(files).length, `${name}/${damage}`).toBe(true);
    }
  }
});

function contentOf(folder: string): string {
  const hash = createHash('sha256');
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    hash.update(file);
    if (entry.isFile()) hash.update(original.readFileSync(file));
  }
  return hash.digest('hex');
}

describe.each(Object.entries(READERS))('the reader of %s', (name, reader) => {
  const cases = corpusOf(name, reader);
  const harmless = HARMLESS[name] ?? [];

  it(`says what is wrong with each of ${cases.length} files, or takes them`, async () => {
    expect(cases.length).toBeGreaterThanOrEqual(LEAST_CASES);
    const faults: string[] = [];
    const taken: string[] = [];
    for (const { name: damage, files } of cases) {
      const folder = path.join(root, damage.slice(0, 60));
      const target = place(reader, folder, files);
      const before = contentOf(root);
      read.length = 0;
      written.length = 0;
      isWatching = true;
      let { error, seconds } = await outcomeOf(reader, target);
      // A busy machine: the time that it takes is the least of three.
      const most = STOPPED_BY_THE_CLOCK.includes(`${name}/${damage}`) ? 10 : MOST_SECONDS;
      for (let i = 0; i < 2 && seconds > most; i++)
        seconds = Math.min(seconds, (await outcomeOf(reader, target)).seconds);
      isWatching = false;
      if (seconds > most) faults.push(`${damage}: took ${seconds.toFixed(1)} s`);
      if (error === undefined) taken.push(damage);
      else {
        const fault = faultOf(error, target);
        if (fault !== undefined) faults.push(`${damage}: ${fault}`);
      }
      const outside = read.filter((file) => !path.resolve(file).startsWith(folder));
      if (outside.length > 0) faults.push(`${damage}: read ${outside.join(', ')}`);
      if (written.length > 0 || contentOf(root) !== before) faults.push(`${damage}: wrote ${written.join(', ')}`);
      original.rmSync(folder, { recursive: true, force: true });
    }
    expect(faults).toEqual([]);
    expect(taken).toEqual([...harmless].sort());
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

const peak = process.resourceUsage().maxRSS;
it('takes no more memory than the files are worth', () => {
  expect((process.resourceUsage().maxRSS - peak) * 1024).toBeLessThan(MOST_MEMORY);
});
