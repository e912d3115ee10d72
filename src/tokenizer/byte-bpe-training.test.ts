import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import { BYTE_TO_CHARACTER } from './byte-alphabet.js';
import { type TrainingProgress, trainByteBpe, VocabularyTooLargeError } from './byte-bpe-training.js';
import { GPT2_PATTERN, pretokenizerOf, WHOLE_TEXT } from './pretokenizer.js';

const gpt2 = pretokenizerOf(GPT2_PATTERN);

/** The definition word for word: count all pairs of all words anew for each merge. Words are Latin-1 byte strings. */
function naiveMerges(words: readonly string[], merges: number): string[] {
  const learned: string[] = [];
  let pieces = words.map((word) => [...word]);
  while (learned.length < merges) {
    const counts = new Map<string, number>();
    for (const word of pieces) {
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = `${word[i]} ${word[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    if (counts.size === 0) break;
    const [best] = [...counts].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && isGreater(b[0], a[0])) ? b : a));
    // A pair that comes back belongs to the merge that it already has.
    if (!learned.includes(best)) learned.push(best);
    pieces = pieces.map((word) => mergeAll(word, best));
    // So do earlier merges whose symbols a second spelling brought back.
    for (let again = true; again; ) {
      again = false;
      for (const merge of learned) {
        const next = pieces.map((word) => mergeAll(word, merge));
        if (next.some((word, i) => word.length !== pieces[i]!.length)) again = true;
        pieces = next;
      }
    }
  }
  return learned;
}

function isGreater(pair: string, other: string): boolean {
  const [a, b] = pair.split(' ') as [string, string];
  const [c, d] = other.split(' ') as [string, string];
  return a === c ? b > d : a > c;
}

function mergeAll(word: string[], pair: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < word.length; i++) {
    if (i + 1 < word.length && `${word[i]} ${word[i + 1]}` === pair) out.push(word[i]! + word[++i]!);
    else out.push(word[i]!);
  }
  return out;
}

describe('trainByteBpe', () => {
  it('finds the reference merges and vocabulary of the CS336 corpus', async (context) => {
    const folder = sharedData('tokenizers/bpe-train-cs336');
    if (folder === undefined) return context.skip('the shared test data is not on this machine');
    const corpus = readFileSync(`${folder}/corpus.en`, 'utf8');
    const options = { vocabularySize: 500, specialTokens: ['<|endoftext|>'], pretokenizer: gpt2 };
    const { definition } = await trainByteBpe([corpus], options);
    const merges = readFileSync(`${folder}/train-bpe-reference-merges.txt`, 'utf8').trimEnd().split('\n');
    expect(definition.merges.map((merge) => merge.join(' '))).toEqual(merges);
    const vocabulary = JSON.parse(readFileSync(`${folder}/train-bpe-reference-vocab.json`, 'utf8'));
    expect(Object.fromEntries(definition.vocabulary)).toEqual(vocabulary);
  });

  it('equals the naive algorithm, ties and overlaps included', async () => {
    const word = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 2, maxLength: 12 }).map((w) => w.join(''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 12 }),
        async (words, n) => {
          const naive = naiveMerges(words, n);
          const distinct = new Set(naive.map((pair) => pair.replace(' ', '')));
          const options = { vocabularySize: 256 + distinct.size, specialTokens: [], pretokenizer: WHOLE_TEXT };
          const { definition } = await trainByteBpe(words, options);
          const learned = definition.merges.map((merge) => merge.join(' '));
          expect(learned).toEqual(naive.slice(0, learned.length));
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });

  it('encodes its own training words as training left them', async () => {
    const words = ['aaaa', 'aaa', 'abab', 'ababab', 'bababa', 'aabb', 'cabbage'];
    const tokenizer = await trainByteBpe(words, {
      vocabularySize: 256 + 12,
      specialTokens: [],
      pretokenizer: WHOLE_TEXT,
    });
    const merges = tokenizer.definition.merges.map((merge) => merge.join(' '));
    let pieces = words.map((word) => [...word]);
    for (const merge of merges) pieces = pieces.map((word) => mergeAll(word, merge));
    const encoded = words.map((word) => [...tokenizer.encode(word)].map((id) => tokenizer.decode([id])));
    expect(encoded).toEqual(pieces);
  });

  it('learns from a stream what it learns from a list, and the same each time', async () => {
    const texts = ['the cat sat on the mat', '床前明月光', 'the other cat'];
    async function* stream(): AsyncGenerator<string> {
      yield* texts;
    }
    const options = { vocabularySize: 270, specialTokens: ['<|endoftext|>'] };
    const fromStream = await trainByteBpe(stream(), options);
    const fromList = await trainByteBpe(texts, options);
    expect(fromStream.toJson()).toEqual(fromList.toJson());
    expect(fromList).toMatchObject({ vocabularySize: 270, bosId: 0, eosId: 0, padId: 0 });
  });

  it('gives every digit a token of its own by default', async () => {
    const tokenizer = await trainByteBpe(['in 1234 1234 1234 12 12 12 in'], { vocabularySize: 258, specialTokens: [] });
    const pieces = [...tokenizer.encode('in 1234')].map((id) => tokenizer.decode([id]));
    expect(pieces).toEqual(['in', ' ', '1', '2', '3', '4']);
  });

  it('neither learns from special tokens in the text nor learns one by chance', async () => {
    const texts = ['<|end|><|end|><|end|>ab', 'the theme of the thesis'];
    const tokenizer = await trainByteBpe(texts, { vocabularySize: 263, specialTokens: ['<|end|>', 'the'] });
    const learned = tokenizer.definition.merges.map((merge) => merge.join(''));
    expect(learned).not.toContain('the');
    expect(learned.join('')).not.toContain('|');
    expect([...tokenizer.encode('the')]).not.toContain(1);
  });

  it('says how many merges the texts allow when the vocabulary is too large', async () => {
    const failure = trainByteBpe(['abc abc'], { vocabularySize: 8192, specialTokens: [] });
    await expect(failure).rejects.toThrow(VocabularyTooLargeError);
    await expect(failure).rejects.toThrow(/allow 3 merges only\n {2}expected: at most 259/);
    const { largestVocabulary } = (await failure.catch(
      (error: VocabularyTooLargeError) => error,
    )) as VocabularyTooLargeError;
    const fitting = await trainByteBpe(['abc abc'], { vocabularySize: largestVocabulary, specialTokens: [] });
    expect(fitting.vocabularySize).toBe(259);
    const single = await trainByteBpe(['x'], { vocabularySize: 256, specialTokens: [] });
    expect(single.decode(single.encode('xyz'))).toBe('xyz');
  });

  it('refuses empty texts, small vocabularies and colliding special tokens', async () => {
    const train = (texts: string[], vocabularySize: number, specialTokens: string[]): Promise<unknown> =>
      trainByteBpe(texts, { vocabularySize, specialTokens });
    await expect(train([], 300, [])).rejects.toThrow(/no text to learn from/);
    await expect(train(['', ''], 300, [])).rejects.toThrow(/no text to learn from/);
    await expect(train(['a'], 256, ['<|end|>'])).rejects.toThrow(/at least 257/);
    await expect(train(['a'], Number.NaN, [])).rejects.toThrow(/at least 256/);
    await expect(train(['a'], 300, ['<a>', '<a>'])).rejects.toThrow(/listed twice/);
    await expect(train(['a'], 300, [''])).rejects.toThrow(/needs a text/);
    await expect(train(['a'], 300, [BYTE_TO_CHARACTER[32]!])).rejects.toThrow(/collides/);
  });

  it('reports its progress', async () => {
    const seen: TrainingProgress[] = [];
    const onProgress = (progress: TrainingProgress): void => void seen.push(progress);
    await trainByteBpe(['the cat sat on the mat'], { vocabularySize: 260, specialTokens: [], onProgress });
    expect(seen[0]).toMatchObject({ phase: 'reading', targetMerges: 4 });
    expect(seen.at(-1)).toMatchObject({ phase: 'merging', merges: 4, targetMerges: 4, characters: 22 });
  });
});
