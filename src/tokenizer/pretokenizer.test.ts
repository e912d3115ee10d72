import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { translatePattern } from './pattern.js';
import { GPT2_PATTERN, type Pretokenizer, pretokenizerOf, WORDS_AND_DIGITS_PATTERN } from './pretokenizer.js';

function pieces(pretokenizer: Pretokenizer, text: string): string[] {
  const found: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = pretokenizer.end(text, start);
    expect(end).toBeGreaterThan(start);
    found.push(text.slice(start, end));
    start = end;
  }
  return found;
}

const character = fc.oneof(
  fc.constantFrom(
    ..."  \t\n\r\u00a0\u0085\ufeff\u0301aBsSdtlLvV'.,19½三ع-_",
    "'re",
    "'LL",
    '👍🏽',
    '𝔘',
    '\ud800',
    '\udc00',
  ),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
);
const text = fc.array(character, { maxLength: 40 }).map((characters) => characters.join(''));

describe('the pretokenizers by hand', () => {
  for (const pattern of [WORDS_AND_DIGITS_PATTERN, GPT2_PATTERN]) {
    it(`cut as the regular expression does: ${pattern.slice(0, 30)}…`, () => {
      const expression = translatePattern(pattern, 'test');
      fc.assert(
        fc.property(text, (sample) => {
          expect(pieces(pretokenizerOf(pattern), sample)).toEqual(sample.match(expression) ?? []);
        }),
        { seed: 3, numRuns: 2000 },
      );
    });
  }

  it('take lines of megabytes', () => {
    const words = pretokenizerOf(WORDS_AND_DIGITS_PATTERN);
    for (const unit of ['a', '中', '.', '\ud83d\ude42']) {
      expect(words.end(unit.repeat(3_000_000), 0)).toBe(3_000_000 * unit.length);
    }
  });

  it('keep digits apart and line breaks at the end', () => {
    const words = pretokenizerOf(WORDS_AND_DIGITS_PATTERN);
    expect(pieces(words, "It's 12+34 = 46.\n\n  नमस्ते (x)")).toEqual([
      'It',
      "'s",
      ' ',
      '1',
      '2',
      '+',
      '3',
      '4',
      ' =',
      ' ',
      '4',
      '6',
      '.\n\n',
      ' ',
      ' नमस्ते',
      ' (',
      'x',
      ')',
    ]);
  });
});

describe('pretokenizerOf another pattern', () => {
  it('reads the patterns of GPT-4, Llama 3 and Qwen', () => {
    const llama3 = pretokenizerOf(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    );
    expect(pieces(llama3, "WE'RE 12345\u0085 ok\n")).toEqual(['WE', "'RE", ' ', '123', '45', '\u0085', ' ok', '\n']);
    const possessive = pretokenizerOf('[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}|[^\\p{L}\\p{N}]');
    expect(pieces(possessive, '(ab) 1')).toEqual(['(ab', ')', ' ', '1']);
  });

  it('keeps what lies between matches', () => {
    expect(pieces(pretokenizerOf('[0-9]+'), 'ab12cd3')).toEqual(['ab', '12', 'cd', '3']);
    expect(pieces(pretokenizerOf('x*'), 'aaxxb')).toEqual(['aa', 'xx', 'b']);
  });

  it('refuses what JavaScript cannot say', () => {
    for (const pattern of ['(', ')', '[a', '\\p{Nonsense}', '[a&&b]', '(?<=', 'a{2}+', 'x'.repeat(5000)]) {
      expect(() => pretokenizerOf(pattern), pattern).toThrow(/the pattern is not usable/);
    }
  });
});
