/** Unicode classes that split text into words. Every code point has exactly one. */
export const LETTER = 1;
export const MARK = 2;
export const NUMBER = 3;
/** White_Space other than CR and LF. */
export const SPACE = 4;
/** CR and LF. */
export const NEWLINE = 5;
/** Punctuation, symbols, controls, unassigned code points, lone surrogates. */
export const OTHER = 6;

// Filled as characters are met: 0 is a code point not yet looked up.
const BASIC = new Uint8Array(0x10000);
const SUPPLEMENTARY = new Map<number, number>();

function lookUp(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  if (character === '\r' || character === '\n') return NEWLINE;
  if (/\p{L}/u.test(character)) return LETTER;
  if (/\p{M}/u.test(character)) return MARK;
  if (/\p{N}/u.test(character)) return NUMBER;
  return /\p{White_Space}/u.test(character) ? SPACE : OTHER;
}

/** The class of the character that starts at `index`; `index` must lie inside the text. */
export function classAt(text: string, index: number): number {
  const unit = text.charCodeAt(index);
  const known = BASIC[unit]!;
  if (known !== 0) return known;
  const codePoint = text.codePointAt(index)!;
  if (codePoint < 0x10000) {
    const found = lookUp(codePoint);
    // A high surrogate stays unknown: with a low one behind it, it is half of another character.
    if (unit < 0xd800 || unit > 0xdbff) BASIC[unit] = found;
    return found;
  }
  let found = SUPPLEMENTARY.get(codePoint);
  if (found === undefined) {
    found = lookUp(codePoint);
    SUPPLEMENTARY.set(codePoint, found);
  }
  return found;
}

/** The UTF-16 length of the character at `index`: 2 for a surrogate pair. */
export function widthAt(text: string, index: number): number {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00 ? 2 : 1;
}
