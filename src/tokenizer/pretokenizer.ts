import { classAt, LETTER, MARK, NEWLINE, NUMBER, OTHER, SPACE, widthAt } from './character-classes.js';
import { translatePattern } from './pattern.js';

/** Cuts text into pretokens, the pieces inside which BPE merges. */
export interface Pretokenizer {
  /** The same cut as a regular expression in the syntax of `tokenizer.json` (Oniguruma). */
  readonly pattern: string;
  /** Where the pretoken that starts at `start` ends; above `start` and at most `text.length`. */
  end(text: string, start: number): number;
}

/** The pattern of GPT-2 (Radford et al., 2019). */
export const GPT2_PATTERN: string =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The pattern of Qwen2 and Qwen3. */
export const QWEN2_PATTERN: string =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/**
 * The default for training. As in GPT-4's pattern a word takes one space or sign before it and line breaks end a
 * pretoken; combining marks belong to their word; and each digit stands alone, so that numbers are spelled by place.
 */
export const WORDS_AND_DIGITS_PATTERN: string =
  "'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\\r\\n\\p{L}\\p{M}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}" +
  '| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const APOSTROPHE = 0x27;

/** The end of an English contraction (`'s`, `'re` …) that starts at an apostrophe, or `start`. */
function contractionEnd(text: string, start: number, anyCase: boolean): number {
  let tail = text.slice(start + 1, start + 3);
  if (anyCase) tail = tail.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const first = tail.charAt(0);
  if (first === 's' || first === 'd' || first === 'm' || first === 't') return start + 2;
  return tail === 'll' || tail === 've' || tail === 're' ? start + 3 : start;
}

/** The end of the run of one or two classes from `index` on. */
function runEnd(text: string, index: number, one: number, other: number = one): number {
  let at = index;
  while (at < text.length) {
    const found = classAt(text, at);
    if (found !== one && found !== other) break;
    at += widthAt(text, at);
  }
  return at;
}

/** `\s+(?!\S)|\s+`: white space leaves its last character to the word behind it. */
function spaceEnd(text: string, start: number): number {
  const end = runEnd(text, start, SPACE, NEWLINE);
  return end < text.length && end - start > 1 ? end - 1 : end;
}

// The two patterns by hand: several times faster than RegExp, and no line is too long for them (RegExp keeps a stack
// of places to return to and overflows it on some megabytes of one class).

const gpt2: Pretokenizer = {
  pattern: GPT2_PATTERN,
  end(text, start) {
    const unit = text.charCodeAt(start);
    if (unit === APOSTROPHE) {
      const end = contractionEnd(text, start, false);
      if (end > start) return end;
    }
    let from = start;
    let first = classAt(text, start);
    if (unit === 0x20 && start + 1 < text.length) {
      const next = classAt(text, start + 1);
      if (next !== SPACE && next !== NEWLINE) {
        from = start + 1;
        first = next;
      }
    }
    if (first === SPACE || first === NEWLINE) return spaceEnd(text, start);
    if (first === LETTER || first === NUMBER) return runEnd(text, from, first);
    return runEnd(text, from, OTHER, MARK);
  },
};

const wordsAndDigits: Pretokenizer = {
  pattern: WORDS_AND_DIGITS_PATTERN,
  end(text, start) {
    const unit = text.charCodeAt(start);
    if (unit === APOSTROPHE) {
      const end = contractionEnd(text, start, true);
      if (end > start) return end;
    }
    const first = classAt(text, start);
    if (first === LETTER || first === MARK) return runEnd(text, start, LETTER, MARK);
    const after = start + widthAt(text, start);
    if (first === NUMBER) return after;
    const second = after < text.length ? classAt(text, after) : 0;
    if (first !== NEWLINE && (second === LETTER || second === MARK)) return runEnd(text, after, LETTER, MARK);
    if (first === OTHER || (unit === 0x20 && second === OTHER)) {
      return runEnd(text, runEnd(text, after, OTHER), NEWLINE);
    }
    const end = runEnd(text, start, SPACE, NEWLINE);
    for (let at = end - 1; at >= start; at--) {
      if (classAt(text, at) === NEWLINE) return at + 1;
    }
    return end < text.length && end - start > 1 ? end - 1 : end;
  },
};

/** No cut at all: the whole text is one pretoken. */
export const WHOLE_TEXT: Pretokenizer = { pattern: '[\\s\\S]+', end: (text) => text.length };

/**
 * The pretokenizer of a pattern: by hand where it is one of ours, else through `RegExp`. Text between matches is a
 * pretoken too.
 *
 * @throws {InputError} if the pattern uses syntax that JavaScript lacks.
 */
export function pretokenizerOf(pattern: string, where = 'pre_tokenizer'): Pretokenizer {
  const known = [wordsAndDigits, gpt2, WHOLE_TEXT].find((candidate) => candidate.pattern === pattern);
  if (known) return known;
  const expression = translatePattern(pattern, where);
  return {
    pattern,
    end(text, start) {
      for (let from = start; from < text.length; ) {
        expression.lastIndex = from;
        const match = expression.exec(text);
        if (match === null) return text.length;
        if (match[0] === '') {
          from = match.index + (match.index < text.length ? widthAt(text, match.index) : 1);
          continue;
        }
        return match.index > start ? match.index : match.index + match[0].length;
      }
      return text.length;
    },
  };
}
