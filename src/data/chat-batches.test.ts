import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteTokenizer } from '../../test/byte-tokenizer.js';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import { ChatBatches, type ChatStore, NoChatError, packChats } from './chat-batches.js';
import type { ChatRecord } from './document.js';

const tokenizer = byteTokenizer();

function chat(question: string, answer: string): ChatRecord {
  return {
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
    origin: `test:${question}`,
  };
}

/** Chats of the given lengths; token `1000 · chat + place`, all but the first an answer. */
function storeOf(lengths: readonly number[]): ChatStore {
  const offsets = Uint32Array.from([0, ...lengths]);
  for (let i = 1; i < offsets.length; i++) offsets[i]! += offsets[i - 1]!;
  const ids = Uint32Array.from(lengths.flatMap((length, i) => Array.from({ length }, (_, at) => 1000 * (i + 1) + at)));
  const isAnswer = Uint8Array.from(ids, (id) => (id % 1000 > 1 ? 1 : 0));
  return { ids, isAnswer, offsets, padId: 0, truncated: 0, skipped: 0 };
}

describe('packChats', () => {
  it('cuts off or leaves out chats that are too long, and counts them', async () => {
    const chats = [chat('a', 'b'), chat('a', 'long'.repeat(10)), chat('long'.repeat(10), 'b')];
    const cut = await packChats(chats, tokenizer, DEFAULT_CHAT_TEMPLATE, { columns: 20 });
    expect(cut).toMatchObject({ truncated: 1, skipped: 1 });
    expect([...cut.offsets]).toEqual([0, 6, 27]);
    const left = await packChats(chats, tokenizer, DEFAULT_CHAT_TEMPLATE, { columns: 20, tooLong: 'skip' });
    expect(left).toMatchObject({ truncated: 0, skipped: 2 });
    await expect(packChats(chats.slice(2), tokenizer, DEFAULT_CHAT_TEMPLATE, { columns: 20 })).rejects.toThrow(
      'no chat to learn from',
    );
    await expect(packChats([], tokenizer, DEFAULT_CHAT_TEMPLATE, { columns: 20 })).rejects.toThrow(NoChatError);
    await expect(packChats(chats, tokenizer, '{{ raise_exception("no") }}', { columns: 9 })).rejects.toThrow('test:a');
  });

  it('marks the targets that are answers', async () => {
    const store = await packChats([chat('ab', 'cd')], tokenizer, DEFAULT_CHAT_TEMPLATE, { columns: 10 });
    const { inputs, targets, weights, segments } = new ChatBatches(store, { rows: 1, columns: 10, seed: 0 }).next();
    expect(tokenizer.decode(inputs)).toBe(`<|user|>ab<|end|><|assistant|>cd${'<|endoftext|>'.repeat(3)}`);
    expect(tokenizer.decode(targets)).toBe(`ab<|end|><|assistant|>cd<|end|>${'<|endoftext|>'.repeat(3)}`);
    expect([...weights]).toEqual([0, 0, 0, 0, 1, 1, 1, 0, 0, 0]);
    expect([...segments]).toEqual([0, 0, 0, 0, 0, 0, 0, -1, -1, -1]);
  });
});

describe('ChatBatches', () => {
  const cases = fc.record({
    lengths: fc.array(fc.integer({ min: 3, max: 21 }), { minLength: 1, maxLength: 300 }),
    rows: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat(),
  });

  it('uses every chat whole and once an epoch, several in a row', () => {
    fc.assert(
      fc.property(cases, ({ lengths, seed }) => {
        const batches = new ChatBatches(storeOf(lengths), { rows: 1, columns: 20, seed });
        for (let epoch = 0; epoch < 2; epoch++) {
          const seen: number[] = [];
          while (batches.state().epoch === epoch) {
            const { inputs, targets, weights, segments } = batches.next();
            for (let i = 0; i < 20; i++) {
              if (segments[i] === -1) {
                expect([inputs[i], weights[i]]).toEqual([0, 0]);
                continue;
              }
              if (segments[i] !== (i === 0 ? -1 : segments[i - 1])) expect(inputs[i]! % 1000).toBe(0);
              expect(targets[i]).toBe(inputs[i]! + 1);
              expect(weights[i]).toBe(targets[i]! % 1000 > 1 ? 1 : 0);
              seen.push(inputs[i]!);
            }
          }
          const expected = lengths.flatMap((length, chat) =>
            Array.from({ length: length - 1 }, (_, at) => 1000 * (chat + 1) + at),
          );
          expect(seen.sort((a, b) => a - b)).toEqual(expected);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('goes on from a saved position as if it had never stopped', () => {
    fc.assert(
      fc.property(cases, fc.nat(60), ({ lengths, ...options }, steps) => {
        const whole = new ChatBatches(storeOf(lengths), { ...options, columns: 20 });
        for (let i = 0; i < steps; i++) whole.next();
        const resumed = new ChatBatches(storeOf(lengths), { ...options, columns: 20 });
        resumed.restore(JSON.parse(JSON.stringify(whole.state())));
        for (let i = 0; i < 4; i++) expect(resumed.next()).toEqual(whole.next());
      }),
      { numRuns: 40 },
    );
  });

  it('fills rows well and fast', () => {
    const lengths = Array.from({ length: 20_000 }, (_, i) => 10 + ((i * 7919) % 120));
    const batches = new ChatBatches(storeOf(lengths), { rows: 8, columns: 256, seed: 1 });
    const needed = lengths.reduce((sum, length) => sum + length - 1, 0) / 256;
    expect(batches.rowsPerEpoch / needed).toBeLessThan(1.05);
    const times: number[] = [];
    for (let i = 0; i < 200; i++) {
      const start = performance.now();
      batches.next();
      times.push(performance.now() - start);
    }
    expect(times.sort((a, b) => a - b)[100]).toBeLessThan(0.5);
  });

  it('refuses a chat longer than a row, and positions of other data', () => {
    expect(() => new ChatBatches(storeOf([30]), { rows: 1, columns: 20, seed: 0 })).toThrow('longer than a row');
    const one = new ChatBatches(storeOf([5, 6]), { rows: 1, columns: 20, seed: 0 });
    expect(() => one.restore(new ChatBatches(storeOf([6, 5]), { rows: 1, columns: 20, seed: 0 }).state())).toThrow(
      'not what it was',
    );
  });
});
