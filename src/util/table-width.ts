/** How many columns a terminal gives to a text, and cutting and breaking by that measure. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with one.
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Cc}\p{Cf}]$/u;
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;

/** East Asian Wide and Fullwidth blocks (Unicode Standard Annex 11), as first and last code points. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x17000, 0x18cff],
  [0x1b000, 0x1b2ff],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The user-perceived characters of a text: a letter with its accents, a whole emoji. */
function characters(text: string): string[] {
  return /^[ -~]*$/.test(text) ? text.split('') : Array.from(graphemes.segment(text), ({ segment }) => segment);
}

function characterWidth(character: string): number {
  const code = character.codePointAt(0)!;
  if (code < 0x7f) return code < 0x20 ? 0 : EMOJI.test(character) ? 2 : 1;
  if (INVISIBLE.test(character)) return 0;
  return EMOJI.test(character) || WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** The text without terminal escape sequences and other characters that would steer a terminal; newlines and tabs stay. */
export function stripControls(text: string): string {
  return text.replace(ESCAPES, '').replace(CONTROLS, '');
}

/** The columns that a text of one line takes: two for Chinese, Japanese, Korean and emoji, none for colour escapes. */
export function displayWidth(text: string): number {
  return characters(text.replace(ESCAPES, '')).reduce((width, character) => width + characterWidth(character), 0);
}

/** The text, cut to at most `width` columns; `…` stands for what was cut. The text must be without colour. */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const character of characters(text)) {
    used += characterWidth(character);
    if (used > width - 1) break;
    kept += character;
  }
  return width < 1 ? '' : `${kept}…`;
}

/**
 * Breaks a text into lines of at most `width` columns: at spaces, between wide characters, and inside a word that is
 * longer than a line. Newlines of the text stay. The text must be without colour.
 */
export function wrapToWidth(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line.replaceAll('\t', '  '), Math.max(2, width)));
}

function wrapLine(line: string, width: number): string[] {
  const lines: string[] = [];
  let current: string[] = [];
  let used = 0;
  /** Where `current` can be broken: the number of characters before the break; 0 for nowhere. */
  let lastBreak = 0;
  for (const character of characters(line)) {
    const columns = characterWidth(character);
    if (used + columns > width) {
      // A space at the very edge is the break itself.
      const at = character === ' ' || columns === 2 || lastBreak === 0 ? current.length : lastBreak;
      lines.push(current.slice(0, at).join('').trimEnd());
      current = current.slice(at);
      used = current.reduce((sum, kept) => sum + characterWidth(kept), 0);
      lastBreak = 0;
      if (character === ' ' && current.length === 0) continue;
    }
    current.push(character);
    used += columns;
    if (character === ' ' || columns === 2) lastBreak = current.length;
  }
  lines.push(current.join('').trimEnd());
  return lines;
}
