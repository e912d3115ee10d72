import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { BaseTokenizer, type TokenizerParts, type TokenizerSettings } from './base-tokenizer.js';
import { bpeModelToJson } from './bpe-model.js';
import { alphabetToBytes, BYTE_TO_CHARACTER } from './byte-alphabet.js';
import { GenerationCache, type IdList } from './encoding-buffers.js';
import { buildMerger, type PairMerger } from './pair-merger.js';
import { cutBy, type PreTokenizer } from './pre-tokenizer.js';
import { GPT2_PATTERN, type Pretokenizer, WHOLE_TEXT } from './pretokenizer.js';

/** Pretokens up to this length are remembered. */
const CACHED_LENGTH = 64;
const CACHE_CAPACITY = 1 << 16;

export interface ByteBpeDefinition extends TokenizerSettings {
  /** Every token to its id: ordinary ones in GPT-2's byte alphabet, added ones as they are. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Pairs of tokens in the order in which they were learned. */
  readonly merges: readonly (readonly [string, string])[];
  /** The last cut, behind `cuts`. */
  readonly pretokenizer: Pretokenizer;
  /** Cuts before the last one (digits one by one …). */
  readonly cuts?: readonly PreTokenizer[] | undefined;
  /** A space is put before every section that has none (RoBERTa may); it stays when decoded. */
  readonly addPrefixSpace?: boolean;
  /** A pretoken that is a token is taken whole, whatever the merges say (Llama 3). */
  readonly ignoreMerges?: boolean;
}

/**
 * Byte-level byte pair encoding (Sennrich et al., 2016; Radford et al., 2019): text is cut into pretokens, each is
 * written in UTF-8, and its bytes are merged pair by pair in the order in which the merges were learned. Every text
 * can be said, and comes back exactly.
 */
export class ByteBpe extends BaseTokenizer {
  readonly kind = 'byte-bpe';
  readonly definition: ByteBpeDefinition;
  private readonly merger: PairMerger;
  private readonly byteIds = new Int32Array(256).fill(-1);
  private readonly wholePretokens: ReadonlyMap<string, number> | undefined;
  private readonly cache = new GenerationCache<Int32Array>(CACHE_CAPACITY);
  private readonly encoder = new TextEncoder();
  private bytes = new Uint8Array(256);
  private symbols = new Int32Array(256);

  /** @throws {InputError} if a merge names a token that the vocabulary lacks, or a byte has no token. */
  constructor(definition: ByteBpeDefinition) {
    const { vocabulary, merges } = definition;
    super(bytesOf(definition), definition);
    this.definition = definition;
    this.merger = buildMerger(
      vocabulary,
      merges.map(([left, right], priority) => ({ left, right, priority })),
    );
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
  }

  /** A space put before a text, and what a normaliser rewrote, stay when decoded. */
  get isLossy(): boolean {
    return this.definition.addPrefixSpace === true || this.definition.normalizer !== undefined;
  }

  protected parts(): TokenizerParts {
    const {
      vocabulary,
      merges,
      pretokenizer,
      cuts = [],
      ignoreMerges = false,
      addPrefixSpace = false,
    } = this.definition;
    const isInside = pretokenizer.pattern === GPT2_PATTERN || pretokenizer === WHOLE_TEXT;
    const byteLevel = (useRegex: boolean): Json => ({
      type: 'ByteLevel',
      add_prefix_space: addPrefixSpace,
      trim_offsets: true,
      use_regex: useRegex,
    });
    const split = { type: 'Split', pattern: { Regex: pretokenizer.pattern }, behavior: 'Isolated', invert: false };
    // With a space to put in, the cut must follow it: the file can say that of GPT-2's pattern alone.
    const last = addPrefixSpace && isInside ? [byteLevel(pretokenizer !== WHOLE_TEXT)] : [split, byteLevel(false)];
    return {
      preTokenizer: { type: 'Sequence', pretokenizers: [...cuts.map(({ json }) => json), ...last] },
      decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      model: bpeModelToJson(vocabulary, merges, { ignore_merges: ignoreMerges }),
    };
  }

  protected encodeSection(section: string, ids: IdList, isFirst: boolean): void {
    cutBy(this.definition.cuts, section, isFirst, (piece) => this.encodePiece(piece, ids));
  }

  private encodePiece(piece: string, ids: IdList): void {
    const { pretokenizer, addPrefixSpace } = this.definition;
    const text = addPrefixSpace && !piece.startsWith(' ') ? ` ${piece}` : piece;
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

/** What each token stands for. @throws {InputError} if a token is not written in the byte alphabet. */
function bytesOf({ vocabulary, addedTokens }: ByteBpeDefinition): (Uint8Array | undefined)[] {
  const added = new Set(addedTokens.map((token) => token.content));
  const bytes: (Uint8Array | undefined)[] = [];
  for (const [token, id] of vocabulary) {
    const tokenBytes = added.has(token) ? undefined : alphabetToBytes(token);
    if (tokenBytes === undefined && !added.has(token)) {
      throw new InputError('is not written in the byte alphabet', { where: `token ${JSON.stringify(token)}` });
    }
    bytes[id] = tokenBytes;
  }
  return bytes;
}
