import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteTokenizer } from '../../test/byte-tokenizer.js';
import { sharedData } from '../../test/shared-data.js';
import type { TokenBatch } from './batch.js';
import { PackedBatches, sequentialBatches } from './packing.js';
import { openSource } from './source.js';
import { packDocuments, type TokenStore } from './token-store.js';

/** A store in which every token is another, with some ends of documents. */
function counted(length: number, eosId = 7): TokenStore {
  return { ids: Uint32Array.from({ length }, (_, i) => i), starts: Uint32Array.of(0), eosId, textBytes: length };
}

function learned(batch: TokenBatch): [input: number, target: number][] {
  return [...batch.inputs].flatMap((input, i) =>
    batch.weights[i] === 1 ? [[input, batch.targets[i]!] as [number, number]] : [],
  );
}

describe('packDocuments', () => {
  it('puts the end token after each document and keeps special words in texts ordinary', async () => {
    const store = await packDocuments(
      [
        { text: 'ab', origin: 'x' },
        { text: '<|end|>', origin: 'x' },
      ],
      byteTokenizer(),
    );
    expect([...store.ids]).toEqual([97, 98, 256, ...Buffer.from('<|end|>'), 256]);
    expect([...store.starts]).toEqual([0, 3]);
    expect(store.textBytes).toBe(9);
    expect(store.ids).toBeInstanceOf(Uint16Array);
  });

  it('refuses no text, and a tokenizer that cannot end one', async () => {
    await expect(packDocuments([], byteTokenizer())).rejects.toThrow('no text');
    await expect(packDocuments([], { ...byteTokenizer(), eosId: undefined })).rejects.toThrow('no end-of-text token');
  });
});

describe('PackedBatches', () => {
  const shapes = fc.record({
    length: fc.integer({ min: 2, max: 300 }),
    rows: fc.integer({ min: 1, max: 5 }),
    columns: fc.integer({ min: 1, max: 40 }),
    seed: fc.nat(),
  });

  it('uses every token once an epoch, with the next one as its target', () => {
    fc.assert(
      fc.property(shapes, ({ length, ...options }) => {
        const batches = new PackedBatches(counted(length), options);
        const epochs = 3;
        const seen = new Map<number, number>();
        // As many epochs as batches: their rows fill whole batches exactly.
        const total = batches.rowsPerEpoch * options.rows * epochs;
        for (let row = 0; row < total; row += options.rows) {
          for (const [input, target] of learned(batches.next())) {
            expect(target).toBe(input + 1);
            seen.set(input, (seen.get(input) ?? 0) + 1);
          }
        }
        expect(batches.state()).toMatchObject({ epoch: options.rows * epochs, index: 0 });
        expect(seen.size).toBe(length - 1);
        for (const count of seen.values()) expect(count).toBe(options.rows * epochs);
      }),
      { numRuns: 60 },
    );
  });

  it('goes on from a saved position as if it had never stopped', () => {
    fc.assert(
      fc.property(shapes, fc.nat(40), ({ length, ...options }, steps) => {
        const whole = new PackedBatches(counted(length), options);
        for (let i = 0; i < steps; i++) whole.next();
        const resumed = new PackedBatches(counted(length), options);
        resumed.restore(JSON.parse(JSON.stringify(whole.state())));
        for (let i = 0; i < 5; i++) expect(resumed.next()).toEqual(whole.next());
      }),
      { numRuns: 60 },
    );
  });

  it('shuffles anew each epoch and with each seed', () => {
    const first = (seed: number, epoch: number): number[] => {
      const batches = new PackedBatches(counted(1001), { rows: 10, columns: 10, seed });
      batches.restore({ epoch, index: 0 });
      return [...batches.next().inputs];
    };
    expect(first(1, 0)).toEqual(first(1, 0));
    expect(first(1, 0)).not.toEqual(first(1, 1));
    expect(first(1, 0)).not.toEqual(first(2, 0));
  });

  it('numbers the documents of a row, and marks padding', () => {
    const batch = new PackedBatches(
      { ids: Uint16Array.of(1, 9, 2, 3, 9), starts: Uint32Array.of(0, 2), eosId: 9, textBytes: 3 },
      { rows: 1, columns: 6, seed: 0 },
    ).next();
    expect([...batch.segments]).toEqual([0, 0, 1, 1, -1, -1]);
    expect([...batch.targets]).toEqual([9, 2, 3, 9, 9, 9]);
    expect([...batch.weights]).toEqual([1, 1, 1, 1, 0, 0]);
  });

  it('refuses positions that are impossible or belong to other data', () => {
    const options = { rows: 2, columns: 10, seed: 1 };
    const batches = new PackedBatches(counted(100), options);
    const before = batches.next() && batches.state();
    expect(() => batches.restore({ epoch: 0, index: 10 })).toThrow('impossible position');
    expect(() => batches.restore({ epoch: -1, index: 0 })).toThrow('impossible position');
    expect(() => batches.restore({ epoch: 4, index: 99 })).toThrow('impossible position');
    const other = new PackedBatches(counted(101), options).state();
    expect(() => batches.restore(other)).toThrow('not what it was');
    expect(batches.state()).toEqual(before);
    const same = new PackedBatches(counted(100), options);
    same.next();
    expect(batches.next()).toEqual(same.next());
    expect(() => new PackedBatches(counted(1), options)).toThrow('too short');
    expect(() => new PackedBatches(counted(9), { ...options, rows: 0 })).toThrow('number of rows');
  });

  it('assembles a batch of 2,048 tokens in far less than a millisecond', () => {
    const batches = new PackedBatches(counted(1_000_000), { rows: 8, columns: 256, seed: 0 });
    for (let i = 0; i < 200; i++) batches.next();
    const times: number[] = [];
    for (let i = 0; i < 200; i++) {
      const start = performance.now();
      batches.next();
      times.push(performance.now() - start);
    }
    expect(times.sort((a, b) => a - b)[100]).toBeLessThan(0.5);
  });
});

describe('sequentialBatches', () => {
  it('gives every pair once, in order', () => {
    const pairs = [...sequentialBatches(counted(95), { rows: 4, columns: 10 })].flatMap(learned);
    expect(pairs).toEqual(Array.from({ length: 94 }, (_, i) => [i, i + 1]));
  });

  const file = sharedData('corpora/tinyshakespeare/input.txt');
  it.skipIf(file === undefined)('packs Shakespeare and gives it back (needs the shared data)', async () => {
    const tokenizer = byteTokenizer();
    const source = await openSource(file!);
    const texts: string[] = [];
    for await (const { text } of source.documents()) texts.push(text);
    const store = await packDocuments(source.documents(), tokenizer);
    expect(tokenizer.decode(store.ids)).toBe(texts.map((text) => `${text}<|endoftext|>`).join(''));
    expect(store.textBytes).toBe(store.ids.length - texts.length);
  });
});
