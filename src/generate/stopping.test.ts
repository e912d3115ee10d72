import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StopMatcher } from './stopping.js';

/** What comes out of a text in pieces: everything emitted, and the stop string. */
function run(stops: readonly string[], pieces: readonly string[]): { text: string; matched: string | undefined } {
  const matcher = new StopMatcher(stops);
  let text = '';
  for (const piece of pieces) {
    const { emit, stopped, matched } = matcher.push(piece);
    text += emit;
    if (stopped) return { text, matched };
  }
  return { text: text + matcher.end(), matched: undefined };
}

/** The rule, read character by character: the first place where any stop string ends, the longest of those. */
function rule(stops: readonly string[], text: string): { text: string; matched: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), matched: found };
  }
  return { text, matched: undefined };
}

/** All the ways to cut a text into pieces. */
function* splits(text: string): Generator<string[]> {
  for (let cuts = 0; cuts < 2 ** (text.length - 1); cuts++) {
    const pieces = [''];
    for (const [i, character] of text.split('').entries()) {
      if (i > 0 && (cuts >> (i - 1)) & 1) pieces.push('');
      pieces[pieces.length - 1] += character;
    }
    yield pieces;
  }
}

test.each([
  [['\nUser:'], 'Hi\nUser:x', 'Hi', '\nUser:'],
  [['aab'], 'aaaabaa', 'aa', 'aab'],
  [['abcd', 'bc'], 'xabcd', 'xa', 'bc'],
  [['bc', 'abc'], 'xabcd', 'x', 'abc'],
  [['ab', 'abc'], 'xabc', 'x', 'ab'],
  [['。再'], '好。好。再见', '好。好', '。再'],
  [['👎'], 'a👍b👎c', 'a👍b', '👎'],
  [['zz'], 'fizz', 'fi', 'zz'],
  [['zzz'], 'fizz', 'fizz', undefined],
  [[], 'anything', 'anything', undefined],
])('stops %j in %j give %j, however it is cut', (stops, text, before, matched) => {
  for (const pieces of splits(text)) expect(run(stops, pieces), pieces.join('|')).toEqual({ text: before, matched });
});

test('any stop strings, any text, every cut into two or into single characters', () => {
  const letters = (size: { minLength: number; maxLength: number }) =>
    fc.array(fc.constantFrom('a', 'b', 'c'), size).map((list) => list.join(''));
  const anyStops = fc.array(letters({ minLength: 1, maxLength: 5 }), { maxLength: 4 });
  fc.assert(
    fc.property(anyStops, letters({ minLength: 0, maxLength: 25 }), (stops, text) => {
      const expected = rule(stops, text);
      expect(run(stops, text.split(''))).toEqual(expected);
      for (let cut = 0; cut <= text.length; cut++) {
        expect(run(stops, [text.slice(0, cut), text.slice(cut)])).toEqual(expected);
      }
    }),
    { numRuns: 500 },
  );
});

test('holds back only what may begin a stop string', () => {
  const matcher = new StopMatcher(['</s>', 'END']);
  expect(matcher.push('so <')).toEqual({ emit: 'so ', stopped: false });
  expect(matcher.push('/')).toEqual({ emit: '', stopped: false });
  expect(matcher.push('b> E')).toEqual({ emit: '</b> ', stopped: false });
  expect(matcher.push('N')).toEqual({ emit: '', stopped: false });
  expect(matcher.end()).toBe('EN');
  expect(matcher.end()).toBe('');
});

test('takes nothing more after a stop', () => {
  const matcher = new StopMatcher(['.']);
  expect(matcher.push('one. two')).toEqual({ emit: 'one', stopped: true, matched: '.' });
  expect(matcher.push(' three')).toEqual({ emit: '', stopped: true, matched: '.' });
  expect(matcher.end()).toBe('');
});

test('an empty stop string is refused', () => {
  expect(() => new StopMatcher(['x', ''])).toThrow(/stop\[1\]: a stop string is empty/);
});
