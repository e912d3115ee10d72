import { InputError } from '../util/errors.js';
import { BaseTokenizer, type TokenizerParts, type TokenizerSettings, vocabularyToJson } from './base-tokenizer.js';
import { GenerationCache, type IdList } from './encoding-buffers.js';
import { cutBy, type PreTokenizer, stepsToJson } from './pre-tokenizer.js';
import type { DecodeOptions } from './tokenizer.js';

/** Words up to this length are remembered. */
const CACHED_LENGTH = 64;
const CACHE_CAPACITY = 1 << 16;

export interface WordPieceDefinition extends TokenizerSettings {
  /** Every token to its id: beginnings of words, continuations behind `prefix`, added tokens. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** How text is cut into words. */
  readonly cuts: readonly PreTokenizer[];
  /** The token of a word that cannot be spelled. */
  readonly unknownToken: string;
  /** What continuations begin with: `##`. */
  readonly prefix: string;
  /** A word of more characters (Unicode code points) is unknown. */
  readonly longestWord: number;
  /** How tokens are put together again. Default: by `prefix`, with clean-up. */
  readonly decoder?: { readonly prefix: string; readonly cleanup: boolean } | undefined;
}

/**
 * WordPiece (Schuster and Nakajima, 2012; Devlin et al., 2019): a word is spelled by the longest token that it begins
 * with, then the longest continuation, and so on; where that fails the word is unknown.
 *
 * Text does not come back as it was: normalisation, white space and unknown words are lost. `decode` puts a space
 * between words and none before a continuation and before English punctuation, as the published decoder does.
 */
export class WordPiece extends BaseTokenizer {
  readonly kind = 'wordpiece';
  readonly isLossy = true;
  readonly definition: WordPieceDefinition;
  private readonly unknownId: number;
  private readonly starts = new Map<string, number>();
  private readonly continuations = new Map<string, number>();
  private readonly longestStart: number;
  private readonly longestContinuation: number;
  private readonly tokenOf: (string | undefined)[] = [];
  private readonly specialIds: ReadonlySet<number>;
  private readonly cache = new GenerationCache<Int32Array>(CACHE_CAPACITY);
  private readonly onPiece: (piece: string) => void;
  private target: IdList | undefined;

  /** @throws {InputError} if the vocabulary lacks the token for unknown words. */
  constructor(definition: WordPieceDefinition) {
    const { vocabulary, prefix, unknownToken } = definition;
    const encoder = new TextEncoder();
    const bytes: (Uint8Array | undefined)[] = [];
    for (const [token, id] of vocabulary) {
      bytes[id] = encoder.encode(isContinuation(token, prefix) ? token.slice(prefix.length) : ` ${token}`);
    }
    super(bytes, definition);
    this.definition = definition;
    const unknown = vocabulary.get(unknownToken);
    if (unknown === undefined) {
      throw new InputError('the vocabulary lacks the token for unknown words', {
        where: 'model.unk_token',
        expected: 'a token of the vocabulary',
        got: JSON.stringify(unknownToken),
      });
    }
    this.unknownId = unknown;
    for (const [token, id] of vocabulary) {
      this.tokenOf[id] = token;
      this.starts.set(token, id);
      if (token.startsWith(prefix)) this.continuations.set(token.slice(prefix.length), id);
    }
    const longest = (tokens: Iterable<string>): number => {
      let most = 0;
      for (const { length } of tokens) most = Math.max(most, length);
      return most;
    };
    this.longestStart = longest(this.starts.keys());
    this.longestContinuation = longest(this.continuations.keys());
    this.specialIds = new Set(this.specialTokens.values());
    this.onPiece = (piece) => this.encodeWord(piece);
  }

  override decode(ids: ArrayLike<number>, { skipSpecial = false }: DecodeOptions = {}): string {
    const { decoder = { prefix: this.definition.prefix, cleanup: true } } = this.definition;
    let text = '';
    let isFirst = true;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      // Also says that an id is outside the vocabulary.
      this.table.tokenBytes(id);
      const token = this.tokenOf[id];
      if (token === undefined || (skipSpecial && this.specialIds.has(id))) continue;
      let piece = token;
      if (!isFirst) piece = token.startsWith(decoder.prefix) ? token.slice(decoder.prefix.length) : ` ${token}`;
      text += decoder.cleanup ? cleanUp(piece) : piece;
      isFirst = false;
    }
    return text;
  }

  protected encodeSection(section: string, ids: IdList, isFirst: boolean): void {
    this.target = ids;
    cutBy(this.definition.cuts, section, isFirst, this.onPiece);
  }

  private encodeWord(word: string): void {
    const ids = this.target!;
    const whole = this.starts.get(word);
    if (whole !== undefined && word.length <= this.definition.longestWord) {
      ids.push(whole);
      return;
    }
    const known = this.cache.get(word);
    if (known !== undefined) {
      ids.append(known);
      return;
    }
    const found = Int32Array.from(this.spell(word) ?? [this.unknownId]);
    ids.append(found);
    if (word.length <= CACHED_LENGTH) this.cache.set(word, found);
  }

  /** Undefined where the word cannot be spelled or is too long. */
  private spell(word: string): number[] | undefined {
    if (lengthOf(word, this.definition.longestWord) > this.definition.longestWord) return undefined;
    const ids: number[] = [];
    for (let start = 0; start < word.length; ) {
      const [tokens, longest] =
        start === 0 ? [this.starts, this.longestStart] : [this.continuations, this.longestContinuation];
      let end = Math.min(word.length, start + longest);
      let id: number | undefined;
      for (; end > start; end--) {
        // A token never ends inside a surrogate pair: no token begins with half of one.
        id = tokens.get(word.slice(start, end));
        if (id !== undefined) break;
      }
      if (id === undefined) return undefined;
      ids.push(id);
      start = end;
    }
    return ids;
  }

  protected parts(): TokenizerParts {
    const { vocabulary, cuts, unknownToken, prefix, longestWord, decoder } = this.definition;
    return {
      preTokenizer: stepsToJson(cuts),
      decoder: { type: 'WordPiece', prefix: decoder?.prefix ?? prefix, cleanup: decoder?.cleanup ?? true },
      model: {
        type: 'WordPiece',
        unk_token: unknownToken,
        continuing_subword_prefix: prefix,
        max_input_chars_per_word: longestWord,
        vocab: vocabularyToJson(vocabulary),
      },
    };
  }
}

function isContinuation(token: string, prefix: string): boolean {
  return prefix !== '' && token.length > prefix.length && token.startsWith(prefix);
}

/** The code points of a text; more than `enough` need not be counted to the end. */
function lengthOf(text: string, enough: number): number {
  if (text.length <= enough) return text.length;
  let count = 0;
  for (const _ of text) if (++count > enough) break;
  return count;
}

/** English as people write it: no space before punctuation and contractions. */
function cleanUp(piece: string): string {
  if (!piece.includes(' ')) return piece;
  return piece
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(' do not', " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}
