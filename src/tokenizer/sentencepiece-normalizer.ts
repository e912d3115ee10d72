import type { Json } from '../util/json.js';
import type { Normalizer } from './normalizer.js';
import type { PrecompiledCharsmap } from './precompiled-charsmap.js';

const SPACE = 0x20;
/** UTF-8 of `▁`, which stands for a space. */
const MARK: readonly [number, number, number] = [0xe2, 0x96, 0x81];

export interface SentencePieceNormalization {
  /** Rules for characters; none: they stay as they are. */
  readonly charsmap: PrecompiledCharsmap | undefined;
  /** A space is put before the text. */
  readonly addDummyPrefix: boolean;
  /** Spaces at both ends go, and runs of them become one. */
  readonly removeExtraWhitespaces: boolean;
}

/**
 * Normalisation as SentencePiece itself does it (Kudo and Richardson, 2018): at each place the longest rule that
 * applies, then what its settings say of spaces, which become `▁`.
 */
export class SentencePieceNormalizer implements Normalizer {
  /** The nearest that `tokenizer.json` can say: there the rules look at user-perceived characters, one by one. */
  readonly json: Json;
  private readonly rules: SentencePieceNormalization;
  private readonly encoder = new TextEncoder();
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** @param charsmapBase64 the rules as `Precompiled` of `tokenizer.json` holds them. */
  constructor(rules: SentencePieceNormalization, charsmapBase64: string) {
    this.rules = rules;
    const { charsmap, addDummyPrefix, removeExtraWhitespaces } = rules;
    const steps: Json[] = [];
    if (charsmap !== undefined) steps.push({ type: 'Precompiled', precompiled_charsmap: charsmapBase64 });
    if (removeExtraWhitespaces) {
      steps.push({ type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' });
      // At the start and at the end; Strip would take other white space too.
      steps.push({ type: 'Replace', pattern: { Regex: '(?<![\\s\\S]) | (?![\\s\\S])' }, content: '' });
    }
    if (addDummyPrefix) steps.push({ type: 'Prepend', prepend: '\u2581' });
    steps.push({ type: 'Replace', pattern: { String: ' ' }, content: '\u2581' });
    this.json = { type: 'Sequence', normalizers: steps };
  }

  normalize(text: string): string {
    const { charsmap, addDummyPrefix, removeExtraWhitespaces } = this.rules;
    const bytes = this.encoder.encode(text);
    const out = new ByteList(2 * bytes.length + 16);
    let afterSpace = removeExtraWhitespaces;
    let isEmpty = true;
    const add = (byte: number): void => {
      if (byte === SPACE && afterSpace) return;
      if (isEmpty) {
        isEmpty = false;
        if (addDummyPrefix) out.addMark();
      }
      if (byte === SPACE) out.addMark();
      else out.add(byte);
      afterSpace = false;
    };
    for (let at = 0; at < bytes.length; ) {
      const byte = bytes[at]!;
      const rule = charsmap?.mayStart(byte) === true ? charsmap.match(bytes, at, bytes.length, false) : -1;
      let last = byte;
      if (rule < 0) {
        add(byte);
        at++;
      } else {
        const replacement = charsmap!.replacement(rule);
        for (const one of replacement) add(one);
        // A rule that leaves nothing changes nothing about what came before.
        last = replacement.length === 0 ? (afterSpace ? SPACE : 0) : replacement.at(-1)!;
        at += charsmap!.matchLength;
      }
      afterSpace = removeExtraWhitespaces && last === SPACE;
    }
    if (removeExtraWhitespaces) out.dropMarksAtEnd();
    return this.decoder.decode(out.bytes());
  }
}

class ByteList {
  private list: Uint8Array;
  private length = 0;

  constructor(capacity: number) {
    this.list = new Uint8Array(capacity);
  }

  add(byte: number): void {
    if (this.length === this.list.length) {
      const larger = new Uint8Array(2 * this.length);
      larger.set(this.list);
      this.list = larger;
    }
    this.list[this.length++] = byte;
  }

  addMark(): void {
    for (const byte of MARK) this.add(byte);
  }

  dropMarksAtEnd(): void {
    const { list } = this;
    const isMark = (end: number): boolean => MARK.every((byte, i) => list[end - MARK.length + i] === byte);
    while (this.length >= MARK.length && isMark(this.length)) this.length -= MARK.length;
  }

  bytes(): Uint8Array {
    return this.list.subarray(0, this.length);
  }
}
