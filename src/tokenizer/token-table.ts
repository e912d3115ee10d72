import { InputError } from '../util/errors.js';
import type { AddedToken, DecodeOptions, Tokenizer } from './tokenizer.js';

const NOTHING = new Uint8Array(0);

/** The bytes of every token, and which tokens are special: all that decoding needs. */
export class TokenTable {
  readonly size: number;
  readonly specialTokens: ReadonlyMap<string, number>;
  private readonly bytes: (Uint8Array | undefined)[];
  private readonly special: Uint8Array;

  /**
   * @param bytes by id; an id that no token has is left undefined.
   * @param added their bytes are the UTF-8 of their text, whatever `bytes` says.
   */
  constructor(bytes: (Uint8Array | undefined)[], added: readonly AddedToken[]) {
    const encoder = new TextEncoder();
    for (const token of added) bytes[token.id] = encoder.encode(token.content);
    this.bytes = bytes;
    this.size = bytes.length;
    this.special = new Uint8Array(bytes.length);
    const specials = added.filter((token) => token.special);
    for (const token of specials) this.special[token.id] = 1;
    this.specialTokens = new Map(specials.map((token) => [token.content, token.id]));
  }

  /** @throws {InputError} if the id is outside the vocabulary. An id inside it that no token has stands for nothing. */
  tokenBytes(id: number): Uint8Array {
    if (!Number.isInteger(id) || id < 0 || id >= this.size) {
      throw new InputError('not a token of this vocabulary', {
        where: `token ${id}`,
        expected: `an id from 0 to ${this.size - 1}`,
        hint: 'The ids come from another tokenizer, or from a model with a larger vocabulary than this one.',
      });
    }
    return this.bytes[id] ?? NOTHING;
  }

  /** The text of ids; bytes that are not UTF-8 become U+FFFD. */
  decode(
    ids: ArrayLike<number>,
    { skipSpecial = false }: DecodeOptions,
    rules: Pick<Tokenizer, 'dropsLeadingSpace' | 'bosId'>,
  ): string {
    const pieces: Uint8Array[] = [];
    let length = 0;
    let dropSpace = rules.dropsLeadingSpace === true;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      let piece = this.tokenBytes(id);
      if (this.special[id] === 1) {
        if (rules.dropsLeadingSpace && id === rules.bosId) dropSpace = true;
        if (skipSpecial) continue;
      } else if (dropSpace) {
        if (piece[0] === 0x20) piece = piece.subarray(1);
        dropSpace = false;
      }
      pieces.push(piece);
      length += piece.length;
    }
    const all = new Uint8Array(length);
    let offset = 0;
    for (const piece of pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(all);
  }
}
