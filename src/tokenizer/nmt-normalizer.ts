/** White space of every kind, joiners, the byte order mark, and the mark that SentencePiece writes for a space. */
const SPACES = new Set('\t\n\f\r\u1680\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u2581\ufeff\ufffd');
/** Control characters that stay. */
const KEPT = /[\0\u0080-\u008e\u0090-\u009e]/;

/** The `Nmt` normalizer of `tokenizer.json`: control characters go, what counts as white space becomes a space. */
export function normalizeNmt(text: string): string {
  return text.replace(/[\p{Cc}\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/gu, (character) => {
    if (SPACES.has(character)) return ' ';
    return KEPT.test(character) ? character : '';
  });
}
