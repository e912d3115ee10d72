import { CorruptFileError, InputError, inFile } from '../util/errors.js';
import { readBytesUpTo } from '../util/file-parts.js';
import type { Json } from '../util/json.js';
import { isByteToken } from './byte-fallback.js';
import type { Normalizer } from './normalizer.js';
import { mergesByScore } from './piece-merges.js';
import { type PostProcessor, surroundWith } from './post-processor.js';
import { PrecompiledCharsmap } from './precompiled-charsmap.js';
import { SentencePieceBpe } from './sentencepiece-bpe.js';
import { SentencePieceNormalizer } from './sentencepiece-normalizer.js';
import { PIECE_TYPE, type ProtoPiece, readSentencePieceProto, type SentencePieceProto } from './sentencepiece-proto.js';
import { readSpaceMarks } from './space-marks.js';
import type { AddedToken, TokenRoles } from './tokenizer.js';
import { Unigram } from './unigram.js';

/** SentencePiece writes a space as U+2581. */
const SPACE = '\u2581';
/** The largest published model has some 10 MB; merges are made from every way to cut a piece. */
const MOST_BYTES = 1 << 25;
/** SentencePiece's own bound is 512; the published ones stay below 50. */
const LONGEST_PIECE = 128;

/** What a folder's conventions make of a model; what is left out stays as the model has it. */
export interface SentencePieceLayout {
  readonly pieces?: readonly ProtoPiece[];
  /** They replace those of the model that have the same id. */
  readonly addedTokens?: readonly AddedToken[];
  readonly roles?: TokenRoles | undefined;
  readonly postProcessor?: PostProcessor | undefined;
  /** Rewrites text before the model's own normalisation. */
  readonly before?: Normalizer | undefined;
}

/**
 * Reads a SentencePiece model: `spiece.model`, `tokenizer.model`, `sentencepiece.bpe.model`; unigram or BPE, with its
 * own normalisation. Control pieces and the unknown piece are special tokens; user-defined pieces are found in the
 * text before anything else (each stretch between them is normalised for itself, as in the Hugging Face library). `addSpecial` puts the piece that opens a document before the text, or, where there is
 * none (T5), the one that closes it behind.
 *
 * @throws {CorruptFileError} if the file is damaged. @throws {InputError} for a setting that is not supported.
 */
export function readSentencePieceModel(file: string): Unigram | SentencePieceBpe {
  return inFile(file, 'not a usable tokenizer', () => buildFromProto(loadSentencePieceProto(file), file));
}

/** Reads the content of a model file, of bounded size. @throws {CorruptFileError} if it is damaged. */
export function loadSentencePieceProto(file: string): SentencePieceProto {
  return readSentencePieceProto(readBytesUpTo(file, MOST_BYTES, 'a SentencePiece model'), file);
}

/** The tokenizer that a model describes. @throws {InputError} as `readSentencePieceModel`. */
export function buildFromProto(
  proto: SentencePieceProto,
  file: string,
  layout: SentencePieceLayout = {},
): Unigram | SentencePieceBpe {
  checkSettings(proto, file);
  const pieces = layout.pieces ?? proto.pieces;
  checkPieces(pieces, proto.byteFallback, file);
  const addedTokens = addedTokensOf(pieces, layout.addedTokens ?? []);
  const roles = layout.roles ?? rolesOfProto(proto);
  const contentOf = (role: 'bos' | 'eos'): readonly (readonly [string, number])[] =>
    addedTokens.filter(({ content }) => content === roles[role]).map(({ content, id }) => [content, id]);
  const [opening, closing] = [contentOf('bos'), contentOf('eos')];
  const settings = {
    addedTokens,
    roles,
    normalizer: normalizerOf(proto, file, layout.before),
    postProcessor: layout.postProcessor ?? surroundWith(opening, opening.length > 0 ? [] : closing),
    keepsLeadingSpace: !proto.addDummyPrefix,
    isLossy: proto.charsmap.length > 0 || proto.removeExtraWhitespaces || !proto.byteFallback,
  };
  const unknownId = pieces.findIndex(({ type }) => type === PIECE_TYPE.unknown);
  if (proto.modelType === 1) return unigram(pieces, unknownId, proto, settings);
  const vocabulary = new Map(pieces.map(({ text }, id) => [text, id]));
  for (const { content, id } of addedTokens) vocabulary.set(content, id);
  const normal = pieces.filter(({ type }) => type === PIECE_TYPE.normal);
  return new SentencePieceBpe({
    ...settings,
    vocabulary,
    merges: mergesByScore(vocabulary, new Map(normal.map(({ text, score }) => [text, score]))),
    unknownToken: proto.byteFallback ? undefined : pieces[unknownId]!.text,
  });
}

type CommonSettings = Pick<
  ConstructorParameters<typeof Unigram>[0],
  'addedTokens' | 'roles' | 'normalizer' | 'postProcessor' | 'keepsLeadingSpace' | 'isLossy'
>;

function unigram(
  pieces: readonly ProtoPiece[],
  unknownId: number,
  { byteFallback, addDummyPrefix }: SentencePieceProto,
  settings: CommonSettings,
): Unigram {
  const canCut =
    pieces.some(({ text, type }) => text === SPACE && type === PIECE_TYPE.normal) &&
    pieces.every(({ text }) => text.indexOf(SPACE, 1) < 0);
  const cut = { type: 'Metaspace', replacement: SPACE, prepend_scheme: 'never', split: true };
  const decoders: Json[] = [
    { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
    ...(byteFallback ? [{ type: 'ByteFallback' }] : []),
    { type: 'Fuse' },
    ...(addDummyPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ];
  return new Unigram({
    ...settings,
    pieces: pieces.map(({ text, score, type }) => ({ text, score, isUnused: type === PIECE_TYPE.unused })),
    unknownId,
    byteFallback,
    cuts: canCut ? [readSpaceMarks(cut, 'pre_tokenizer')] : [],
    decoder: { type: 'Sequence', decoders },
  });
}

function checkSettings(proto: SentencePieceProto, file: string): void {
  const unsupported =
    proto.modelType !== 1 && proto.modelType !== 2
      ? `the model type ${proto.modelType}`
      : proto.treatWhitespaceAsSuffix
        ? 'spaces at the end of words'
        : !proto.escapeWhitespaces
          ? 'spaces that are not marked'
          : proto.denormalizerCharsmap.length > 0
            ? 'a rewriting of decoded text'
            : proto.modelType === 2 && proto.pieces.some(({ type }) => type === PIECE_TYPE.unused)
              ? 'a BPE vocabulary of which parts are switched off'
              : undefined;
  if (unsupported !== undefined) {
    throw new InputError('this SentencePiece model is not supported', {
      where: file,
      expected: 'a unigram or BPE model with spaces before words',
      got: unsupported,
    });
  }
}

function checkPieces(pieces: readonly ProtoPiece[], byteFallback: boolean, file: string): void {
  const seen = new Map<string, number>();
  let unknowns = 0;
  pieces.forEach(({ text, type }, id) => {
    const where = `${file}, piece ${id}`;
    const got = JSON.stringify(text.slice(0, 40));
    const other = seen.get(text);
    if (other !== undefined) throw new CorruptFileError(`is piece ${other} already`, { where, got });
    seen.set(text, id);
    if (text.length > LONGEST_PIECE) {
      throw new CorruptFileError('too long for a piece', {
        where,
        expected: `at most ${LONGEST_PIECE} characters`,
        got,
      });
    }
    if (type === PIECE_TYPE.byte && !(byteFallback && isByteToken(text))) {
      throw new CorruptFileError('not a byte, or bytes are not used', { where, got });
    }
    if (type === PIECE_TYPE.unknown) unknowns++;
  });
  if (unknowns !== 1) {
    throw new CorruptFileError('a model has one unknown piece', { where: file, got: String(unknowns) });
  }
}

function addedTokensOf(pieces: readonly ProtoPiece[], more: readonly AddedToken[]): AddedToken[] {
  const tokens = new Map<number, AddedToken>();
  pieces.forEach(({ text, type }, id) => {
    const special = type === PIECE_TYPE.control || type === PIECE_TYPE.unknown;
    if (special || type === PIECE_TYPE.userDefined) tokens.set(id, { id, content: text, special });
  });
  for (const token of more) tokens.set(token.id, token);
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

/** The roles that the model itself gives to its pieces. */
export function rolesOfProto({ pieces, bosId, eosId, padId }: SentencePieceProto): TokenRoles {
  const control = (id: number): string | undefined =>
    pieces[id]?.type === PIECE_TYPE.control ? pieces[id].text : undefined;
  return { bos: control(bosId), eos: control(eosId), pad: control(padId) };
}

function normalizerOf(proto: SentencePieceProto, file: string, before: Normalizer | undefined): Normalizer {
  const { charsmap, addDummyPrefix, removeExtraWhitespaces } = proto;
  const normalizer = new SentencePieceNormalizer(
    {
      charsmap: charsmap.length === 0 ? undefined : new PrecompiledCharsmap(charsmap, `${file}, precompiled_charsmap`),
      addDummyPrefix,
      removeExtraWhitespaces,
    },
    Buffer.from(charsmap).toString('base64'),
  );
  if (before === undefined) return normalizer;
  return {
    json: { type: 'Sequence', normalizers: [before.json, normalizer.json] },
    normalize: (text) => normalizer.normalize(before.normalize(text)),
  };
}
