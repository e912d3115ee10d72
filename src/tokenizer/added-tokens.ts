import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { AddedToken } from './tokenizer.js';

/** Finds added tokens in text: the leftmost first, the longest of those that start at the same place. */
export class AddedTokenSplitter {
  private readonly always: TokenFinder;
  private readonly all: TokenFinder;

  constructor(added: readonly AddedToken[]) {
    this.always = new TokenFinder(added.filter((token) => !token.special));
    this.all = new TokenFinder(added);
  }

  /** Calls `onText` for each stretch of ordinary text and `onToken` for each added token, in order. */
  split(text: string, allowSpecial: boolean, onText: (text: string) => void, onToken: (id: number) => void): void {
    (allowSpecial ? this.all : this.always).split(text, onText, onToken);
  }
}

class TokenFinder {
  private readonly ids: ReadonlyMap<string, number>;
  private readonly expression: RegExp | undefined;

  constructor(tokens: readonly AddedToken[]) {
    this.ids = new Map(tokens.map((token) => [token.content, token.id]));
    const longestFirst = [...this.ids.keys()].sort((a, b) => b.length - a.length);
    const escaped = longestFirst.map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
    this.expression = escaped.length === 0 ? undefined : new RegExp(escaped.join('|'), 'g');
  }

  split(text: string, onText: (text: string) => void, onToken: (id: number) => void): void {
    let from = 0;
    if (this.expression !== undefined) {
      for (const match of text.matchAll(this.expression)) {
        if (match.index > from) onText(text.slice(from, match.index));
        onToken(this.ids.get(match[0])!);
        from = match.index + match[0].length;
      }
    }
    if (from < text.length) onText(from === 0 ? text : text.slice(from));
  }
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
  return added.map(({ id, content, special }) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special,
  }));
}
