import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { AddedTokenSplitter, addedTokensToJson } from './added-tokens.js';
import { byteToken, isByteToken } from './byte-fallback.js';
import { IdList, wellFormed } from './encoding-buffers.js';
import { PairMerger } from './pair-merger.js';
import { TokenTable } from './token-table.js';
import {
  type AddedToken,
  type DecodeOptions,
  type EncodeOptions,
  roleIds,
  type Tokenizer,
  type TokenRoles,
} from './tokenizer.js';

/** SentencePiece writes a space as U+2581. */
const SPACE = '\u2581';

/** A merge of two tokens into `left + right`. */
export interface PieceMerge {
  readonly left: string;
  readonly right: string;
  /** The lowest goes first; of equal ones the leftmost in the text. */
  readonly priority: number;
}

export interface SentencePieceDefinition {
  /** Every token to its id: pieces (a space is `▁`), the 256 byte tokens, added tokens. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly PieceMerge[];
  readonly addedTokens: readonly AddedToken[];
  readonly roles?: TokenRoles | undefined;
}

/**
 * BPE as SentencePiece does it (Kudo and Richardson, 2018): a space is put before the text, spaces become `▁`, and
 * the characters of the whole text are merged; a character without a token becomes its UTF-8 bytes. Llama 1 and 2.
 *
 * A text that holds `▁` itself comes back with spaces there.
 */
export class SentencePieceBpe implements Tokenizer {
  readonly kind = 'sentencepiece-bpe';
  readonly dropsLeadingSpace = true;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  readonly definition: SentencePieceDefinition;
  private readonly table: TokenTable;
  private readonly splitter: AddedTokenSplitter;
  private readonly merger: PairMerger;
  private readonly byteIds = new Int32Array(256);
  private readonly encoder = new TextEncoder();

  /** @throws {InputError} if a byte token is missing or a merge names a token that the vocabulary lacks. */
  constructor(definition: SentencePieceDefinition) {
    this.definition = definition;
    const { vocabulary, addedTokens, merges } = definition;
    const bytes: (Uint8Array | undefined)[] = [];
    for (const [token, id] of vocabulary) {
      bytes[id] = isByteToken(token)
        ? Uint8Array.of(Number.parseInt(token.slice(3, 5), 16))
        : this.encoder.encode(token.replaceAll(SPACE, ' '));
    }
    for (let byte = 0; byte < 256; byte++) {
      const id = vocabulary.get(byteToken(byte));
      if (id === undefined) throw new InputError('the vocabulary lacks a byte token', { where: byteToken(byte) });
      this.byteIds[byte] = id;
    }
    this.table = new TokenTable(bytes, addedTokens);
    this.splitter = new AddedTokenSplitter(addedTokens);
    const id = (token: string): number => {
      const found = vocabulary.get(token);
      if (found === undefined) {
        throw new InputError('a merge needs a token that the vocabulary lacks', { where: JSON.stringify(token) });
      }
      return found;
    };
    this.merger = new PairMerger({
      left: Int32Array.from(merges, (merge) => id(merge.left)),
      right: Int32Array.from(merges, (merge) => id(merge.right)),
      merged: Int32Array.from(merges, (merge) => id(merge.left + merge.right)),
      priority: Int32Array.from(merges, (merge) => merge.priority),
    });
    const { bosId, eosId, padId } = roleIds(this.table.specialTokens, definition.roles);
    this.bosId = bosId;
    this.eosId = eosId;
    this.padId = padId;
  }

  get vocabularySize(): number {
    return this.table.size;
  }

  get specialTokens(): ReadonlyMap<string, number> {
    return this.table.specialTokens;
  }

  /** The ids of a text; the token that opens a document (`bosId`) is not added. */
  encode(text: string, { allowSpecial = false }: EncodeOptions = {}): Int32Array {
    const ids = new IdList(16 + (text.length >> 1));
    const encodeSection = (section: string): void => {
      const marked = SPACE + section.replaceAll(' ', SPACE);
      const symbols = new Int32Array(3 * marked.length);
      let length = 0;
      for (const character of marked) {
        const id = this.definition.vocabulary.get(character);
        if (id !== undefined) symbols[length++] = id;
        else for (const byte of this.encoder.encode(character)) symbols[length++] = this.byteIds[byte]!;
      }
      ids.append(symbols, this.merger.merge(symbols, length));
    };
    this.splitter.split(wellFormed(text), allowSpecial, encodeSection, (id) => ids.push(id));
    return ids.toArray();
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return this.table.decode(ids, options, this);
  }

  tokenBytes(id: number): Uint8Array {
    return this.table.tokenBytes(id);
  }

  toJson(): Json {
    const { vocabulary, addedTokens, roles } = this.definition;
    const vocab: { [token: string]: Json } = Object.create(null);
    for (const [token, id] of vocabulary) vocab[token] = id;
    const merges = [...this.definition.merges].sort((a, b) => a.priority - b.priority);
    const bos = roles?.bos;
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokensToJson(addedTokens),
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: SPACE },
          { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
        ],
      },
      pre_tokenizer: null,
      post_processor: bos === undefined || this.bosId === undefined ? null : openingWith(bos, this.bosId),
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab,
        merges: merges.map(({ left, right }) => `${left} ${right}`),
      },
    };
  }
}

/** A post-processor that puts one token before every text. */
function openingWith(content: string, id: number): Json {
  const opening = { SpecialToken: { id: content, type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [opening, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [opening, { Sequence: { id: 'A', type_id: 0 } }, opening, { Sequence: { id: 'B', type_id: 0 } }],
    special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
  };
}
