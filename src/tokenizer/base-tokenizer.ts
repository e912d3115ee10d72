import type { Json } from '../util/json.js';
import { withinTime } from '../util/time-limit.js';
import { AddedTokenSplitter, addedTokensToJson } from './added-tokens.js';
import { IdList, wellFormed } from './encoding-buffers.js';
import type { Normalizer } from './normalizer.js';
import { NO_POST_PROCESSOR, type PostProcessor } from './post-processor.js';
import { TokenTable } from './token-table.js';
import {
  type AddedToken,
  type DecodeOptions,
  type EncodeOptions,
  roleIds,
  type Tokenizer,
  type TokenRoles,
} from './tokenizer.js';

/** A hundred times what the slowest tokenizer takes, so that it is enough on a busy machine. */
const LEAST_TIME_MS = 2000;
const TIME_MS = 0.1;

/** What every kind of tokenizer is told. */
export interface TokenizerSettings {
  readonly addedTokens: readonly AddedToken[];
  readonly roles?: TokenRoles | undefined;
  /** Rewrites text before it is cut. Default: text stays as it is. */
  readonly normalizer?: Normalizer | undefined;
  /** Puts special tokens around what was encoded with `addSpecial`. Default: none. */
  readonly postProcessor?: PostProcessor | undefined;
}

/** The parts of a `tokenizer.json` that a kind says itself. */
export interface TokenizerParts {
  readonly preTokenizer: Json;
  readonly decoder: Json;
  readonly model: Json;
}

/**
 * What all kinds of tokenizers share: text is cut at added tokens, normalised, encoded section by section, and put
 * between the tokens of the post-processor. A kind says how a section becomes ids.
 */
export abstract class BaseTokenizer implements Tokenizer {
  abstract readonly kind: string;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  /**
   * Whether encoding is stopped after a time that grows with the text: there are regular expressions that would take
   * for ever, and these came with a stranger's file.
   */
  isWatched = false;
  protected readonly table: TokenTable;
  private readonly settings: TokenizerSettings;
  private readonly splitter: AddedTokenSplitter;
  private readonly postProcessor: PostProcessor;

  /** @param bytes what each token stands for, by id; added tokens stand for the UTF-8 of their text. */
  protected constructor(bytes: (Uint8Array | undefined)[], settings: TokenizerSettings) {
    const { addedTokens, roles, normalizer, postProcessor = NO_POST_PROCESSOR } = settings;
    this.settings = settings;
    this.table = new TokenTable(bytes, addedTokens);
    this.splitter = new AddedTokenSplitter(addedTokens, normalizer);
    this.postProcessor = postProcessor;
    const { bosId, eosId, padId } = roleIds(this.table.specialTokens, roles);
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

  encode(text: string, options: EncodeOptions = {}): Int32Array {
    if (!this.isWatched) return this.encodeAll(text, options);
    return withinTime(
      LEAST_TIME_MS + text.length * TIME_MS,
      () => "the tokenizer's regular expressions take too long on this text",
      () => this.encodeAll(text, options),
    );
  }

  private encodeAll(text: string, { allowSpecial = false, addSpecial = false }: EncodeOptions): Int32Array {
    const ids = new IdList(16 + (text.length >> 1));
    this.splitter.split(
      wellFormed(text),
      allowSpecial,
      (section, isFirst) => this.encodeSection(section, ids, isFirst),
      (id) => ids.push(id),
    );
    return addSpecial ? this.postProcessor.apply(ids.toArray()) : ids.toArray();
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return this.table.decode(ids, options, this);
  }

  tokenBytes(id: number): Uint8Array {
    return this.table.tokenBytes(id);
  }

  toJson(): Json {
    const { addedTokens, normalizer } = this.settings;
    const { preTokenizer, decoder, model } = this.parts();
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokensToJson(addedTokens),
      normalizer: normalizer?.json ?? null,
      pre_tokenizer: preTokenizer,
      post_processor: this.postProcessor.json,
      decoder,
      model,
    };
  }

  /**
   * Adds the ids of a stretch of text between added tokens.
   *
   * @param section normalised, well-formed and not empty.
   * @param isFirst whether the text begins with it.
   */
  protected abstract encodeSection(section: string, ids: IdList, isFirst: boolean): void;

  protected abstract parts(): TokenizerParts;
}

/** The `vocab` of a model that keeps it as an object. */
export function vocabularyToJson(vocabulary: ReadonlyMap<string, number>): { [token: string]: Json } {
  // No prototype: a token may be called __proto__.
  const vocab: { [token: string]: Json } = Object.create(null);
  for (const [token, id] of vocabulary) vocab[token] = id;
  return vocab;
}
