import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { BaseTokenizer, type TokenizerParts, type TokenizerSettings } from './base-tokenizer.js';
import { byteToken, isByteToken } from './byte-fallback.js';
import type { IdList } from './encoding-buffers.js';
import { cutBy, type PreTokenizer, stepsToJson } from './pre-tokenizer.js';
import { type ScoredPiece, UnigramModel } from './unigram-model.js';

/** SentencePiece writes a space as U+2581. */
const SPACE = '\u2581';
/** No published piece has more than a few dozen characters; a longer one would make every search long. */
const LONGEST_PIECE = 1024;

/** A token of the model; its id is its place in the list. */
export interface UnigramPiece {
  /** With `▁` for a space. */
  readonly text: string;
  /** Natural logarithm of its probability; tokens that no text is cut into have 0. */
  readonly score: number;
  /** In the vocabulary, but no text is cut into it. */
  readonly isUnused?: boolean;
}

export interface UnigramDefinition extends TokenizerSettings {
  readonly pieces: readonly UnigramPiece[];
  /** What unknown characters become. */
  readonly unknownId: number | undefined;
  /** Unknown characters become bytes (`<0x00>` to `<0xFF>`) instead. */
  readonly byteFallback: boolean;
  /** The steps that cut normalised text into words and mark spaces. */
  readonly cuts: readonly PreTokenizer[];
  /** The space that encoding put before the text stays when decoded: where encoding puts none. Default false. */
  readonly keepsLeadingSpace?: boolean;
  /** As `decoder` of `tokenizer.json`. */
  readonly decoder: Json;
  /** False only where normaliser and cuts keep all of the text. Default true. */
  readonly isLossy?: boolean;
}

/**
 * The Unigram tokenizer (Kudo, 2018), as in T5, ALBERT, XLM-RoBERTa and its multilingual children: of all ways to cut
 * a word into tokens, the most probable.
 *
 * As in SentencePiece, and unlike in the Hugging Face library, text never becomes a special or a byte token, not even
 * where normalisation makes it look like one.
 */
export class Unigram extends BaseTokenizer {
  readonly kind = 'unigram';
  readonly dropsLeadingSpace: boolean;
  readonly isLossy: boolean;
  readonly definition: UnigramDefinition;
  private readonly model: UnigramModel;
  private readonly cutsAtSpaces: boolean;

  /** @throws {InputError} for a list of pieces that makes no vocabulary. */
  constructor(definition: UnigramDefinition) {
    const { pieces, byteFallback, unknownId, addedTokens } = definition;
    super(
      pieces.map(({ text }) => bytesOf(text, byteFallback)),
      definition,
    );
    this.definition = definition;
    this.dropsLeadingSpace = definition.keepsLeadingSpace !== true;
    this.isLossy = definition.isLossy !== false;
    const special = new Set(addedTokens.filter((token) => token.special).map(({ id }) => id));
    const usable: ScoredPiece[] = [];
    let leastScore = Number.POSITIVE_INFINITY;
    pieces.forEach(({ text, score, isUnused }, id) => {
      checkPiece(text, score, id);
      leastScore = Math.min(leastScore, score);
      const isReserved = special.has(id) || id === unknownId || isUnused === true;
      if (text !== '' && !isReserved && !(byteFallback && isByteToken(text))) usable.push({ id, text, score });
    });
    if (unknownId === undefined ? !byteFallback : unknownId >= pieces.length) {
      throw new InputError('nothing stands for an unknown character', {
        where: 'model.unk_id',
        expected: `an id from 0 to ${pieces.length - 1}, or byte fallback`,
        got: String(unknownId ?? null),
      });
    }
    const byteIds = byteFallback ? byteIdsOf(pieces) : undefined;
    this.model = new UnigramModel(usable, { id: unknownId, byteIds, leastScore });
    // Where no piece reaches over a space, each word can be searched, and remembered, for itself.
    this.cutsAtSpaces =
      usable.some(({ text }) => text === SPACE) && usable.every(({ text }) => text.indexOf(SPACE, 1) < 0);
  }

  protected encodeSection(section: string, ids: IdList, isFirst: boolean): void {
    cutBy(this.definition.cuts, section, isFirst, (piece) => {
      if (!this.cutsAtSpaces) {
        this.model.encode(piece, ids);
        return;
      }
      for (let start = 0; start < piece.length; ) {
        const next = piece.indexOf(SPACE, start + 1);
        const end = next < 0 ? piece.length : next;
        this.model.encode(start === 0 && next < 0 ? piece : piece.slice(start, end), ids);
        start = end;
      }
    });
  }

  protected parts(): TokenizerParts {
    const { pieces, unknownId, byteFallback, cuts, decoder } = this.definition;
    return {
      preTokenizer: stepsToJson(cuts),
      decoder,
      model: {
        type: 'Unigram',
        unk_id: unknownId ?? null,
        vocab: pieces.map(({ text, score }) => [text, score]),
        byte_fallback: byteFallback,
      },
    };
  }
}

function checkPiece(text: string, score: number, id: number): void {
  const where = `model.vocab[${id}]`;
  if (!Number.isFinite(score)) throw new InputError('not a score', { where, got: String(score) });
  if (text.length > LONGEST_PIECE) {
    throw new InputError('too long for a token', { where, expected: `at most ${LONGEST_PIECE} characters` });
  }
}

function byteIdsOf(pieces: readonly UnigramPiece[]): Int32Array {
  const found = new Map(pieces.map(({ text }, id) => [text, id]));
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const id = found.get(byteToken(byte));
    if (id === undefined) throw new InputError('the vocabulary lacks a byte token', { where: byteToken(byte) });
    return id;
  });
}

function bytesOf(token: string, byteFallback: boolean): Uint8Array {
  if (byteFallback && isByteToken(token)) return Uint8Array.of(Number.parseInt(token.slice(3, 5), 16));
  return new TextEncoder().encode(token.replaceAll(SPACE, ' '));
}
