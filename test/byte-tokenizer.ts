import type { Tokenizer } from '../src/tokenizer/tokenizer.js';

const SPECIAL = [
  '<|endoftext|>',
  '<|end|>',
  '<|user|>',
  '<|assistant|>',
  '<|system|>',
  '<|tool|>',
  '<|call|>',
] as const;

/** A tokenizer for tests: one token a byte, and a few special tokens after them. */
export function byteTokenizer(): Tokenizer {
  const specialTokens = new Map<string, number>(SPECIAL.map((text, index) => [text, 256 + index]));
  const texts = new Map([...specialTokens].map(([text, id]) => [id, text]));
  const tokenBytes = (id: number): Uint8Array =>
    id < 256 ? Uint8Array.of(id) : new TextEncoder().encode(texts.get(id) ?? '');
  return {
    kind: 'bytes',
    vocabularySize: 256 + SPECIAL.length,
    specialTokens,
    bosId: undefined,
    eosId: 256,
    padId: 256,
    encode(text, options = {}) {
      if (options.allowSpecial !== true) return Int32Array.from(new TextEncoder().encode(text));
      const parts = text.split(/(<\|[a-z]+\|>)/);
      return Int32Array.from(
        parts.flatMap((part) => {
          const id = specialTokens.get(part);
          return id === undefined ? [...new TextEncoder().encode(part)] : [id];
        }),
      );
    },
    decode(ids, options = {}) {
      const kept = Array.from(ids).filter((id) => id < 256 || options.skipSpecial !== true);
      return Buffer.concat(kept.map((id) => tokenBytes(id))).toString('utf8');
    },
    tokenBytes,
    toJson: () => ({}),
  };
}
