import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { messageOf } from '../util/errors.js';
import { HARD_TEXTS } from './verify-texts.js';
import type { Verdict } from './verify-verdict.js';

/** Where two tokenizers part. */
export interface TokenizerDifference {
  readonly text: string;
  /** The way of encoding, or what was asked. */
  readonly way: string;
  readonly a: string;
  readonly b: string;
}

export interface TokenizerComparison {
  readonly verdict: Verdict;
  readonly texts: number;
  /** Encodings and decodings that were compared. */
  readonly checks: number;
  readonly differing: number;
  /** The first few. */
  readonly differences: readonly TokenizerDifference[];
}

const MOST_SHOWN = 5;

const WAYS = [
  ['plain', {}],
  ['with the tokens around it', { addSpecial: true }],
  ['special tokens recognised', { allowSpecial: true }],
  ['both', { addSpecial: true, allowSpecial: true }],
] as const;

/**
 * Compares two tokenizers: the ids of hard texts, of the tokenizers' own special tokens written out and of `texts`, with and
 * without special tokens; the text of those ids; what each id stands for, since texts never hold them all; and which tokens
 * open and close a text.
 */
export function compareTokenizers(a: Tokenizer, b: Tokenizer, texts: readonly string[] = []): TokenizerComparison {
  const own = [...new Set([...a.specialTokens.keys(), ...b.specialTokens.keys()])];
  const written =
    own.length === 0 ? [] : [own.slice(0, 200).join(' '), ...own.slice(0, 20).map((name) => `x${name} y`)];
  const all = [...HARD_TEXTS, ...written, ...texts];
  const differences: TokenizerDifference[] = [];
  let [checks, differing] = [0, 0];
  const hold = (text: string, way: string, left: string, right: string): void => {
    checks++;
    if (left === right) return;
    differing++;
    if (differences.length < MOST_SHOWN) differences.push({ text, way, ...around(left, right) });
  };
  for (const text of all) {
    for (const [way, options] of WAYS) {
      const ids = a.encode(text, options);
      hold(text, way, ids.join(' '), b.encode(text, options).join(' '));
      if (way !== 'both') continue;
      for (const skipSpecial of [false, true]) {
        const decode = (tokenizer: Tokenizer): string => attempt(() => tokenizer.decode(ids, { skipSpecial }));
        hold(text, skipSpecial ? 'decoded without special tokens' : 'decoded', decode(a), decode(b));
      }
    }
  }
  // One file may fill ids up that the other leaves empty: what both know counts.
  for (let id = 0; id < Math.min(a.vocabularySize, b.vocabularySize); id++) {
    const [left, right] = [bytesOf(a, id), bytesOf(b, id)];
    if (left !== undefined && right !== undefined) hold('', `what id ${id} stands for`, left, right);
  }
  const roleOf = (id: number | undefined): string => (id === undefined ? 'none' : `${id}`);
  hold('', 'the token that opens a text', roleOf(a.bosId), roleOf(b.bosId));
  hold('', 'the token that closes a text', roleOf(a.eosId), roleOf(b.eosId));
  hold('', 'special tokens', specials(a), specials(b));
  return { verdict: differing === 0 ? 'equal' : 'differs', texts: all.length, checks, differing, differences };
}

/** Readable where it is text, and different for different bytes. */
function bytesOf(tokenizer: Tokenizer, id: number): string | undefined {
  try {
    const bytes = Buffer.from(tokenizer.tokenBytes(id));
    const text = bytes.toString('utf8');
    return Buffer.from(text).equals(bytes) ? text : `bytes ${bytes.toString('hex')}`;
  } catch {
    return undefined;
  }
}

function specials({ specialTokens }: Tokenizer): string {
  return [...specialTokens]
    .sort(([, left], [, right]) => left - right)
    .map(([text, id]) => `${text}=${id}`)
    .join(' ');
}

function attempt(work: () => string): string {
  try {
    return work();
  } catch (error) {
    return `refused: ${messageOf(error)}`;
  }
}

const SHOWN_BEFORE = 24;
const SHOWN_AFTER = 56;

/** The places of two long texts at which they part. */
function around(a: string, b: string): { readonly a: string; readonly b: string } {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const begin = Math.max(0, at - SHOWN_BEFORE);
  const cut = (text: string): string =>
    `${begin > 0 ? '…' : ''}${text.slice(begin, at + SHOWN_AFTER)}${text.length > at + SHOWN_AFTER ? '…' : ''}`;
  return { a: cut(a), b: cut(b) };
}
