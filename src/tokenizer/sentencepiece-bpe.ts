import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { BaseTokenizer, type TokenizerParts, type TokenizerSettings } from './base-tokenizer.js';
import { bpeModelToJson } from './bpe-model.js';
import { byteToken, isByteToken } from './byte-fallback.js';
import type { IdList } from './encoding-buffers.js';
import { readNormalizer } from './normalizer.js';
import { buildMerger, type PairMerger, type PieceMerge } from './pair-merger.js';
import { surroundWith } from './post-processor.js';
import { cutBy, type PreTokenizer, stepsToJson } from './pre-tokenizer.js';

/** SentencePiece writes a space as U+2581. */
const SPACE = '\u2581';

export interface SentencePieceDefinition extends TokenizerSettings {
  /** Every token to its id: pieces (a space is `▁`), the 256 byte tokens, added tokens. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly PieceMerge[];
  /** Where spaces become `▁` in a step behind the normaliser. Default: the normaliser does it. */
  readonly cuts?: readonly PreTokenizer[] | undefined;
  /** The space that encoding put before the text stays when decoded: where encoding puts none. Default false. */
  readonly keepsLeadingSpace?: boolean;
  /** A piece that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges?: boolean;
  /** A run of characters without a token becomes this token, not bytes; the vocabulary then needs no byte tokens. */
  readonly unknownToken?: string | undefined;
  /** Decoding does not give back every text. Default: so where there is an unknown token. */
  readonly isLossy?: boolean;
}

/** A space before every section, and `▁` for all of them: Llama 1 and 2, and the default. */
const SPACE_BEFORE: Json = {
  type: 'Sequence',
  normalizers: [
    { type: 'Prepend', prepend: SPACE },
    { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
  ],
};

/**
 * BPE as SentencePiece does it (Kudo and Richardson, 2018): a space is put before the text, spaces become `▁`, and
 * the characters of the whole text are merged; a character without a token becomes its UTF-8 bytes. Llama 1 and 2.
 *
 * A text that holds `▁` itself comes back with spaces there.
 */
export class SentencePieceBpe extends BaseTokenizer {
  readonly kind = 'sentencepiece-bpe';
  readonly dropsLeadingSpace: boolean;
  readonly isLossy: boolean;
  readonly definition: SentencePieceDefinition;
  private readonly merger: PairMerger;
  private readonly byteIds = new Int32Array(256);
  private readonly unknownId: number | undefined;
  private readonly encoder = new TextEncoder();

  /** @throws {InputError} if a byte token is missing or a merge names a token that the vocabulary lacks. */
  constructor(definition: SentencePieceDefinition) {
    const { vocabulary, merges, addedTokens, normalizer, postProcessor, cuts, roles } = definition;
    const bytes: (Uint8Array | undefined)[] = [];
    const { unknownToken } = definition;
    const hasBytes = unknownToken === undefined;
    for (const [token, id] of vocabulary) bytes[id] = bytesOf(token, hasBytes);
    const bos = addedTokens.find(({ content }) => content === roles?.bos);
    super(bytes, {
      addedTokens,
      roles,
      normalizer: normalizer ?? (cuts === undefined ? readNormalizer(SPACE_BEFORE) : undefined),
      postProcessor: postProcessor ?? (bos === undefined ? undefined : surroundWith([[bos.content, bos.id]], [])),
    });
    this.definition = definition;
    this.dropsLeadingSpace = definition.keepsLeadingSpace !== true;
    this.isLossy = definition.isLossy ?? unknownToken !== undefined;
    this.unknownId = hasBytes ? undefined : vocabulary.get(unknownToken);
    if (!hasBytes && this.unknownId === undefined) {
      throw new InputError('the vocabulary lacks the unknown token', { where: JSON.stringify(unknownToken) });
    }
    for (let byte = 0; hasBytes && byte < 256; byte++) {
      const id = vocabulary.get(byteToken(byte));
      if (id === undefined) throw new InputError('the vocabulary lacks a byte token', { where: byteToken(byte) });
      this.byteIds[byte] = id;
    }
    this.merger = buildMerger(vocabulary, merges);
  }

  protected encodeSection(section: string, ids: IdList, isFirst: boolean): void {
    cutBy(this.definition.cuts, section, isFirst, (piece) => this.encodePiece(piece, ids));
  }

  private encodePiece(piece: string, ids: IdList): void {
    const { vocabulary, ignoreMerges } = this.definition;
    const { unknownId } = this;
    const whole = ignoreMerges === true ? vocabulary.get(piece) : undefined;
    if (whole !== undefined) {
      ids.push(whole);
      return;
    }
    const symbols = new Int32Array(3 * piece.length);
    let length = 0;
    for (const character of piece) {
      const id = vocabulary.get(character);
      if (id !== undefined) symbols[length++] = id;
      else if (unknownId !== undefined) {
        if (length === 0 || symbols[length - 1] !== unknownId) symbols[length++] = unknownId;
      } else for (const byte of this.encoder.encode(character)) symbols[length++] = this.byteIds[byte]!;
    }
    ids.append(symbols, this.merger.merge(symbols, length));
  }

  protected parts(): TokenizerParts {
    const { vocabulary, cuts, ignoreMerges = false, unknownToken } = this.definition;
    const merges = [...this.definition.merges].sort((a, b) => a.priority - b.priority);
    return {
      preTokenizer: cuts === undefined ? null : stepsToJson(cuts),
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          ...(this.dropsLeadingSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
        ],
      },
      model: bpeModelToJson(
        vocabulary,
        merges.map(({ left, right }) => [left, right] as const),
        {
          unk_token: unknownToken ?? null,
          fuse_unk: true,
          byte_fallback: unknownToken === undefined,
          ignore_merges: ignoreMerges,
        },
      ),
    };
  }
}

function bytesOf(token: string, hasBytes: boolean): Uint8Array {
  if (hasBytes && isByteToken(token)) return Uint8Array.of(Number.parseInt(token.slice(3, 5), 16));
  return new TextEncoder().encode(token.replaceAll(SPACE, ' '));
}
