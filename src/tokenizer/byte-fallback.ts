const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/** The token of a byte in vocabularies with byte fallback: `<0x0A>`. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** Whether a token is one of the 256 byte tokens. */
export function isByteToken(token: string): boolean {
  return BYTE_TOKEN.test(token);
}
