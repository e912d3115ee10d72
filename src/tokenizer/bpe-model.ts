import type { Json } from '../util/json.js';
import { vocabularyToJson } from './base-tokenizer.js';

/** The `model` of a `tokenizer.json` that is BPE. @param settings what is not as in GPT-2. */
export function bpeModelToJson(
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly (readonly [left: string, right: string])[],
  settings: { [key: string]: Json },
): Json {
  const hasSpace = merges.some(([left, right]) => left.includes(' ') || right.includes(' '));
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...settings,
    vocab: vocabularyToJson(vocabulary),
    // The older form, which more readers know; it cannot say a token with a space.
    merges: merges.map(([left, right]) => (hasSpace ? [left, right] : `${left} ${right}`)),
  };
}
