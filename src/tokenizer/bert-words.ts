import type { Json } from '../util/json.js';
import type { PreTokenizer } from './pre-tokenizer.js';

const WORD = 1;
const SPACE = 2;
const PUNCTUATION = 3;

/** White space, and what BERT takes for punctuation: of ASCII also symbols such as `$` and `+`. */
const SPACES = /\p{White_Space}/u;
const PUNCTUATIONS = /[!-/:-@[-`{-~\p{P}]/u;

// Filled as characters are met: 0 is a character not yet looked up.
const BASIC = new Uint8Array(0x10000);
const SUPPLEMENTARY = new Map<number, number>();

function lookUp(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  if (SPACES.test(character)) return SPACE;
  return PUNCTUATIONS.test(character) ? PUNCTUATION : WORD;
}

function supplementaryClass(codePoint: number): number {
  let found = SUPPLEMENTARY.get(codePoint);
  if (found === undefined) {
    found = lookUp(codePoint);
    SUPPLEMENTARY.set(codePoint, found);
  }
  return found;
}

/** BERT's words: white space separates and is left out, each punctuation character is a word of its own. */
export function bertWords(json: Json): PreTokenizer {
  return {
    json,
    cut(text, isStart, onPiece) {
      let from = 0;
      for (let at = 0; at < text.length; ) {
        const unit = text.charCodeAt(at);
        let width = 1;
        let found = BASIC[unit]!;
        if (found === 0) {
          const codePoint = text.codePointAt(at)!;
          if (codePoint > 0xffff) {
            width = 2;
            found = supplementaryClass(codePoint);
          } else {
            found = lookUp(codePoint);
            // A high surrogate stays unknown: with a low one behind it, it is half of another character.
            if (unit < 0xd800 || unit > 0xdbff) BASIC[unit] = found;
          }
        }
        if (found !== WORD) {
          if (at > from) onPiece(text.slice(from, at), isStart && from === 0);
          if (found === PUNCTUATION) onPiece(text.slice(at, at + width), isStart && at === 0);
          from = at + width;
        }
        at += width;
      }
      if (from < text.length) onPiece(text.slice(from), isStart && from === 0);
    },
  };
}
