import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { BaseTokenizer } from './base-tokenizer.js';
import { ByteBpe } from './byte-bpe.js';
import { CharacterTokenizer } from './characters.js';
import { listAt, mustBe, objectAt, textAt } from './json-fields.js';
import { readNormalizer } from './normalizer.js';
import { readPostProcessor } from './post-processor.js';
import { type PreTokenizer, readPreTokenizer, stepsOf } from './pre-tokenizer.js';
import { GPT2_PATTERN, type Pretokenizer, pretokenizerOf, WHOLE_TEXT } from './pretokenizer.js';
import { SentencePieceBpe } from './sentencepiece-bpe.js';
import { readSpaceMarks } from './space-marks.js';
import type { TokenRoles } from './tokenizer.js';
import { nameOf, readAddedTokens, readVocabulary, typeOf } from './tokenizer-json.js';

type JsonObject = { [key: string]: Json };

/**
 * The tokenizer of a `tokenizer.json` whose model is BPE: byte-level (GPT-2, Llama 3, Qwen, ours), SentencePiece-like
 * (Llama 2) or of single characters (ours).
 *
 * @throws {InputError} naming the place in the file, if it is damaged or uses a setting that is not supported.
 */
export function readBpe(root: JsonObject, roles: TokenRoles | undefined): BaseTokenizer {
  const model = objectAt(root.model, 'model');
  mustBe(model.continuing_subword_prefix, [undefined, null, ''], 'model.continuing_subword_prefix');
  mustBe(model.end_of_word_suffix, [undefined, null, ''], 'model.end_of_word_suffix');
  mustBe(model.dropout, [undefined, null, 0], 'model.dropout');
  const vocabulary = readVocabulary(model.vocab);
  const addedTokens = readAddedTokens(root, vocabulary);
  const merges = readMerges(model);
  const settings = {
    vocabulary,
    addedTokens,
    roles,
    normalizer: readNormalizer(root.normalizer),
    postProcessor: readPostProcessor(root.post_processor, vocabulary),
    ignoreMerges: model.ignore_merges === true,
  };
  const steps = stepsOf(root.pre_tokenizer);
  const unknownToken = unknownTokenOf(model, steps);
  if (model.byte_fallback === true || unknownToken !== undefined) {
    if (merges.length === 0 && unknownToken === undefined && settings.normalizer === undefined && steps.length === 0) {
      return new CharacterTokenizer(settings);
    }
    return new SentencePieceBpe({
      ...settings,
      merges: merges.map(([left, right], priority) => ({ left, right, priority })),
      cuts: steps.map((step, i) => readSpaceMarks(step, `pre_tokenizer[${i}]`)),
      keepsLeadingSpace: keepsLeadingSpace(root.decoder),
      unknownToken,
    });
  }
  checkByteLevelDecoder(root.decoder);
  return new ByteBpe({ ...settings, merges, ...readByteLevel(steps) });
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

/**
 * SentencePiece-like BPE whose vocabulary has no bytes: characters without a token are unknown. The file says it by an
 * unknown token where nothing cuts bytes.
 */
function unknownTokenOf(model: JsonObject, steps: readonly JsonObject[]): string | undefined {
  const isUnknown = typeof model.unk_token === 'string' && steps.every(({ type }) => type === 'Metaspace');
  if (model.byte_fallback === true || !isUnknown) return undefined;
  mustBe(model.fuse_unk, [true], 'model.fuse_unk');
  return model.unk_token as string;
}

interface ByteLevelCut {
  readonly cuts: readonly PreTokenizer[];
  readonly pretokenizer: Pretokenizer;
  readonly addPrefixSpace: boolean;
}

/** The steps of byte-level BPE: any cuts, then ByteLevel. */
function readByteLevel(steps: readonly JsonObject[]): ByteLevelCut {
  const where = 'pre_tokenizer';
  const byteLevel = steps.at(-1);
  if (byteLevel === undefined || byteLevel.type !== 'ByteLevel') {
    throw new InputError('these pre-tokenizers are not supported without byte fallback', {
      where,
      expected: 'ByteLevel at the end',
      got: steps.map((step) => nameOf(typeOf(step))).join(', ') || 'nothing',
    });
  }
  mustBe(byteLevel.add_prefix_space, [true, false], 'ByteLevel.add_prefix_space');
  const addPrefixSpace = byteLevel.add_prefix_space === true;
  const useRegex = byteLevel.use_regex !== false;
  const split = steps.at(-2);
  // The usual cut by one pattern has a fast way.
  const pattern = objectAt(split?.pattern ?? {}, 'Split.pattern').Regex;
  const isPlain = split?.type === 'Split' && split.behavior === 'Isolated' && split.invert !== true;
  if (!addPrefixSpace && !useRegex && isPlain && pattern !== undefined) {
    const pretokenizer = pretokenizerOf(textAt(pattern, 'Split.pattern.Regex'), 'Split.pattern');
    return { cuts: readCuts(steps.slice(0, -2)), pretokenizer, addPrefixSpace };
  }
  const pretokenizer = useRegex ? pretokenizerOf(GPT2_PATTERN) : WHOLE_TEXT;
  return { cuts: readCuts(steps.slice(0, -1)), pretokenizer, addPrefixSpace };
}

function readCuts(steps: readonly JsonObject[]): PreTokenizer[] {
  return steps.map((step, i) => readPreTokenizer(step, `pre_tokenizer[${i}]`));
}

/** The types of a decoder's steps. */
function decoderTypes(decoder: Json | undefined): string[] {
  if (decoder === undefined || decoder === null) return [];
  const part = objectAt(decoder, 'decoder');
  const steps = part.type === 'Sequence' ? listAt(part.decoders, 'decoder.decoders') : [part];
  return steps.map((step) => nameOf(typeOf(step)));
}

function checkByteLevelDecoder(decoder: Json | undefined): void {
  const types = decoderTypes(decoder);
  if (types.length > 1 || (types[0] ?? 'ByteLevel') !== 'ByteLevel') {
    throw new InputError('this decoder is not supported without byte fallback', {
      where: 'decoder',
      expected: 'ByteLevel',
      got: types.join(', '),
    });
  }
}

/** Whether the decoder leaves the first space of a text. */
function keepsLeadingSpace(decoder: Json | undefined): boolean {
  const types = decoderTypes(decoder).join(', ');
  if (types === 'Replace, ByteFallback, Fuse, Strip' || types === '') return false;
  if (types === 'Replace, ByteFallback, Fuse' || types === 'ByteFallback, Fuse') return true;
  throw new InputError('this decoder is not supported with byte fallback', {
    where: 'decoder',
    expected: 'Replace, ByteFallback, Fuse, and Strip where a space was put before the text',
    got: types,
  });
}
