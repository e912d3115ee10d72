import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { mustBe } from './json-fields.js';
import type { PreTokenizer } from './pre-tokenizer.js';

/** SentencePiece writes a space as U+2581. */
const SPACE = '\u2581';

/**
 * A step of `pre_tokenizer` that SentencePiece-like BPE may have: Metaspace, or the Split at spaces that finds none
 * because the normaliser replaced them (Gemma).
 *
 * @throws {InputError} naming the place, for any other step.
 */
export function readSpaceMarks(part: { [key: string]: Json }, where: string): PreTokenizer {
  if (part.type === 'Metaspace') return readMetaspace(part, where);
  const isNoCut =
    part.type === 'Split' &&
    part.invert !== true &&
    part.behavior === 'MergedWithPrevious' &&
    JSON.stringify(part.pattern) === '{"String":" "}';
  if (isNoCut) return { json: part, cut: (text, isStart, onPiece) => onPiece(text, isStart) };
  throw new InputError('this pre-tokenizer is not supported with byte fallback', {
    where,
    expected: 'Metaspace',
    got: JSON.stringify(part).slice(0, 200),
  });
}

function readMetaspace(part: { [key: string]: Json }, where: string): PreTokenizer {
  mustBe(part.replacement, [SPACE], `${where}.replacement`);
  mustBe(part.split, [undefined, true, false], `${where}.split`);
  mustBe(part.prepend_scheme, [undefined, 'always', 'first', 'never'], `${where}.prepend_scheme`);
  // Before the scheme had a name, a flag said whether a space is put first.
  const scheme = part.prepend_scheme ?? (part.add_prefix_space === false ? 'never' : 'always');
  const isSplit = part.split !== false;
  return {
    json: part,
    cut(text, isStart, onPiece) {
      const marked = text.replaceAll(' ', SPACE);
      const isPrefixed = !marked.startsWith(SPACE) && (scheme === 'always' || (scheme === 'first' && isStart));
      const whole = isPrefixed ? SPACE + marked : marked;
      if (!isSplit) {
        onPiece(whole, isStart);
        return;
      }
      for (let from = 0; from < whole.length; ) {
        const next = whole.indexOf(SPACE, from + 1);
        const end = next < 0 ? whole.length : next;
        onPiece(whole.slice(from, end), isStart && from === 0);
        from = end;
      }
    },
  };
}
