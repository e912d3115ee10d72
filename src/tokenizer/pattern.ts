import { InputError, messageOf } from '../util/errors.js';

const MAXIMUM_LENGTH = 4000;

/**
 * A pattern of `tokenizer.json` (Oniguruma syntax) as a JavaScript `RegExp` with the flags `gu`.
 *
 * Two things differ and are rewritten: `\s` (JavaScript adds U+FEFF and lacks U+0085) and groups that ignore the case
 * of ASCII letters, `(?i:…)`. Possessive quantifiers lose their `+`, which changes no match of the published patterns.
 *
 * @throws {InputError} if JavaScript cannot say the pattern.
 */
export function translatePattern(pattern: string, where: string): RegExp {
  try {
    if (pattern.length > MAXIMUM_LENGTH) throw new Error(`longer than ${MAXIMUM_LENGTH} characters`);
    const expression = new RegExp(translate(pattern), 'gu');
    // Compiled now, and once for each way in which texts are kept.
    expression.test('');
    expression.test('\u4e00');
    expression.lastIndex = 0;
    return expression;
  } catch (error) {
    throw new InputError(`the pattern is not usable (${messageOf(error)})`, {
      where,
      got: pattern.slice(0, 200),
      hint: 'The published patterns of GPT-2, GPT-4, Llama 3 and Qwen are; simplify this one.',
      cause: error,
    });
  }
}

/** A text as a pattern that matches it alone. @throws {InputError} if it is empty or too long. */
export function literalPattern(text: string, where: string): RegExp {
  if (text === '' || text.length > MAXIMUM_LENGTH) {
    throw new InputError('the pattern is not usable', {
      where,
      expected: `1 to ${MAXIMUM_LENGTH} characters`,
      got: `${text.length}`,
    });
  }
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'gu');
}

function translate(pattern: string): string {
  let out = '';
  let inClass = false;
  let quantified = false;
  const ignoreCase = [false];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    const rest = pattern.slice(i);
    const afterQuantifier = quantified;
    quantified = false;
    if (character === '\\') {
      const sequence = /^\\[pP]\{[^}]*\}|^\\x\{[^}]*\}|^\\[\s\S]?/.exec(rest)![0];
      i += sequence.length - 1;
      out += translateEscape(sequence);
    } else if (inClass) {
      if (character === '[' || rest.startsWith('&&')) throw new Error('nested character classes are not supported');
      if (character === ']') inClass = false;
      out += ignoreCase.at(-1) ? anyCase(character, true) : character;
    } else if (character === '[') {
      inClass = true;
      out += character;
    } else if (character === '(') {
      ignoreCase.push(rest.startsWith('(?i:') || (ignoreCase.at(-1) ?? false));
      if (rest.startsWith('(?i:')) {
        out += '(?:';
        i += 3;
      } else {
        const opening = /^\((?:\?(?:<?[=!]|:))?/.exec(rest)![0];
        out += opening;
        i += opening.length - 1;
      }
    } else if (character === ')') {
      if (ignoreCase.length === 1) throw new Error('unbalanced parenthesis');
      ignoreCase.pop();
      out += character;
    } else if ('*+?'.includes(character)) {
      if (character !== '+' || !afterQuantifier) out += character;
      quantified = true;
    } else {
      out += ignoreCase.at(-1) ? anyCase(character, false) : character;
    }
  }
  return out;
}

function translateEscape(sequence: string): string {
  if (sequence === '\\s') return '\\p{White_Space}';
  if (sequence === '\\S') return '\\P{White_Space}';
  if (sequence.startsWith('\\x{')) return `\\u{${sequence.slice(3)}`;
  // With the flag u only syntax characters may be escaped.
  return sequence.length === 2 && !/[\^$\\.*+?()[\]{}|/\-nrtfvbBdDwWxu0pP]/.test(sequence[1]!)
    ? sequence[1]!
    : sequence;
}

function anyCase(character: string, inClass: boolean): string {
  if (!/[a-zA-Z]/.test(character)) return character;
  const both = character.toLowerCase() + character.toUpperCase();
  return inClass ? both : `[${both}]`;
}
