import { InputError } from '../util/errors.js';
import { AddedTokenSplitter, numberSpecialTokens } from './added-tokens.js';
import { BaseTokenizer, type TokenizerParts, type TokenizerSettings } from './base-tokenizer.js';
import { bpeModelToJson } from './bpe-model.js';
import { byteToken, isByteToken } from './byte-fallback.js';
import { type IdList, wellFormed } from './encoding-buffers.js';
import type { TokenRoles } from './tokenizer.js';

export interface CharacterDefinition extends TokenizerSettings {
  /** Every token to its id: characters, the 256 byte tokens `<0x00>` to `<0xFF>`, added tokens. */
  readonly vocabulary: ReadonlyMap<string, number>;
}

/**
 * One token a character (Unicode code point). A character outside the vocabulary is written as the bytes of its
 * UTF-8, so every text can be said and comes back exactly. As a `tokenizer.json` it is BPE without merges and with
 * byte fallback.
 */
export class CharacterTokenizer extends BaseTokenizer {
  readonly kind = 'character';
  readonly definition: CharacterDefinition;
  private readonly characterIds = new Map<number, number>();
  private readonly byteIds = new Int32Array(256);
  private readonly encoder = new TextEncoder();

  /** @throws {InputError} if a token is not one character, or a byte token is missing. */
  constructor(definition: CharacterDefinition) {
    const { vocabulary, addedTokens } = definition;
    const added = new Set(addedTokens.map((token) => token.content));
    const bytes: (Uint8Array | undefined)[] = [];
    for (const [token, id] of vocabulary) bytes[id] = added.has(token) ? undefined : bytesOf(token);
    super(bytes, definition);
    this.definition = definition;
    for (const [token, id] of vocabulary) {
      if (!added.has(token) && !isByteToken(token)) this.characterIds.set(token.codePointAt(0)!, id);
    }
    for (let byte = 0; byte < 256; byte++) {
      const id = vocabulary.get(byteToken(byte));
      if (id === undefined) throw new InputError('the vocabulary lacks a byte token', { where: byteToken(byte) });
      this.byteIds[byte] = id;
    }
  }

  protected encodeSection(section: string, ids: IdList): void {
    for (let i = 0; i < section.length; i++) {
      const codePoint = section.codePointAt(i)!;
      if (codePoint > 0xffff) i++;
      const id = this.characterIds.get(codePoint);
      if (id !== undefined) ids.push(id);
      else for (const byte of this.encoder.encode(String.fromCodePoint(codePoint))) ids.push(this.byteIds[byte]!);
    }
  }

  protected parts(): TokenizerParts {
    return {
      preTokenizer: null,
      decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] },
      model: bpeModelToJson(this.definition.vocabulary, [], { byte_fallback: true }),
    };
  }
}

function bytesOf(token: string): Uint8Array {
  if (isByteToken(token)) return Uint8Array.of(Number.parseInt(token.slice(3, 5), 16));
  const codePoint = token.codePointAt(0);
  if (codePoint === undefined || String.fromCodePoint(codePoint) !== token) {
    throw new InputError('is not one character', { where: `token ${JSON.stringify(token)}` });
  }
  return new TextEncoder().encode(token);
}

export interface CharacterTrainingOptions {
  /** Special tokens, 256 bytes and characters together; the most frequent characters are kept. Default: no limit. */
  readonly maximumVocabularySize?: number;
  /** They get the first ids, in this order. In the texts they are boundaries and are not learned from. */
  readonly specialTokens: readonly string[];
  readonly roles?: TokenRoles;
}

/**
 * Makes a character tokenizer of the characters that the texts hold, the most frequent first (equally frequent ones
 * by code point).
 *
 * @throws {InputError} for empty texts, colliding special tokens, or a limit that leaves no room for a character.
 */
export async function trainCharacters(
  texts: Iterable<string> | AsyncIterable<string>,
  { maximumVocabularySize = Number.POSITIVE_INFINITY, specialTokens, roles }: CharacterTrainingOptions,
): Promise<CharacterTokenizer> {
  const addedTokens = numberSpecialTokens(
    specialTokens,
    (content) => isByteToken(content) || [...content].length === 1,
  );
  const room = maximumVocabularySize - addedTokens.length - 256;
  if (!(room >= 1)) {
    throw new InputError('leaves no room for a character', {
      where: 'maximumVocabularySize',
      expected: `at least ${addedTokens.length + 257}`,
      got: String(maximumVocabularySize),
    });
  }
  const counts = new Map<number, number>();
  const splitter = new AddedTokenSplitter(addedTokens);
  const count = (section: string): void => {
    for (const character of section) {
      const codePoint = character.codePointAt(0)!;
      counts.set(codePoint, (counts.get(codePoint) ?? 0) + 1);
    }
  };
  for await (const text of texts) splitter.split(wellFormed(text), true, count, () => {});
  if (counts.size === 0) {
    throw new InputError('there is no text to learn from', { where: 'texts', hint: 'Is the file or folder empty?' });
  }
  const kept = [...counts].sort(([a, countA], [b, countB]) => countB - countA || a - b).slice(0, room);
  const vocabulary = new Map(addedTokens.map(({ content, id }) => [content, id]));
  for (let byte = 0; byte < 256; byte++) vocabulary.set(byteToken(byte), vocabulary.size);
  for (const [codePoint] of kept) vocabulary.set(String.fromCodePoint(codePoint), vocabulary.size);
  return new CharacterTokenizer({ vocabulary, addedTokens, roles });
}
