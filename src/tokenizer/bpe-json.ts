import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { ByteBpe } from './byte-bpe.js';
import { CharacterTokenizer } from './characters.js';
import { idAt, listAt, mustBe, objectAt, textAt } from './json-fields.js';
import { GPT2_PATTERN, type Pretokenizer, pretokenizerOf, WHOLE_TEXT } from './pretokenizer.js';
import { SentencePieceBpe } from './sentencepiece-bpe.js';
import type { AddedToken, Tokenizer, TokenRoles } from './tokenizer.js';

type JsonObject = { [key: string]: Json };

/** More ids than any vocabulary has; a file must not make us allocate for more. */
const MAXIMUM_ID = 1 << 22;

/**
 * The tokenizer of a `tokenizer.json` whose model is BPE: byte-level (GPT-2, Llama 3, Qwen, ours), SentencePiece-like
 * (Llama 2) or of single characters (ours).
 *
 * @throws {InputError} naming the place in the file, if it is damaged or uses a setting that is not supported.
 */
export function readBpe(root: JsonObject, roles: TokenRoles | undefined): Tokenizer {
  const model = objectAt(root.model, 'model');
  mustBe(model.continuing_subword_prefix, [undefined, null, ''], 'model.continuing_subword_prefix');
  mustBe(model.end_of_word_suffix, [undefined, null, ''], 'model.end_of_word_suffix');
  const vocabulary = readVocabulary(model);
  const addedTokens = readAddedTokens(root, vocabulary);
  const merges = readMerges(model);
  if (model.byte_fallback === true) {
    mustBe(typeOf(root.pre_tokenizer), [undefined], 'pre_tokenizer.type');
    if (merges.length === 0 && typeOf(root.normalizer) === undefined) {
      return new CharacterTokenizer({ vocabulary, addedTokens, roles });
    }
    checkSentencePieceNormalizer(root.normalizer);
    const ranked = merges.map(([left, right], priority) => ({ left, right, priority }));
    return new SentencePieceBpe({ vocabulary, merges: ranked, addedTokens, roles });
  }
  mustBe(typeOf(root.normalizer), [undefined, 'NFC'], 'normalizer.type');
  return new ByteBpe({
    vocabulary,
    merges,
    addedTokens,
    pretokenizer: readPretokenizer(root.pre_tokenizer),
    roles,
    ignoreMerges: model.ignore_merges === true,
    normalizeNfc: typeOf(root.normalizer) === 'NFC',
  });
}

function typeOf(part: Json | undefined): Json | undefined {
  return part !== null && typeof part === 'object' && !Array.isArray(part) ? (part.type ?? null) : undefined;
}

function readVocabulary(model: JsonObject): Map<string, number> {
  const vocabulary = new Map<string, number>();
  const seen = new Map<number, string>();
  for (const [token, value] of Object.entries(objectAt(model.vocab, 'model.vocab'))) {
    const where = `model.vocab[${JSON.stringify(token)}]`;
    const id = idAt(value, where, MAXIMUM_ID);
    const other = seen.get(id);
    if (other !== undefined) {
      throw new InputError(`id ${id} belongs to ${JSON.stringify(other)} already`, { where });
    }
    seen.set(id, token);
    vocabulary.set(token, id);
  }
  return vocabulary;
}

/** Adds the added tokens to the vocabulary too. */
function readAddedTokens(root: JsonObject, vocabulary: Map<string, number>): AddedToken[] {
  const tokenOf = new Map([...vocabulary].map(([token, id]) => [id, token]));
  return listAt(root.added_tokens ?? [], 'added_tokens').map((value, i) => {
    const where = `added_tokens[${i}]`;
    const entry = objectAt(value, where);
    const id = idAt(entry.id, `${where}.id`, MAXIMUM_ID);
    const content = textAt(entry.content, `${where}.content`);
    for (const flag of ['single_word', 'lstrip', 'rstrip']) mustBe(entry[flag], [undefined, false], `${where}.${flag}`);
    const known = vocabulary.get(content);
    const other = tokenOf.get(id);
    if (content === '' || (known ?? id) !== id || (other ?? content) !== content) {
      throw new InputError('an added token collides with another token', {
        where,
        expected: `${JSON.stringify(content)} and ${id} to belong together alone`,
        got: `id ${known ?? id} and the text ${JSON.stringify(other ?? content)}`,
      });
    }
    vocabulary.set(content, id);
    tokenOf.set(id, content);
    return { id, content, special: entry.special === true };
  });
}

function readMerges(model: JsonObject): [string, string][] {
  return listAt(model.merges, 'model.merges').map((merge, i) => {
    const parts = typeof merge === 'string' ? merge.split(' ') : merge;
    if (Array.isArray(parts) && parts.length === 2) {
      const [left, right] = parts;
      if (typeof left === 'string' && typeof right === 'string' && left !== '' && right !== '') return [left, right];
    }
    throw new InputError('not a merge', {
      where: `model.merges[${i}]`,
      expected: '"LEFT RIGHT" or ["LEFT", "RIGHT"]',
      got: JSON.stringify(merge).slice(0, 80),
    });
  });
}

function readPretokenizer(value: Json | undefined): Pretokenizer {
  const where = 'pre_tokenizer';
  const part = objectAt(value, where);
  const steps = part.type === 'Sequence' ? listAt(part.pretokenizers, `${where}.pretokenizers`) : [part];
  const split = steps.length === 2 ? objectAt(steps[0], `${where}.pretokenizers[0]`) : undefined;
  const byteLevel = objectAt(steps.at(-1), `${where}.pretokenizers`);
  if (steps.length > 2 || byteLevel.type !== 'ByteLevel' || (split !== undefined && split.type !== 'Split')) {
    throw new InputError('these pre-tokenizers are not supported', {
      where,
      expected: 'ByteLevel, or one Split and then ByteLevel',
      got: steps.map((step) => String(typeOf(step))).join(', '),
    });
  }
  mustBe(byteLevel.add_prefix_space, [false], 'ByteLevel.add_prefix_space');
  const useRegex = byteLevel.use_regex !== false;
  if (split === undefined) return useRegex ? pretokenizerOf(GPT2_PATTERN) : WHOLE_TEXT;
  mustBe(useRegex, [false], 'ByteLevel.use_regex');
  mustBe(split.behavior, ['Isolated'], 'Split.behavior');
  mustBe(split.invert, [undefined, false], 'Split.invert');
  return pretokenizerOf(textAt(objectAt(split.pattern, 'Split.pattern').Regex, 'Split.pattern.Regex'), 'Split.pattern');
}

function checkSentencePieceNormalizer(value: Json | undefined): void {
  const isSupported =
    JSON.stringify(value) ===
    JSON.stringify({
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '\u2581' },
        { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      ],
    });
  if (!isSupported) {
    throw new InputError('this normalizer is not supported with byte fallback', {
      where: 'normalizer',
      expected: 'Prepend "▁" and Replace " " by "▁", as Llama 2 has',
      got: JSON.stringify(value ?? null).slice(0, 200),
    });
  }
}
