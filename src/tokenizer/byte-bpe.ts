import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { AddedTokenSplitter, addedTokensToJson } from './added-tokens.js';
import { alphabetToBytes, BYTE_TO_CHARACTER } from './byte-alphabet.js';
import { GenerationCache, IdList, wellFormed } from './encoding-buffers.js';
import { PairMerger } from './pair-merger.js';
import type { Pretokenizer } from './pretokenizer.js';
import { TokenTable } from './token-table.js';
import {
  type AddedToken,
  type DecodeOptions,
  type EncodeOptions,
  roleIds,
  type Tokenizer,
  type TokenRoles,
} from './tokenizer.js';

/** Pretokens up to this length are remembered. */
const CACHED_LENGTH = 64;
const CACHE_CAPACITY = 1 << 16;

export interface ByteBpeDefinition {
  /** Every token to its id: ordinary ones in GPT-2's byte alphabet, added ones as they are. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Pairs of tokens in the order in which they were learned. */
  readonly merges: readonly (readonly [string, string])[];
  readonly addedTokens: readonly AddedToken[];
  readonly pretokenizer: Pretokenizer;
  readonly roles?: TokenRoles | undefined;
  /** A pretoken that is a token is taken whole, whatever the merges say (Llama 3). */
  readonly ignoreMerges?: boolean;
  /** Normalise text to NFC first (Qwen); then text comes back normalised. */
  readonly normalizeNfc?: boolean;
}

/**
 * Byte-level byte pair encoding (Sennrich et al., 2016; Radford et al., 2019): text is cut into pretokens, each is
 * written in UTF-8, and its bytes are merged pair by pair in the order in which the merges were learned. Every text
 * can be said, and comes back exactly.
 */
export class ByteBpe implements Tokenizer {
  readonly kind = 'byte-bpe';
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  readonly definition: ByteBpeDefinition;
  private readonly table: TokenTable;
  private readonly splitter: AddedTokenSplitter;
  private readonly merger: PairMerger;
  private readonly byteIds = new Int32Array(256).fill(-1);
  private readonly wholePretokens: ReadonlyMap<string, number> | undefined;
  private readonly cache = new GenerationCache<Int32Array>(CACHE_CAPACITY);
  private readonly encoder = new TextEncoder();
  private bytes = new Uint8Array(256);
  private symbols = new Int32Array(256);

  /** @throws {InputError} if a merge names a token that the vocabulary lacks, or a byte has no token. */
  constructor(definition: ByteBpeDefinition) {
    this.definition = definition;
    const { vocabulary, addedTokens } = definition;
    const added = new Set(addedTokens.map((token) => token.content));
    const bytes: (Uint8Array | undefined)[] = [];
    for (const [token, id] of vocabulary) {
      const tokenBytes = added.has(token) ? undefined : alphabetToBytes(token);
      if (tokenBytes === undefined && !added.has(token)) {
        throw new InputError('is not written in the byte alphabet', { where: `token ${JSON.stringify(token)}` });
      }
      bytes[id] = tokenBytes;
    }
    this.table = new TokenTable(bytes, addedTokens);
    this.splitter = new AddedTokenSplitter(addedTokens);
    this.merger = buildMerger(definition);
    for (let byte = 0; byte < 256; byte++) {
      const id = vocabulary.get(BYTE_TO_CHARACTER[byte]!);
      // 0xC0, 0xC1 and 0xF5 to 0xFF are in no UTF-8 text.
      if (id === undefined && byte !== 0xc0 && byte !== 0xc1 && byte < 0xf5) {
        throw new InputError('the vocabulary has no token for a byte, so some texts could not be encoded', {
          where: `byte 0x${byte.toString(16).padStart(2, '0')}`,
          expected: `a token ${JSON.stringify(BYTE_TO_CHARACTER[byte])}`,
        });
      }
      this.byteIds[byte] = id ?? -1;
    }
    this.wholePretokens = definition.ignoreMerges ? vocabulary : undefined;
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

  encode(text: string, { allowSpecial = false }: EncodeOptions = {}): Int32Array {
    const ids = new IdList(16 + (text.length >> 1));
    this.splitter.split(
      wellFormed(text),
      allowSpecial,
      (section) => this.encodeSection(section, ids),
      (id) => ids.push(id),
    );
    return ids.toArray();
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return this.table.decode(ids, options, this);
  }

  tokenBytes(id: number): Uint8Array {
    return this.table.tokenBytes(id);
  }

  toJson(): Json {
    const { vocabulary, merges, addedTokens, pretokenizer, ignoreMerges = false, normalizeNfc } = this.definition;
    // No prototype: a token may be called __proto__.
    const vocab: { [token: string]: Json } = Object.create(null);
    for (const [token, id] of vocabulary) vocab[token] = id;
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokensToJson(addedTokens),
      normalizer: normalizeNfc ? { type: 'NFC' } : null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: pretokenizer.pattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: ignoreMerges,
        vocab,
        merges: merges.map(([left, right]) => `${left} ${right}`),
      },
    };
  }

  private encodeSection(section: string, ids: IdList): void {
    const text = this.definition.normalizeNfc ? section.normalize('NFC') : section;
    const { pretokenizer } = this.definition;
    for (let start = 0; start < text.length; ) {
      const end = pretokenizer.end(text, start);
      const pretoken = text.slice(start, end);
      start = end;
      const known = this.cache.get(pretoken);
      if (known !== undefined) {
        ids.append(known);
        continue;
      }
      const count = this.encodePretoken(pretoken);
      ids.append(this.symbols, count);
      if (pretoken.length <= CACHED_LENGTH) this.cache.set(pretoken, this.symbols.slice(0, count));
    }
  }

  /** Leaves the ids in `symbols` and returns how many they are. */
  private encodePretoken(pretoken: string): number {
    if (this.bytes.length < 3 * pretoken.length) {
      this.bytes = new Uint8Array(3 * pretoken.length);
      this.symbols = new Int32Array(3 * pretoken.length);
    }
    const { written } = this.encoder.encodeInto(pretoken, this.bytes);
    if (this.wholePretokens !== undefined) {
      let alphabet = '';
      for (let i = 0; i < written; i++) alphabet += BYTE_TO_CHARACTER[this.bytes[i]!];
      const id = this.wholePretokens.get(alphabet);
      if (id !== undefined) {
        this.symbols[0] = id;
        return 1;
      }
    }
    for (let i = 0; i < written; i++) this.symbols[i] = this.byteIds[this.bytes[i]!]!;
    return this.merger.merge(this.symbols, written);
  }
}

function buildMerger({ vocabulary, merges }: ByteBpeDefinition): PairMerger {
  const left = new Int32Array(merges.length);
  const right = new Int32Array(merges.length);
  const merged = new Int32Array(merges.length);
  const id = (token: string, merge: number): number => {
    const found = vocabulary.get(token);
    if (found === undefined) {
      throw new InputError('a merge needs a token that the vocabulary lacks', {
        where: `merge ${merge}`,
        expected: `a token ${JSON.stringify(token)}`,
      });
    }
    return found;
  };
  merges.forEach(([first, second], i) => {
    left[i] = id(first, i);
    right[i] = id(second, i);
    merged[i] = id(first + second, i);
  });
  return new PairMerger({ left, right, merged, priority: Int32Array.from(merges.keys()) });
}
