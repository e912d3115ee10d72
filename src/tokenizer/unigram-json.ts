import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { idAt, listAt, mustBe, objectAt, textAt } from './json-fields.js';
import { readNormalizer } from './normalizer.js';
import { readPostProcessor } from './post-processor.js';
import { type PreTokenizer, readPreTokenizer, stepsOf } from './pre-tokenizer.js';
import { readSpaceMarks } from './space-marks.js';
import type { TokenRoles } from './tokenizer.js';
import { MAXIMUM_ID, nameOf, readAddedTokens, typeOf } from './tokenizer-json.js';
import { Unigram, type UnigramPiece } from './unigram.js';

type JsonObject = { [key: string]: Json };

/**
 * The tokenizer of a `tokenizer.json` whose model is Unigram: T5, XLM-RoBERTa, ALBERT, multilingual MiniLM.
 *
 * @throws {InputError} naming the place in the file, if it is damaged or uses a setting that is not supported.
 */
export function readUnigram(root: JsonObject, roles: TokenRoles | undefined): Unigram {
  const model = objectAt(root.model, 'model');
  mustBe(model.byte_fallback, [undefined, null, true, false], 'model.byte_fallback');
  mustBe(model.alpha, [undefined, null, 0], 'model.alpha');
  const pieces = readPieces(model);
  const vocabulary = new Map(pieces.map(({ text }, id) => [text, id]));
  const addedTokens = readAddedTokens(root, vocabulary);
  const unknownId = model.unk_id ?? undefined;
  const cuts = readCuts(root.pre_tokenizer);
  return new Unigram({
    pieces,
    unknownId: unknownId === undefined ? undefined : idAt(unknownId, 'model.unk_id', pieces.length),
    byteFallback: model.byte_fallback === true,
    cuts,
    addedTokens,
    roles,
    normalizer: readNormalizer(root.normalizer),
    postProcessor: readPostProcessor(root.post_processor, vocabulary),
    ...readDecoder(root.decoder),
    isLossy: !keepsAll(root.normalizer, cuts, model.byte_fallback === true),
  });
}

function readPieces(model: JsonObject): UnigramPiece[] {
  const places = new Map<string, number>();
  const vocab = listAt(model.vocab, 'model.vocab');
  if (vocab.length > MAXIMUM_ID) throw new InputError('too many tokens', { where: 'model.vocab' });
  return vocab.map((value, id) => {
    const where = `model.vocab[${id}]`;
    const [text, score, ...rest] = listAt(value, where);
    if (typeof score !== 'number' || rest.length > 0) {
      throw new InputError('not a token and its score', { where, got: JSON.stringify(value).slice(0, 80) });
    }
    const token = textAt(text, `${where}[0]`);
    const other = places.get(token);
    if (other !== undefined) throw new InputError(`is token ${other} already`, { where, got: JSON.stringify(token) });
    places.set(token, id);
    return { text: token, score };
  });
}

function readCuts(value: Json | undefined): PreTokenizer[] {
  return stepsOf(value).map((step, i) => {
    const where = `pre_tokenizer[${i}]`;
    return step.type === 'Metaspace' ? readSpaceMarks(step, where) : readPreTokenizer(step, where);
  });
}

/** The decoder, and whether it leaves the first space of a text. */
function readDecoder(value: Json | undefined): { readonly decoder: Json; readonly keepsLeadingSpace: boolean } {
  const decoder = objectAt(value, 'decoder');
  const steps =
    decoder.type === 'Sequence'
      ? listAt(decoder.decoders, 'decoder.decoders').map((step, i) => objectAt(step, `decoder.decoders[${i}]`))
      : [decoder];
  const types = steps.map((step) => nameOf(typeOf(step)));
  const isSpelled = /^Replace, (ByteFallback, )?Fuse(, Strip)?$/.test(types.join(', '));
  const marks = steps[types.lastIndexOf('Metaspace')];
  const isMarked = /^(ByteFallback, )?Metaspace$|^Metaspace, ByteFallback(, Fuse)?$/.test(types.join(', '));
  if (isMarked && marks !== undefined) {
    mustBe(marks.replacement, ['\u2581'], 'decoder.replacement');
    mustBe(marks.prepend_scheme, [undefined, 'always', 'first', 'never'], 'decoder.prepend_scheme');
    const scheme = marks.prepend_scheme ?? (marks.add_prefix_space === false ? 'never' : 'always');
    return { decoder, keepsLeadingSpace: scheme === 'never' };
  }
  if (isSpelled) return { decoder, keepsLeadingSpace: types.at(-1) !== 'Strip' };
  throw new InputError('this decoder is not supported with Unigram', {
    where: 'decoder',
    expected: 'Metaspace, or Replace, ByteFallback, Fuse, Strip',
    got: types.join(', '),
  });
}

/** Whether decoding gives back what was encoded: every space is marked, and nothing else is changed. */
function keepsAll(normalizer: Json | undefined, cuts: readonly PreTokenizer[], byteFallback: boolean): boolean {
  const steps = JSON.stringify(normalizer ?? null);
  const marksSpaces = steps === JSON.stringify(SPACE_BEFORE);
  return byteFallback && marksSpaces && cuts.every(({ json }) => objectAt(json, '').type === 'Metaspace');
}

/** A space before every section, and `▁` for all of them: nothing is lost. */
export const SPACE_BEFORE: Json = {
  type: 'Sequence',
  normalizers: [
    { type: 'Prepend', prepend: '\u2581' },
    { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
  ],
};
