import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { classAt, NEWLINE, SPACE } from './character-classes.js';
import type { Normalizer } from './normalizer.js';
import type { AddedToken } from './tokenizer.js';

/** What is done with a stretch of ordinary text; `isFirst`: the text begins with it. */
type OnText = (text: string, isFirst: boolean) => void;

/**
 * Finds added tokens in text: the leftmost first, the longest of those that start at the same place. Tokens that are
 * looked for in normalised text are found behind the others, in what those leave.
 */
export class AddedTokenSplitter {
  private readonly always: TokenFinder;
  private readonly all: TokenFinder;
  private readonly alwaysNormalized: TokenFinder;
  private readonly allNormalized: TokenFinder;
  private readonly normalizer: Normalizer | undefined;

  constructor(added: readonly AddedToken[], normalizer?: Normalizer) {
    const plain = added.filter((token) => token.isNormalized !== true);
    const normalized = added
      .filter((token) => token.isNormalized === true)
      .map((token) => ({ ...token, content: normalizer?.normalize(token.content) ?? token.content }))
      .filter(({ content }) => content !== '');
    const isAlways = (token: AddedToken): boolean => !token.special;
    this.always = new TokenFinder(plain.filter(isAlways));
    this.all = new TokenFinder(plain);
    this.alwaysNormalized = new TokenFinder(normalized.filter(isAlways));
    this.allNormalized = new TokenFinder(normalized);
    this.normalizer = normalizer;
  }

  /** Calls `onText` for each stretch of ordinary text, normalised, and `onToken` for each added token, in order. */
  split(text: string, allowSpecial: boolean, onText: OnText, onToken: (id: number) => void): void {
    const { normalizer } = this;
    const second = allowSpecial ? this.allNormalized : this.alwaysNormalized;
    const onSection = (section: string, isFirst: boolean): void => {
      const normalized = normalizer === undefined ? section : normalizer.normalize(section);
      second.split(normalized, (part, isStart) => onText(part, isFirst && isStart), onToken);
    };
    (allowSpecial ? this.all : this.always).split(text, onSection, onToken);
  }
}

class TokenFinder {
  private readonly tokens: ReadonlyMap<string, AddedToken>;
  private readonly expression: RegExp | undefined;

  constructor(tokens: readonly AddedToken[]) {
    this.tokens = new Map(tokens.map((token) => [token.content, token]));
    const longestFirst = [...this.tokens.keys()].sort((a, b) => b.length - a.length);
    const escaped = longestFirst.map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
    this.expression = escaped.length === 0 ? undefined : new RegExp(escaped.join('|'), 'g');
  }

  split(text: string, onText: OnText, onToken: (id: number) => void): void {
    let from = 0;
    if (this.expression !== undefined) {
      for (const match of text.matchAll(this.expression)) {
        const token = this.tokens.get(match[0])!;
        let start = match.index;
        let end = start + match[0].length;
        if (start < from || (token.isSingleWord === true && isInsideWord(text, start, end))) continue;
        if (token.stripsLeft === true) while (start > from && isSpaceAt(text, start - 1)) start--;
        if (token.stripsRight === true) while (end < text.length && isSpaceAt(text, end)) end++;
        if (start > from) onText(text.slice(from, start), from === 0);
        onToken(token.id);
        from = end;
      }
    }
    if (from < text.length) onText(from === 0 ? text : text.slice(from), from === 0);
  }
}

function isSpaceAt(text: string, index: number): boolean {
  const found = classAt(text, index);
  return found === SPACE || found === NEWLINE;
}

const WORD_AT_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const WORD_AT_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

/** Whether a word goes on before or behind a place. */
function isInsideWord(text: string, start: number, end: number): boolean {
  return WORD_AT_END.test(text.slice(Math.max(0, start - 2), start)) || WORD_AT_START.test(text.slice(end, end + 2));
}

/** Special tokens numbered from 0. @throws {InputError} for an empty, repeated or forbidden text. */
export function numberSpecialTokens(contents: readonly string[], isTaken: (content: string) => boolean): AddedToken[] {
  const seen = new Set<string>();
  for (const content of contents) {
    const where = `special token ${JSON.stringify(content)}`;
    if (content === '') throw new InputError('a special token needs a text', { where });
    if (seen.has(content)) throw new InputError('is listed twice', { where });
    if (isTaken(content)) {
      throw new InputError('collides with an ordinary token of the vocabulary', {
        where,
        hint: 'Choose a text that no document holds, such as <|name|>.',
      });
    }
    seen.add(content);
  }
  return contents.map((content, id) => ({ id, content, special: true }));
}

/** The `added_tokens` of `tokenizer.json`. */
export function addedTokensToJson(added: readonly AddedToken[]): Json[] {
  return added.map((token) => ({
    id: token.id,
    content: token.content,
    single_word: token.isSingleWord ?? false,
    lstrip: token.stripsLeft ?? false,
    rstrip: token.stripsRight ?? false,
    normalized: token.isNormalized ?? false,
    special: token.special,
  }));
}
