import { createHash } from 'node:crypto';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import type { Document } from './document.js';

/** Token ids in the narrowest array that holds the vocabulary. */
export type TokenIds = Uint16Array | Uint32Array;

/** A list of token ids that grows. */
export class TokenList {
  private ids: TokenIds;
  length = 0;

  constructor(private readonly vocabularySize: number) {
    this.ids = this.allocate(1 << 14);
  }

  private allocate(capacity: number): TokenIds {
    return this.vocabularySize <= 65_536 ? new Uint16Array(capacity) : new Uint32Array(capacity);
  }

  append(ids: ArrayLike<number>): void {
    const length = this.length + ids.length;
    if (length > this.ids.length) {
      const grown = this.allocate(Math.max(length, this.ids.length * 2));
      grown.set(this.ids.subarray(0, this.length));
      this.ids = grown;
    }
    this.ids.set(ids, this.length);
    this.length = length;
  }

  /** The ids, without room to spare. */
  toArray(): TokenIds {
    return this.ids.slice(0, this.length);
  }
}

/** Numbers that name some arrays, to notice later that they have changed. */
export function fingerprintOf(...arrays: readonly ArrayBufferView[]): string {
  const hash = createHash('sha256');
  for (const array of arrays) {
    hash.update(`${array.byteLength};`).update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Documents as one row of tokens, an end-of-text token after each. */
export interface TokenStore {
  readonly ids: TokenIds;
  /** Where each document begins in `ids`. */
  readonly starts: Uint32Array;
  /** The token after each document. */
  readonly eosId: number;
  /** UTF-8 bytes of the texts, the denominator of bits per byte. */
  readonly textBytes: number;
}

/** Options of `packDocuments`. */
export interface PackOptions {
  /** Put the tokenizer's opening token, where it is not the end token too, before each document. Default false. */
  readonly prependBos?: boolean;
  /** Told from time to time how far packing is. */
  readonly onProgress?: (progress: { readonly documents: number; readonly textBytes: number }) => void;
}

/** Documents between two reports of progress. */
const PROGRESS_EVERY = 256;

/**
 * Encodes documents into one row of tokens with the end-of-text token after each. Text that spells a special token is
 * ordinary text.
 * @throws {InputError} if there is no text, or the tokenizer has no end-of-text token.
 */
export async function packDocuments(
  documents: Iterable<Document> | AsyncIterable<Document>,
  tokenizer: Tokenizer,
  options: PackOptions = {},
): Promise<TokenStore> {
  const { eosId, bosId } = tokenizer;
  if (eosId === undefined) throw new InputError('the tokenizer has no end-of-text token to put between documents');
  const opening = options.prependBos === true && bosId !== undefined && bosId !== eosId ? [bosId] : [];
  const list = new TokenList(tokenizer.vocabularySize);
  const starts: number[] = [];
  let textBytes = 0;
  for await (const { text } of documents) {
    starts.push(list.length);
    list.append(opening);
    list.append(tokenizer.encode(text));
    list.append([eosId]);
    textBytes += Buffer.byteLength(text);
    if (starts.length % PROGRESS_EVERY === 0) options.onProgress?.({ documents: starts.length, textBytes });
  }
  options.onProgress?.({ documents: starts.length, textBytes });
  if (textBytes === 0) throw new InputError('the data holds no text');
  return { ids: list.toArray(), starts: Uint32Array.from(starts), eosId, textBytes };
}
