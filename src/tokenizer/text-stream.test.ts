import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import type { ByteBpe } from './byte-bpe.js';
import { trainByteBpe } from './byte-bpe-training.js';
import { loadLlama2cTokenizer } from './llama2c.js';
import { TextStream } from './text-stream.js';

// Bytes alone: every character beyond ASCII is spread over several tokens.
let bytes: ByteBpe;

beforeAll(async () => {
  bytes = await trainByteBpe(['x'], { vocabularySize: 257, specialTokens: ['<|end|>'] });
});

function stream(text: string): string[] {
  const out = new TextStream(bytes);
  return [...[...bytes.encode(text)].map((id) => out.push(id)), out.end()].filter((piece) => piece !== '');
}

describe('TextStream', () => {
  it('lets go whole characters only', () => {
    expect(stream('ab中文é')).toEqual(['a', 'b', '中', '文', 'é']);
    expect(stream('👍🏽a👨‍👩‍👧b❤️c')).toEqual(['👍🏽a', '👨‍👩‍👧b', '❤️c']);
    expect(stream('🇨🇭🇨🇳!🇫')).toEqual(['🇨🇭', '🇨🇳', '!', '🇫']);
    expect(stream('1😀😀')).toEqual(['1', '😀', '😀']);
  });

  it('gives in all what decode gives', () => {
    const anyId = fc.nat(256);
    const emoji = fc.constantFrom(...'👍👩🏽‍🇨❤️中a');
    const ids = fc.oneof(
      fc.array(anyId, { maxLength: 40 }),
      fc.array(emoji, { maxLength: 30 }).map((characters) => [...bytes.encode(characters.join(''))]),
    );
    fc.assert(
      fc.property(ids, fc.boolean(), (list, skipSpecial) => {
        const out = new TextStream(bytes, { skipSpecial });
        const streamed = list.map((id) => out.push(id)).join('') + out.end();
        expect(streamed).toBe(bytes.decode(list, { skipSpecial }));
      }),
      { seed: 5, numRuns: 1000 },
    );
  });

  it('never splits a character', () => {
    const text = fc.array(fc.constantFrom(...'中👍🏽🇨a\u200d❤\ufe0f'), { maxLength: 20 }).map((list) => list.join(''));
    fc.assert(
      fc.property(text, (sample) => {
        for (const piece of stream(sample)) expect(Buffer.from(piece).toString()).toBe(piece);
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  it('holds back no more than a bounded piece', () => {
    const out = new TextStream(bytes);
    let released = 0;
    const text = '👩\u200d'.repeat(1000);
    for (const id of bytes.encode(text)) released += out.push(id).length;
    expect(text.length - released).toBeLessThan(70);
  });

  it('leaves out special tokens and shows broken bytes at the end', () => {
    const out = new TextStream(bytes, { skipSpecial: true });
    expect(out.push(0)).toBe('');
    const [first] = bytes.encode('中');
    expect(out.push(first!)).toBe('');
    expect(out.end()).toBe('\ufffd');
    expect(out.push(bytes.encode('a')[0]!)).toBe('a');
  });

  it('drops the first space of SentencePiece after the opening token alone', (context) => {
    const file = sharedData('models/stories260K/tok512.bin');
    if (file === undefined) return context.skip('the shared test data is not on this machine');
    const tokenizer = loadLlama2cTokenizer(file, 512);
    const ids = [...tokenizer.encode('Once upon')];
    const read = (list: number[]): string => {
      const out = new TextStream(tokenizer, { skipSpecial: true });
      return list.map((id) => out.push(id)).join('') + out.end();
    };
    expect(read([1, ...ids])).toBe('Once upon');
    expect(read(ids)).toBe(' Once upon');
  });
});
