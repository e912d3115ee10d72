import type { Json } from '../util/json.js';

export interface EncodeOptions {
  /** Recognise special tokens written in the text. Default false: untrusted text must not forge them. */
  readonly allowSpecial?: boolean;
  /** Put the tokens around the text that the model was trained to see there (`[CLS]` … `[SEP]`, `<s>`). Default false. */
  readonly addSpecial?: boolean;
}

export interface DecodeOptions {
  /** Leave special tokens out of the text. Default false. */
  readonly skipSpecial?: boolean;
}

/**
 * Text to token ids and back.
 *
 * `decode(encode(text)) === text` for every well-formed text; a lone surrogate, which no UTF-8 can say, comes back as
 * U+FFFD. Kinds with `isLossy` keep less: there the text comes back as near as the published decoder brings it.
 */
export interface Tokenizer {
  /** `byte-bpe`, `character`, `sentencepiece-bpe` … */
  readonly kind: string;
  /** Ids lie in `[0, vocabularySize)`. */
  readonly vocabularySize: number;
  /** Text of each special token to its id. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** The token that opens a document. */
  readonly bosId: number | undefined;
  /** The token that closes a document. */
  readonly eosId: number | undefined;
  /** The token that fills a batch. */
  readonly padId: number | undefined;
  /**
   * True where encoding puts a space before the text (SentencePiece), so that decoding drops one space at the start
   * of the text and after `bosId`.
   */
  readonly dropsLeadingSpace?: boolean;
  /** True where encoding forgets something of the text (case, accents, white space, characters without a token). */
  readonly isLossy?: boolean;
  encode(text: string, options?: EncodeOptions): Int32Array;
  /** @throws {InputError} if an id is outside the vocabulary. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** The raw bytes a token stands for (special tokens: the UTF-8 of their text). @throws {InputError} as `decode`. */
  tokenBytes(id: number): Uint8Array;
  /** The content of a standard Hugging Face `tokenizer.json`. */
  toJson(): Json;
}

/** A token matched in the text before anything else looks at it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Special tokens are recognised only where `allowSpecial` is given, other added tokens always. */
  readonly special: boolean;
  /** White space before it belongs to it and is gone when the token is decoded. */
  readonly stripsLeft?: boolean;
  /** White space behind it belongs to it. */
  readonly stripsRight?: boolean;
  /** Not recognised inside a word. */
  readonly isSingleWord?: boolean;
  /** Looked for, normalised, in the normalised text; else as it is in the text as it is. */
  readonly isNormalized?: boolean;
}

/** Which special tokens (by their text) open and close a document and fill a batch. */
export interface TokenRoles {
  readonly bos?: string | undefined;
  readonly eos?: string | undefined;
  readonly pad?: string | undefined;
}

/** The token that stands between documents, and the default for all three roles. */
export const END_OF_TEXT = '<|endoftext|>';

/** The ids behind the roles. Without roles, `<|endoftext|>` plays all of them where it exists. */
export function roleIds(
  specialTokens: ReadonlyMap<string, number>,
  roles: TokenRoles = specialTokens.has(END_OF_TEXT) ? { bos: END_OF_TEXT, eos: END_OF_TEXT, pad: END_OF_TEXT } : {},
): { bosId: number | undefined; eosId: number | undefined; padId: number | undefined } {
  const id = (content: string | undefined): number | undefined =>
    content === undefined ? undefined : specialTokens.get(content);
  return { bosId: id(roles.bos), eosId: id(roles.eos), padId: id(roles.pad) };
}
