import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import { tokenizerFromJson } from './file.js';
import { SCRIPT_RUNS } from './script-runs.js';
import { numberCharacters } from './unigram-corpus.js';
import { frequentSubstrings } from './unigram-seeds.js';
import { trainUnigram, type UnigramTrainingProgress } from './unigram-training.js';

const TEXTS = [
  'The alchemist keeps a steady heat; the patient student measures the heat, and the furnace keeps the fire.',
  'Measuring, remeasuring, unmeasured: 1,024 measures of 4,096 candles in the alchemist’s furnace.',
  'Печь горит всю ночь, печь горит весь день. 炼丹炉里的火，炼丹炉里的水。',
  'while (true) {\n\theat += 1;\n\tif (heat >= 42) break;\n}\n',
].flatMap((text) => [text, text.toLowerCase(), text]);

const runsOf = (text: string): string[] => {
  const runs: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = SCRIPT_RUNS.end(text, at);
    runs.push(text.slice(at, end));
    at = end;
  }
  return runs;
};

describe('SCRIPT_RUNS', () => {
  it('cuts at spaces and where the script changes', () => {
    const cut = (text: string): string => runsOf(text.replaceAll(' ', '▁')).join('|');
    expect(cut('the cat, 42!')).toBe('the|▁cat|,|▁42!');
    expect(cut('a  b')).toBe('a|▁|▁b');
    expect(cut('e\u0301a печь炼かカー한')).toBe('e\u0301a|▁печь|炼かカー|한');
    expect(runsOf('x'.repeat(100)).map((run) => run.length)).toEqual([32, 32, 32, 4]);
  });
});

describe('frequentSubstrings', () => {
  it('finds the same as counting every substring', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 20 });
    const words = fc.uniqueArray(fc.tuple(word, fc.integer({ min: 1, max: 3 })), {
      minLength: 1,
      maxLength: 12,
      selector: ([text]) => text,
    });
    fc.assert(
      fc.property(words, (list) => {
        const corpus = numberCharacters(list, 1);
        const counts = new Map<string, number>();
        const nexts = new Map<string, Set<string>>();
        list.forEach(([text, count], index) => {
          for (let start = 0; start < text.length; start++) {
            for (let end = start + 2; end <= Math.min(text.length, start + 16); end++) {
              const part = text.slice(start, end);
              counts.set(part, (counts.get(part) ?? 0) + count);
              // The end of a word is like no other.
              const next = text[end] ?? `end ${index} ${start}`;
              nexts.set(part, (nexts.get(part) ?? new Set()).add(next));
            }
          }
        });
        const isLast = (part: string): boolean => [...nexts.get(part)!].some((next) => next.startsWith('end'));
        const expected = [...counts].filter(
          ([part, count]) => count >= 2 && (isLast(part) || nexts.get(part)!.size > 1),
        );
        const { starts, lengths, counts: found } = frequentSubstrings(corpus);
        const actual = [...starts].map((start, i): [string, number] => [
          Array.from(corpus.symbols.subarray(start, start + lengths[i]!), (symbol) => corpus.alphabet[symbol]).join(''),
          found[i]!,
        ]);
        expect(actual.sort()).toEqual(expected.sort());
      }),
      { seed: 3, numRuns: 100 },
    );
  });
});

describe('trainUnigram', () => {
  it('gives the same tokenizer for the same texts', async () => {
    const options = { vocabularySize: 365, specialTokens: ['<|endoftext|>', '<|user|>'] };
    const progress: UnigramTrainingProgress[] = [];
    const first = await trainUnigram(TEXTS, { ...options, onProgress: (one) => progress.push(one) });
    const second = await trainUnigram(TEXTS, options);
    expect(second.toJson()).toEqual(first.toJson());
    expect(first).toMatchObject({ kind: 'unigram', vocabularySize: 365, bosId: 0, eosId: 0, isLossy: false });
    expect([...first.specialTokens.keys()]).toEqual(['<|endoftext|>', '<|user|>', '<unk>']);
    expect(progress[0]!.phase).toBe('reading');
    expect(progress.at(-1)).toMatchObject({ phase: 'pruning', targetPieces: 106 });
    // A word that is seen often is one token.
    expect(first.encode('the heat')).toHaveLength(2);
  });

  it('writes a tokenizer.json with which the Hugging Face library gives the same ids and texts', async () => {
    const tokenizer = await trainUnigram(TEXTS, { vocabularySize: 360, specialTokens: ['<|endoftext|>'] });
    const json = JSON.parse(JSON.stringify(tokenizer.toJson()));
    const again = tokenizerFromJson(json);
    expect(JSON.parse(JSON.stringify(again.toJson()))).toEqual(json);
    expect(again.isLossy).toBe(false);
    const native = NativeTokenizer.fromString(JSON.stringify(json));
    const part = fc.constantFrom(
      'the',
      ' heat',
      'a',
      ' ',
      '  ',
      '\n',
      '炼丹',
      '😀',
      '\r\n',
      '1,0',
      'Печь',
      '<unk>',
      'é',
    );
    const text = fc.oneof(fc.string({ unit: part, maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 40 }));
    const property = fc.asyncProperty(text, async (one) => {
      const wellFormed = Buffer.from(one, 'utf8').toString('utf8');
      const ids = [...tokenizer.encode(one, { allowSpecial: true })];
      expect(ids).toEqual((await native.encode(wellFormed)).getIds());
      expect([...again.encode(one, { allowSpecial: true })]).toEqual(ids);
      expect(tokenizer.decode(tokenizer.encode(one))).toBe(wellFormed.replaceAll('▁', ' '));
    });
    await fc.assert(property, { seed: 13, numRuns: 300 });
  });

  it('makes unknown characters <unk> where there are no bytes', async () => {
    const tokenizer = await trainUnigram(TEXTS, { vocabularySize: 105, byteFallback: false });
    const unknown = tokenizer.specialTokens.get('<unk>')!;
    expect([...tokenizer.encode('heat 水😀火')].filter((id) => id === unknown)).toHaveLength(1);
    for (const text of TEXTS) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('learns nothing from special tokens', async () => {
    const texts = TEXTS.map((text) => `<|secret|>${text}`);
    const tokenizer = await trainUnigram(texts, { vocabularySize: 360, specialTokens: ['<|secret|>'] });
    expect(tokenizer.definition.pieces.filter(({ text }) => text.includes('secret'))).toHaveLength(1);
  });

  it.each([
    ['no texts', [], { vocabularySize: 400 }, /no text to learn from/],
    ['too small a vocabulary', TEXTS, { vocabularySize: 257 }, /at least 25[78]|at least 3/],
    ['too large a vocabulary', TEXTS, { vocabularySize: 5000 }, /at most \d+/],
    ['no number', TEXTS, { vocabularySize: Number.NaN }, /whole number/],
    ['a special token twice', TEXTS, { vocabularySize: 400, specialTokens: ['<a>', '<a>'] }, /listed twice/],
    ['a byte as special token', TEXTS, { vocabularySize: 400, specialTokens: ['<0x00>'] }, /collides/],
  ])('refuses %s', async (_, texts, options, message) => {
    await expect(trainUnigram(texts, options)).rejects.toThrow(message);
  });

  it('needs no more tokens than SentencePiece', async (context) => {
    const file = sharedData('corpora/tinyshakespeare/input.txt');
    if (file === undefined) return context.skip('the shared test data is not on this machine');
    const lines = readFileSync(file, 'utf8').slice(0, 200_000).split('\n').filter(Boolean);
    const learned = lines.filter((_, i) => i % 10 !== 0);
    const heldOut = lines.filter((_, i) => i % 10 === 0);
    const tokenizer = await trainUnigram(learned, { vocabularySize: 1500 });
    let tokens = 0;
    let bytes = 0;
    for (const line of heldOut) {
      tokens += tokenizer.encode(line).length;
      bytes += Buffer.byteLength(line);
    }
    // SentencePiece 0.2.3 on the same lines: scripts/unigram-quality.py.
    const sentencePiece = 0.35017721518987344;
    expect(tokens / bytes).toBeLessThan(1.02 * sentencePiece);
  });
});
