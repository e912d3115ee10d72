import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../src/util/random.js';
import { faultWith, seedsOf } from './fuzz.js';
import { mutated } from './mutations.js';
import { outcomeOf } from './outcome.js';
import { place, READERS } from './readers.js';
import { SEEDS } from './seeds.js';

const root = fs.mkdtempSync(path.join(tmpdir(), 'athanor-fuzz-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

/** Longer runs: `npx tsx test/fuzz.ts READER --seconds 60`. */
const MILLISECONDS = 800;

describe.each(Object.entries(READERS))('the reader of %s', (name, reader) => {
  it('takes what is valid', async () => {
    const seeds = SEEDS[name]!;
    expect(seeds.length).toBeGreaterThan(0);
    for (const files of seeds) {
      expect((await outcomeOf(reader, place(reader, path.join(root, 'valid'), files))).error).toBeUndefined();
    }
  });

  it('bears damages of every kind', async () => {
    const seeds = seedsOf(name);
    // The same files in every run of the suite; the word of a seed is all that shrinks.
    const property = fc.asyncProperty(fc.nat(seeds.length - 1), fc.nat(2 ** 31), async (index, word) => {
      const files = mutated(seeds[index]!, new Random(word, name));
      expect(await faultWith(reader, path.join(root, 'case'), files)).toBeUndefined();
    });
    await fc.assert(property, {
      seed: 1,
      numRuns: 10_000,
      interruptAfterTimeLimit: MILLISECONDS,
      markInterruptAsFailure: false,
    });
  });
});
