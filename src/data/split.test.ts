import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Document } from './document.js';
import { splitChats, splitDocuments } from './split.js';

const document = (text: string): Document => ({ text, origin: 'test' });
const many = Array.from({ length: 2000 }, (_, i) => document(`This is document ${i}`));

describe('splitDocuments', () => {
  it('puts equal texts on one side, loses nothing and leaves no side empty', () => {
    const texts = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(
        texts,
        fc.integer(),
        fc.double({ min: 0.01, max: 0.9, noNaN: true }),
        (numbers, seed, heldOutFraction) => {
          fc.pre(new Set(numbers).size > 1);
          const all = numbers.map((n, i) => document(`The long enough document${i % 2 ? ' ' : '\n'}of number ${n}`));
          const { training, heldOut } = splitDocuments(all, { heldOutFraction, seed });
          expect(training.length + heldOut.length).toBe(all.length);
          expect(Math.min(training.length, heldOut.length)).toBeGreaterThan(0);
          const key = ({ text }: Document): string => text.replace(/\s/g, ' ');
          const held = new Set(heldOut.map(key));
          expect(training.some((item) => held.has(key(item)))).toBe(false);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('meets the share, depends on the seed, and keeps a document where it is when others come', () => {
    const { heldOut } = splitDocuments(many, { heldOutFraction: 0.1, seed: 1 });
    expect(heldOut.length).toBeGreaterThan(150);
    expect(heldOut.length).toBeLessThan(250);
    expect(splitDocuments(many, { heldOutFraction: 0.1, seed: 1 }).heldOut).toEqual(heldOut);
    expect(splitDocuments(many, { heldOutFraction: 0.1, seed: 2 }).heldOut).not.toEqual(heldOut);
    const fewer = splitDocuments(many.slice(0, 1000), { heldOutFraction: 0.1, seed: 1 }).heldOut;
    expect(heldOut).toEqual(expect.arrayContaining(fewer));
  });

  it('cuts a single document, so that a part can be held out', () => {
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i} of the only document`).join('\n');
    const { training, heldOut } = splitDocuments([document(lines)], { heldOutFraction: 0.05, seed: 0 });
    expect(training.length).toBeGreaterThan(10);
    expect(heldOut.length).toBeGreaterThan(0);
  });

  it('refuses data from which nothing can be learned', () => {
    expect(() => splitDocuments([], { heldOutFraction: 0.1, seed: 0 })).toThrow('the data holds no text');
    expect(() => splitDocuments([document('x')], { heldOutFraction: 0.1, seed: 0 })).toThrow(
      /too little text.*\n.*\n.*one character/,
    );
    expect(() => splitDocuments(many, { heldOutFraction: 1, seed: 0 })).toThrow('out of range');
    expect(() => splitDocuments([document('a'.repeat(40))], { heldOutFraction: 0.1, seed: 0 })).not.toThrow();
  });
});

describe('splitChats', () => {
  it('keeps one question on one side, whatever the answer', () => {
    const chats = Array.from({ length: 400 }, (_, i) => ({
      messages: [
        { role: 'user' as const, content: `question ${i % 50}` },
        { role: 'assistant' as const, content: `answer ${i}` },
      ],
      origin: 'test',
    }));
    const { training, heldOut } = splitChats(chats, { heldOutFraction: 0.2, seed: 3 });
    const held = new Set(heldOut.map(({ messages }) => messages[0]!.content));
    expect(heldOut.length).toBe(held.size * 8);
    expect(training.some(({ messages }) => held.has(messages[0]!.content))).toBe(false);
  });
});
