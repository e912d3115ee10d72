import { widthAt } from './character-classes.js';
import type { Pretokenizer } from './pretokenizer.js';

/** SentencePiece writes a space as U+2581. */
const SPACE = 0x2581;
/** Longer runs are cut: nothing is learned that is longer, and time and memory of a word stay bounded. */
const LONGEST_RUN = 32;

/** Each is one class of characters; those that Japanese mixes are one. */
const SCRIPTS: readonly RegExp[] = [
  /[\p{Script=Inherited}]/u,
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc]/u,
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Arabic}/u,
  /\p{Script=Hebrew}/u,
  /\p{Script=Hangul}/u,
  /\p{Script=Devanagari}/u,
  /\p{Script=Bengali}/u,
  /\p{Script=Tamil}/u,
  /\p{Script=Telugu}/u,
  /\p{Script=Thai}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Georgian}/u,
  /\p{Script=Ethiopic}/u,
  /\p{Script=Common}/u,
];
const INHERITED = 1;
const OTHER = SCRIPTS.length + 1;

// Filled as characters are met: 0 is a character not yet looked up.
const BASIC = new Uint8Array(0x10000);
const SUPPLEMENTARY = new Map<number, number>();

function scriptOf(codePoint: number): number {
  const known = codePoint < 0x10000 ? BASIC[codePoint]! : (SUPPLEMENTARY.get(codePoint) ?? 0);
  if (known !== 0) return known;
  const character = String.fromCodePoint(codePoint);
  const index = SCRIPTS.findIndex((script) => script.test(character));
  const found = index < 0 ? OTHER : index + 1;
  if (codePoint < 0x10000) BASIC[codePoint] = found;
  else SUPPLEMENTARY.set(codePoint, found);
  return found;
}

/**
 * Cuts text whose spaces are `▁` into what a learned piece may lie in, as SentencePiece trains by default: `▁` stands
 * before a word only, and no piece mixes scripts; digits, punctuation and symbols are of the common script.
 */
export const SCRIPT_RUNS: Pretokenizer = {
  pattern: '\u2581?(?:one script)+',
  end(text, start) {
    let at = start;
    if (text.charCodeAt(at) === SPACE) at++;
    let script = INHERITED;
    for (let length = at - start; at < text.length && length < LONGEST_RUN; length++) {
      const codePoint = text.codePointAt(at)!;
      if (codePoint === SPACE) break;
      const found = scriptOf(codePoint);
      if (found !== INHERITED && script !== INHERITED && found !== script) break;
      if (found !== INHERITED) script = found;
      at += widthAt(text, at);
    }
    return at;
  },
};
