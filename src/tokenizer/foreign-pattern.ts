import type { Json } from '../util/json.js';
import { LLAMA3_PATTERN } from './gguf-pre.js';
import { GPT2_PATTERN, QWEN2_PATTERN, WHOLE_TEXT, WORDS_AND_DIGITS_PATTERN } from './pretokenizer.js';

/** Patterns that take time in proportion to a text; the last is what SentencePiece's own settings become. */
const LINEAR: ReadonlySet<string> = new Set([
  GPT2_PATTERN,
  QWEN2_PATTERN,
  LLAMA3_PATTERN,
  WORDS_AND_DIGITS_PATTERN,
  WHOLE_TEXT.pattern,
  ' {2,}',
]);

/** Whether a part of a `tokenizer.json` holds a regular expression that may take time without bound, as `(a+)+$` does. */
export function hasForeignPattern(part: Json): boolean {
  if (part === null || typeof part !== 'object') return false;
  if (!Array.isArray(part) && typeof part.Regex === 'string') return !LINEAR.has(part.Regex);
  return Object.values(part).some(hasForeignPattern);
}
