import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../util/errors.js';
import { PrecompiledCharsmap, readPrecompiled } from './precompiled-charsmap.js';
import { readSentencePieceProto } from './sentencepiece-proto.js';

const file = new URL('../../test/fixtures/tokenizers/unigram-nfkc.model', import.meta.url);
const bytes = readSentencePieceProto(readFileSync(file), 'unigram-nfkc.model').charsmap;
const charsmap = new PrecompiledCharsmap(bytes, 'charsmap');

/** A map of one trie and replacements. */
function mapOf(units: readonly number[], replacements: string): Uint8Array {
  const text = new TextEncoder().encode(replacements);
  const map = new Uint8Array(4 + 4 * units.length + text.length);
  const view = new DataView(map.buffer);
  view.setUint32(0, 4 * units.length, true);
  for (const [i, unit] of units.entries()) view.setUint32(4 + 4 * i, unit, true);
  map.set(text, 4 + 4 * units.length);
  return map;
}

/** A trie of 512 units in which `a` (97) is replaced by what stands at `value`. */
function oneRule(value: number, link = 1): number[] {
  const units = new Array<number>(512).fill(0);
  units[0] = 0;
  // The child of the root lies at 0 ^ 97; its own offset leads to 97 ^ link, where the value is.
  units[97] = (link << 10) | 0x100 | 97;
  units[(97 ^ link) % 512] = 0x80000000 + value;
  return units;
}

describe('PrecompiledCharsmap', () => {
  it('replaces user-perceived characters', () => {
    for (const [text, expected] of [
      ['plain text', 'plain text'],
      ['ﬁ ½ ™ ①', 'fi 1⁄2 TM 1'],
      ['e\u0301 Å', 'é Å'],
      ['ｆｕｌｌ　ｗｉｄｔｈ', 'full width'],
      ['tab\tline\r\nend', 'tab line end'],
      ['人之初', '人之初'],
      ['', ''],
    ]) {
      expect(charsmap.normalizeGraphemes(text!)).toBe(expected);
    }
  });

  it('obeys a rule of its own', () => {
    const map = new PrecompiledCharsmap(mapOf(oneRule(2), 'x\0bcd\0'), 'map');
    expect(map.normalizeGraphemes('banana')).toBe('bbcdnbcdnbcd');
    expect(new PrecompiledCharsmap(mapOf(oneRule(1), 'x\0'), 'map').normalizeGraphemes('banana')).toBe('bnn');
  });

  it.each([
    ['too short', new Uint8Array(7)],
    ['an empty trie', mapOf([], 'abcd')],
    ['a trie longer than the map', Uint8Array.of(255, 255, 255, 0, 0, 0, 0, 0)],
    ['a trie of half a unit', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0)],
    ['a link out of the trie', mapOf(oneRule(0, (1 << 20) + 1), 'x')],
    ['a trie without room for every label', mapOf([0, 0], 'x')],
    ['a value behind the replacements', mapOf(oneRule(2), 'x\0')],
    ['a value inside a character', mapOf(oneRule(1), 'é\0')],
    ['replacements that are not UTF-8', Uint8Array.from([...mapOf(oneRule(0), 'x\0'), 0xff])],
    ['an endless replacement', mapOf(oneRule(0), 'x'.repeat(1000))],
  ])('refuses %s', (_, map) => {
    expect(() => new PrecompiledCharsmap(map, 'map')).toThrow(/map: not a usable map of characters/);
  });

  it('refuses what is not Base64', () => {
    expect(() => readPrecompiled({ precompiled_charsmap: '%%%' }, 'normalizer')).toThrow(/not Base64/);
    expect(() => readPrecompiled({}, 'normalizer')).toThrow(/precompiled_charsmap/);
  });

  it('refuses or obeys damaged maps, and nothing else', () => {
    const small = mapOf(oneRule(2), 'x\0bcd\0');
    const damage = fc.array(fc.tuple(fc.nat(small.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(damage, fc.string({ unit: 'binary', maxLength: 20 }), (changes, text) => {
        const map = small.slice();
        for (const [place, byte] of changes) map[place] = byte;
        try {
          new PrecompiledCharsmap(map, 'map').normalizeGraphemes(text.replaceAll(/[\ud800-\udfff]/g, 'a'));
        } catch (error) {
          expect(error).toBeInstanceOf(AthanorError);
        }
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
