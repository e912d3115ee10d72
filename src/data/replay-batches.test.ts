import { expect, test } from 'vitest';
import { byteTokenizer } from '../../test/byte-tokenizer.js';
import { PackedBatches } from './packing.js';
import { ReplayBatches } from './replay-batches.js';
import { packDocuments } from './token-store.js';

async function sources() {
  const texts = (letter: string) =>
    Array.from({ length: 40 }, (_, i) => ({ text: letter.repeat(20 + i), origin: `${i}` }));
  const store = async (letter: string) => packDocuments(texts(letter), byteTokenizer());
  const main = new PackedBatches(await store('a'), { rows: 3, columns: 16, seed: 1 });
  const replay = new PackedBatches(await store('b'), { rows: 1, columns: 16, seed: 2 });
  return { main, replay, both: new ReplayBatches(main, replay) };
}

test('rows of the main source come first, then those replayed', async () => {
  const { both } = await sources();
  const alone = await sources();
  const batch = both.next();
  const [main, replay] = [alone.main.next(), alone.replay.next()];
  expect(batch.rows).toBe(4);
  for (const key of ['inputs', 'targets', 'weights', 'segments'] as const) {
    expect([...batch[key]]).toEqual([...main[key], ...replay[key]]);
  }
});

test('replayed targets weigh what they are told to', async () => {
  const { main, replay } = await sources();
  const alone = (await sources()).replay.next();
  const { weights } = new ReplayBatches(main, replay, 0.25).next();
  expect([...weights.subarray(48)]).toEqual([...alone.weights].map((weight) => weight / 4));
  expect(Math.max(...weights.subarray(0, 48))).toBe(1);
});

test('goes on from a saved position as if it had never stopped', async () => {
  const { both } = await sources();
  for (let i = 0; i < 30; i++) both.next();
  const position = JSON.parse(JSON.stringify(both.state()));
  const later = (await sources()).both;
  later.restore(position);
  for (let i = 0; i < 30; i++) expect(later.next()).toEqual(both.next());
  expect(() => later.restore({ epoch: 0, index: 0 })).toThrow(/replayed/);
});
