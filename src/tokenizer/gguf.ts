import { InputError, inFile } from '../util/errors.js';
import { ByteBpe } from './byte-bpe.js';
import { isByteToken } from './byte-fallback.js';
import { FieldReader, TOKEN_TYPES, TOKENIZER_KEYS, type TokenizerMetadata } from './gguf-fields.js';
import { ggufCutOf } from './gguf-pre.js';
import { NFC, readNormalizer } from './normalizer.js';
import { mergesByScore } from './piece-merges.js';
import { NO_POST_PROCESSOR, type PostProcessor, surroundWith } from './post-processor.js';
import { readPreTokenizer } from './pre-tokenizer.js';
import { pretokenizerOf } from './pretokenizer.js';
import { SentencePieceBpe } from './sentencepiece-bpe.js';
import type { AddedToken, Tokenizer, TokenRoles } from './tokenizer.js';
import { MAXIMUM_ID } from './tokenizer-json.js';

/** A longer token is none: all ways to cut it are looked at. */
const MAXIMUM_PIECE_LENGTH = 1024;
/** More tokens that are found in the text before it is cut than any file has. */
const MAXIMUM_ADDED = 1 << 15;

/** What a GGUF file says of text. */
export interface GgufTokenizer {
  /** With `addSpecial` it encodes as llama.cpp does: opening and closing tokens where the file asks for them. */
  readonly tokenizer: Tokenizer;
  /** A Jinja template. */
  readonly chatTemplate: string | undefined;
}

/**
 * The tokenizer that a GGUF file carries: `tokenizer.ggml.model` is `gpt2` (byte-level BPE; `tokenizer.ggml.pre` names
 * the cuts) or `llama` (SentencePiece BPE, merged by scores).
 *
 * Where a family normalises text to NFC (Qwen 2 and later) so does this tokenizer, as its `tokenizer.json` does;
 * llama.cpp leaves that out.
 *
 * @param metadata of the file. @param where its name, for errors.
 * @throws {InputError} naming the field, if it is damaged or of a kind that is not supported.
 */
export function tokenizerFromGguf(metadata: TokenizerMetadata, where: string): GgufTokenizer {
  const fields = new FieldReader(metadata, where);
  const model = fields.text(TOKENIZER_KEYS.model);
  const read = model === 'gpt2' ? readByteBpe : model === 'llama' ? readSentencePiece : undefined;
  if (read === undefined) {
    throw new InputError('this kind of tokenizer is not supported in a GGUF file', {
      where: fields.where(TOKENIZER_KEYS.model),
      expected: 'gpt2 or llama',
      got: model === undefined ? 'nothing' : model.slice(0, 80),
      hint: 'Import the model from its safetensors files, which have a tokenizer.json.',
    });
  }
  const tokenizer = inFile(where, 'not a usable tokenizer', () => read(fields));
  return { tokenizer, chatTemplate: fields.text(TOKENIZER_KEYS.chatTemplate) };
}

function readByteBpe(fields: FieldReader): ByteBpe {
  const cut = ggufCutOf(fields.text(TOKENIZER_KEYS.pre), fields.where(TOKENIZER_KEYS.pre));
  const { vocabulary, addedTokens, roles, aroundWith } = readTokens(fields, true);
  const merges = fields.texts(TOKENIZER_KEYS.merges).map((merge, i): [string, string] => {
    // The first character belongs to the left token, whatever it is.
    const space = merge.indexOf(' ', 1);
    if (space > 0 && space < merge.length - 1) return [merge.slice(0, space), merge.slice(space + 1)];
    throw new InputError('not a merge', {
      where: `${fields.where(TOKENIZER_KEYS.merges)}, merge ${i}`,
      expected: 'LEFT RIGHT',
      got: JSON.stringify(merge.slice(0, 80)),
    });
  });
  const isNfc = fields.flag(TOKENIZER_KEYS.nfc) ?? cut.isNfc;
  return new ByteBpe({
    vocabulary,
    merges,
    addedTokens,
    roles,
    cuts: cut.cuts.map((step) => readPreTokenizer(step as Parameters<typeof readPreTokenizer>[0])),
    pretokenizer: pretokenizerOf(cut.pattern),
    ignoreMerges: cut.ignoreMerges,
    normalizer: isNfc ? NFC : undefined,
    postProcessor: aroundWith(cut.addsBos),
  });
}

function readSentencePiece(fields: FieldReader): SentencePieceBpe {
  const { vocabulary, addedTokens, roles, types, aroundWith } = readTokens(fields, false);
  if (fields.flag(TOKENIZER_KEYS.removesSpaces) === true) {
    throw new InputError('removing repeated spaces is not supported', {
      where: fields.where(TOKENIZER_KEYS.removesSpaces),
    });
  }
  const given = fields.numbers(TOKENIZER_KEYS.scores, types.length);
  const scores = new Map<string, number>();
  for (const [token, id] of vocabulary) {
    if (types[id] === TOKEN_TYPES.control || types[id] === TOKEN_TYPES.unknown || isByteToken(token)) continue;
    scores.set(token, given[id]!);
  }
  const addsSpace = fields.flag(TOKENIZER_KEYS.addsSpace) ?? true;
  return new SentencePieceBpe({
    vocabulary,
    merges: mergesByScore(vocabulary, scores),
    addedTokens,
    roles,
    ...(!addsSpace && {
      normalizer: readNormalizer({ type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }),
      keepsLeadingSpace: true,
    }),
    postProcessor: aroundWith(true),
  });
}

interface GgufTokens {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly addedTokens: readonly AddedToken[];
  readonly roles: TokenRoles;
  readonly types: ArrayLike<number>;
  /** What is put around a text. @param addsBos whether it is opened unless the file says otherwise. */
  readonly aroundWith: (addsBos: boolean) => PostProcessor;
}

/** @param dropsUnused leave out tokens of the type `unused`, which fill a vocabulary up. */
function readTokens(fields: FieldReader, dropsUnused: boolean): GgufTokens {
  const tokens = fields.texts(TOKENIZER_KEYS.tokens);
  const where = fields.where(TOKENIZER_KEYS.tokens);
  if (tokens.length > MAXIMUM_ID) {
    throw new InputError('too many tokens', { where, expected: `at most ${MAXIMUM_ID}`, got: String(tokens.length) });
  }
  const types = fields.numbers(TOKENIZER_KEYS.types, tokens.length);
  const id = (key: string): number | undefined => fields.id(key, tokens.length);
  const [bos, eos, pad] = [id(TOKENIZER_KEYS.bos), id(TOKENIZER_KEYS.eos), id(TOKENIZER_KEYS.pad)];
  const vocabulary = new Map<string, number>();
  const addedTokens: AddedToken[] = [];
  tokens.forEach((content, at) => {
    const hasRole = at === bos || at === eos || at === pad;
    if (content === '' || (dropsUnused && types[at] === TOKEN_TYPES.unused && !hasRole)) return;
    if (content.length > MAXIMUM_PIECE_LENGTH || vocabulary.has(content)) {
      throw new InputError(vocabulary.has(content) ? 'a token is listed twice' : 'not a token', {
        where: `${where}, token ${at}`,
        got: JSON.stringify(content.slice(0, 80)),
      });
    }
    vocabulary.set(content, at);
    const special = hasRole || types[at] === TOKEN_TYPES.control || types[at] === TOKEN_TYPES.unknown;
    if (special || types[at] === TOKEN_TYPES.added) addedTokens.push({ id: at, content, special });
  });
  if (addedTokens.length > MAXIMUM_ADDED) {
    throw new InputError('too many special and added tokens', {
      where: fields.where(TOKENIZER_KEYS.types),
      expected: `at most ${MAXIMUM_ADDED}`,
      got: String(addedTokens.length),
    });
  }
  const content = (role: number | undefined): string | undefined => (role === undefined ? undefined : tokens[role]);
  return {
    vocabulary,
    addedTokens,
    roles: { bos: content(bos), eos: content(eos), pad: content(pad) },
    types,
    aroundWith(addsBos) {
      const around = (isAdded: boolean, role: number | undefined): [string, number][] =>
        isAdded && role !== undefined ? [[tokens[role]!, role]] : [];
      const before = around(fields.flag(TOKENIZER_KEYS.addsBos) ?? addsBos, bos);
      const after = around(fields.flag(TOKENIZER_KEYS.addsEos) ?? false, eos);
      return before.length + after.length === 0 ? NO_POST_PROCESSOR : surroundWith(before, after);
    },
  };
}
