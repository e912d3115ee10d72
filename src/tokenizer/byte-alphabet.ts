/**
 * The byte alphabet of GPT-2: each of the 256 bytes as one printable character, so that any byte string can be
 * written in a JSON vocabulary. Printable Latin-1 bytes stand for themselves, the other 68 for U+0100 onwards
 * (the space becomes `Ġ`, the newline `Ċ`).
 */

/** The bytes in the order in which GPT-2 numbers them: the printable ones first. */
export const BYTE_ORDER: Uint8Array = new Uint8Array(256);

/** The character of each byte. */
export const BYTE_TO_CHARACTER: readonly string[] = new Array<string>(256);

const CHARACTER_TO_BYTE = new Map<string, number>();

{
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  BYTE_ORDER.set([...bytes.filter(isPrintable), ...bytes.filter((byte) => !isPrintable(byte))]);
  let next = 256;
  for (const byte of BYTE_ORDER) {
    const character = String.fromCharCode(isPrintable(byte) ? byte : next++);
    (BYTE_TO_CHARACTER as string[])[byte] = character;
    CHARACTER_TO_BYTE.set(character, byte);
  }
}

/** Bytes written in the alphabet. */
export function bytesToAlphabet(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += BYTE_TO_CHARACTER[byte];
  return text;
}

/** The bytes behind a text in the alphabet; undefined if it holds another character. */
export function alphabetToBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = CHARACTER_TO_BYTE.get(text[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
