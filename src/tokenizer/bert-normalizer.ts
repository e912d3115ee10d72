import type { Json } from '../util/json.js';
import { mustBe } from './json-fields.js';

export interface BertNormalizerSettings {
  /** Drop control characters and U+FFFD; white space of every kind becomes a space. */
  readonly cleanText: boolean;
  /** Put spaces around Chinese characters, so that each is a word. */
  readonly spaceChinese: boolean;
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

const PLAIN = /^[\t\n\r\x20-\x7e]*$/;
const DROPPED = /[\0\ufffd\p{Cc}\p{Cf}\p{Co}]/u;
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/**
 * The normalisation of BERT (Devlin et al., 2019), step by step in this order: clean, space Chinese characters, strip
 * accents, lower case.
 */
export function bertNormalize(text: string, settings: BertNormalizerSettings): string {
  let result = text;
  // ASCII has no accents, no Chinese and little to clean.
  if (PLAIN.test(text)) {
    if (settings.cleanText) result = result.replace(/[\t\n\r]/g, ' ');
    return settings.lowercase ? result.toLowerCase() : result;
  }
  if (settings.cleanText) result = clean(result);
  if (settings.spaceChinese) result = result.replace(CHINESE, ' $& ');
  if (settings.stripAccents) result = result.normalize('NFD').replace(/\p{Mn}/gu, '');
  if (settings.lowercase) result = result.replaceAll('Σ', 'σ').toLowerCase();
  return result;
}

function clean(text: string): string {
  return text.replace(/[\0\ufffd\p{Cc}\p{Cf}\p{Co}\p{White_Space}]/gu, (character) => {
    if (character === '\t' || character === '\n' || character === '\r') return ' ';
    return DROPPED.test(character) ? '' : ' ';
  });
}

/** Reads `BertNormalizer`; `strip_accents` left out or null follows `lowercase`. */
export function readBertNormalizer(part: { [key: string]: Json }, where: string): (text: string) => string {
  const flag = (key: string, fallback: boolean): boolean => {
    mustBe(part[key], [undefined, null, true, false], `${where}.${key}`);
    return typeof part[key] === 'boolean' ? part[key] : fallback;
  };
  const lowercase = flag('lowercase', true);
  const settings: BertNormalizerSettings = {
    cleanText: flag('clean_text', true),
    spaceChinese: flag('handle_chinese_chars', true),
    stripAccents: flag('strip_accents', lowercase),
    lowercase,
  };
  return (text) => bertNormalize(text, settings);
}
