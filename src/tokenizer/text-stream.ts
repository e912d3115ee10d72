import type { Tokenizer } from './tokenizer.js';

/**
 * The end of a text that may still grow into another character on the screen: half a flag, or an emoji to which a
 * skin tone, a variation selector or a joined emoji may be added.
 */
const UNFINISHED =
  /\p{Extended_Pictographic}[\ufe0f\u20e3\p{Emoji_Modifier}\u{e0020}-\u{e007f}]*(?:\u200d(?:\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]*)?)*$/u;
const FLAG_LETTERS = /\p{Regional_Indicator}+$/u;
/** No emoji is longer; a chain that pretends to be is let go. */
const LONGEST_HELD = 64;

/**
 * Turns ids into text as they come, whole characters only: a Chinese character, an emoji or a flag whose bytes are
 * spread over several tokens appears when it is complete. Everything that `push` and `end` return, put together, is
 * `tokenizer.decode` of all ids.
 *
 * A SentencePiece model's first space is dropped after `bosId`, so push that too where a text begins.
 */
export class TextStream {
  private readonly tokenizer: Tokenizer;
  private readonly skipSpecial: boolean;
  private readonly specialIds: ReadonlySet<number>;
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private held = '';
  private dropSpace = false;

  constructor(tokenizer: Tokenizer, { skipSpecial = false }: { readonly skipSpecial?: boolean } = {}) {
    this.tokenizer = tokenizer;
    this.skipSpecial = skipSpecial;
    this.specialIds = new Set(tokenizer.specialTokens.values());
  }

  /** The text that is complete after this token; often empty. @throws {InputError} if the id is outside the vocabulary. */
  push(id: number): string {
    let bytes = this.tokenizer.tokenBytes(id);
    if (this.specialIds.has(id)) {
      this.dropSpace = this.tokenizer.dropsLeadingSpace === true && id === this.tokenizer.bosId;
      if (this.skipSpecial) return '';
    } else if (this.dropSpace) {
      if (bytes[0] === 0x20) bytes = bytes.subarray(1);
      this.dropSpace = false;
    }
    const text = this.held + this.decoder.decode(bytes, { stream: true });
    const tail = text.slice(-LONGEST_HELD);
    const keep = Math.min(unfinishedLength(tail), LONGEST_HELD - 1);
    this.held = keep === 0 ? '' : text.slice(-keep);
    return keep === 0 ? text : text.slice(0, -keep);
  }

  /** What was held back; bytes that never became a character are U+FFFD. The stream may be used again. */
  end(): string {
    const text = this.held + this.decoder.decode();
    this.held = '';
    this.dropSpace = false;
    return text;
  }
}

function unfinishedLength(text: string): number {
  const flags = FLAG_LETTERS.exec(text)?.[0];
  // A flag is two letters of two UTF-16 units each; complete pairs were let go before.
  if (flags !== undefined) return flags.length % 4 === 0 ? 0 : 2;
  return UNFINISHED.exec(text)?.[0].length ?? 0;
}
