import { describe, expect, it } from 'vitest';
import { trainCharacters } from './characters.js';

describe('trainCharacters', () => {
  it('gives each character one token, the most frequent first', async () => {
    const tokenizer = await trainCharacters(['bab中', 'b中🙂'], { specialTokens: ['<|endoftext|>'] });
    expect(tokenizer).toMatchObject({ kind: 'character', vocabularySize: 1 + 256 + 4, bosId: 0, padId: 0 });
    expect([...tokenizer.encode('b中a🙂')]).toEqual([257, 258, 259, 260]);
    expect(Buffer.from(tokenizer.tokenBytes(258)).toString()).toBe('中');
  });

  it('writes other characters as bytes', async () => {
    const tokenizer = await trainCharacters(['abc'], { specialTokens: [] });
    expect([...tokenizer.encode('é')]).toEqual([0xc3, 0xa9]);
    expect(tokenizer.decode(tokenizer.encode('aé中<0x41>\ufeff'))).toBe('aé中<0x41>\ufeff');
  });

  it('keeps the most frequent characters within a limit', async () => {
    const options = { specialTokens: ['<|end|>'], maximumVocabularySize: 1 + 256 + 2 };
    const tokenizer = await trainCharacters(['aabbbc<|end|><|end|><|end|>'], options);
    expect(tokenizer.vocabularySize).toBe(259);
    expect([...tokenizer.encode('bac')]).toEqual([257, 258, 1 + 'c'.charCodeAt(0)]);
  });

  it('refuses empty texts, colliding special tokens and a limit without room', async () => {
    await expect(trainCharacters([''], { specialTokens: [] })).rejects.toThrow(/no text/);
    await expect(trainCharacters(['a'], { specialTokens: ['中'] })).rejects.toThrow(/collides/);
    await expect(trainCharacters(['a'], { specialTokens: ['<0x0A>'] })).rejects.toThrow(/collides/);
    await expect(trainCharacters(['a'], { specialTokens: [], maximumVocabularySize: 256 })).rejects.toThrow(/257/);
  });
});
