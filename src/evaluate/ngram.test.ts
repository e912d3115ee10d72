import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { bitsPerByte, type NgramModel, trainNgram } from './ngram.js';

/** The same model from the formula alone: Maps of strings, every context counted again for every question. */
class PlainKneserNey {
  private readonly counts: Map<string, number>[] = [];
  private readonly discounts: number[][] = [];

  constructor(
    tokens: readonly number[],
    private readonly order: number,
    private readonly vocabularySize: number,
    private readonly boundary: number,
  ) {
    const raw: Map<string, number>[] = Array.from({ length: order + 1 }, () => new Map());
    const stream = [boundary, ...tokens];
    for (let end = 1; end < stream.length; end++) {
      for (let k = 1; k <= order && end - k + 1 >= 0; k++) {
        const gram = stream.slice(end - k + 1, end + 1);
        if (gram.slice(1, -1).includes(boundary)) break;
        raw[k]!.set(gram.join(), (raw[k]!.get(gram.join()) ?? 0) + 1);
      }
    }
    for (let k = 1; k <= order; k++) {
      const adjusted = new Map<string, number>();
      for (const [gram, count] of raw[k]!) {
        const startsDocument = k > 1 && gram.startsWith(`${boundary},`);
        const before = k === order ? [] : [...raw[k + 1]!.keys()].filter((longer) => tail(longer) === gram);
        adjusted.set(gram, k === order || startsDocument ? count : before.length);
      }
      this.counts[k] = adjusted;
      const n = [1, 2, 3, 4].map((j) => [...adjusted.values()].filter((count) => count === j).length);
      const y = n[0]! / (n[0]! + 2 * n[1]!);
      const d = [1 - (2 * y * n[1]!) / n[0]!, 2 - (3 * y * n[2]!) / n[1]!, 3 - (4 * y * n[3]!) / n[2]!];
      this.discounts[k] = n.every((x) => x > 0) && d.every((x, i) => x > 0 && x < i + 1) ? d : [0.5, 1, 1.5];
    }
  }

  probability(context: readonly number[], token: number): number {
    const usable = context.slice(Math.max(context.lastIndexOf(this.boundary), 0)).slice(1 - this.order || Infinity);
    return this.recurse(usable, token);
  }

  private recurse(context: readonly number[], token: number): number {
    const k = context.length + 1;
    const lower = k === 1 ? 1 / this.vocabularySize : this.recurse(context.slice(1), token);
    const children = [...this.counts[k]!].filter(([gram]) => head(gram) === context.join());
    const total = children.reduce((sum, [, count]) => sum + count, 0);
    if (total === 0) return lower;
    const discount = (count: number): number => (count === 0 ? 0 : this.discounts[k]![Math.min(count, 3) - 1]!);
    const left = children.reduce((sum, [, count]) => sum + discount(count), 0) / total;
    const count = this.counts[k]!.get([...context, token].join()) ?? 0;
    return Math.max(count - discount(count), 0) / total + left * lower;
  }
}

const tail = (gram: string): string => gram.slice(gram.indexOf(',') + 1);
const head = (gram: string): string => (gram.includes(',') ? gram.slice(0, gram.lastIndexOf(',')) : '');

/** Words with a long tail and some order in them; id 0 ends documents of about 12 words. */
function sampleText(length: number, vocabularySize: number, seed: number): number[] {
  const random = new Random(seed);
  const tokens: number[] = [];
  let last = 0;
  for (let i = 0; i < length; i++) {
    const skewed = Math.floor(random.uniform() ** 3 * (vocabularySize - 1));
    last = random.uniform() < 0.08 ? 0 : 1 + (random.uniform() < 0.5 ? (last * 7 + 3) % (vocabularySize - 1) : skewed);
    tokens.push(last);
  }
  return tokens;
}

const sum = (model: NgramModel, context: readonly number[]): number => {
  let total = 0;
  for (let token = 0; token < model.vocabularySize; token++) total += Math.exp(model.logProbability(context, token));
  return total;
};

describe('trainNgram', () => {
  it.each([
    [1, 0],
    [2, 0],
    [3, 0],
    [5, 0],
    [3, undefined],
    [5, undefined],
  ])('of order %i with boundary %s equals the formula', (order, boundaryId) => {
    const vocabularySize = 23;
    const tokens = sampleText(700, vocabularySize, order);
    const config = { order, vocabularySize, ...(boundaryId === undefined ? {} : { boundaryId }) };
    const model = trainNgram(Uint16Array.from(tokens), config);
    const plain = new PlainKneserNey(tokens, order, vocabularySize, boundaryId ?? vocabularySize);
    const held = sampleText(60, vocabularySize, 99);
    // Otherwise the estimates of the discounts would go unchecked.
    if (order > 2) expect(model.discounts[order - 1]).not.toEqual([0.5, 1, 1.5]);
    let nats = 0;
    for (let i = 0; i < held.length; i++) {
      const context = held.slice(0, i);
      expect(model.logProbability(context, held[i]!)).toBeCloseTo(Math.log(plain.probability(context, held[i]!)), 10);
      nats -= Math.log(plain.probability([boundaryId ?? vocabularySize, ...context], held[i]!));
    }
    expect(model.nats(Uint32Array.from(held))).toBeCloseTo(nats, 8);
  });

  it('estimates discounts where the counts allow it, and keeps to the fixed ones where they do not', () => {
    const large = trainNgram(sampleText(30_000, 500, 1), { order: 3, vocabularySize: 500, boundaryId: 0 });
    expect(large.discounts[2]).not.toEqual([0.5, 1, 1.5]);
    const tiny = trainNgram([1, 2, 3], { order: 3, vocabularySize: 4, boundaryId: 0 });
    expect(tiny.discounts).toEqual([
      [0.5, 1, 1.5],
      [0.5, 1, 1.5],
      [0.5, 1, 1.5],
    ]);
  });

  it('gives a distribution in every context, whatever the text', () => {
    const token = fc.integer({ min: 0, max: 6 });
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 60 }),
        fc.array(token, { maxLength: 7 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (tokens, context, order, bounded) => {
          const config = { order, vocabularySize: 7, ...(bounded ? { boundaryId: 0 } : {}) };
          const model = trainNgram(tokens, config);
          expect(sum(model, context)).toBeCloseTo(1, 12);
          for (let w = 0; w < 7; w++)
            expect(model.logProbability(context, w)).toBeGreaterThan(Number.NEGATIVE_INFINITY);
        },
      ),
      { numRuns: 300, seed: 7 },
    );
  });

  it('still sums to one after the tables have grown', () => {
    const tokens = sampleText(30_000, 500, 3);
    const model = trainNgram(tokens, { order: 5, vocabularySize: 500, boundaryId: 0 });
    expect(model.sizes[4]).toBeGreaterThan(5_000);
    for (const end of [10, 500, 29_000]) expect(sum(model, tokens.slice(0, end))).toBeCloseTo(1, 10);
  });

  it('sees nothing across a document boundary', () => {
    const model = trainNgram(sampleText(2_000, 20, 4), { order: 5, vocabularySize: 20, boundaryId: 0 });
    for (let w = 0; w < 20; w++) {
      expect(model.logProbability([5, 6, 0, 3], w)).toBe(model.logProbability([9, 0, 3], w));
      expect(model.logProbability([7, 0], w)).toBe(model.logProbability([0], w));
    }
    const [a, b] = [sampleText(50, 20, 5), sampleText(50, 20, 6)];
    expect(model.nats([...a, 0, ...b])).toBeCloseTo(model.nats([...a, 0]) + model.nats(b), 8);
  });

  it('learns: a longer context pays on text that has order', () => {
    const tokens = sampleText(40_000, 100, 8);
    const held = sampleText(2_000, 100, 9);
    const [one, two] = [1, 2].map((order) => trainNgram(tokens, { order, vocabularySize: 100 }).nats(held) / 2_000);
    expect(one!).toBeLessThan(Math.log(100));
    expect(two!).toBeLessThan(one! - 0.5);
  });

  it('is uniform when there was nothing to learn from', () => {
    const model = trainNgram([], { order: 3, vocabularySize: 8, boundaryId: 0 });
    expect(model.logProbability([1, 2], 3)).toBeCloseTo(-Math.log(8), 12);
    expect(model.nats([])).toBe(0);
  });

  it('refuses what it cannot count', () => {
    expect(() => trainNgram([1, 9], { order: 3, vocabularySize: 9 })).toThrow(/training tokens\[1\].*\n.*0 to 8/);
    expect(() => trainNgram([1], { order: 0, vocabularySize: 9 })).toThrow(InputError);
    expect(() => trainNgram([1], { order: 3, vocabularySize: 0 })).toThrow(InputError);
    expect(() => trainNgram([1], { order: 3, vocabularySize: 9, boundaryId: 9 })).toThrow(InputError);
    const model = trainNgram([1], { order: 3, vocabularySize: 9, boundaryId: 0 });
    expect(() => model.logProbability([1], 9)).toThrow(InputError);
    expect(() => model.logProbability([-1], 1)).toThrow(InputError);
    expect(() => model.nats([1], { boundaryId: 2 })).toThrow(/another document boundary/);
  });
});

describe('bitsPerByte', () => {
  it('turns nats into bits for each byte', () => {
    expect(bitsPerByte(Math.log(2) * 16, 8)).toBeCloseTo(2, 12);
    expect(() => bitsPerByte(1, 0)).toThrow(InputError);
  });
});
