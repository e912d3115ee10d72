import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { ByteBpe } from './byte-bpe.js';
import { isByteToken } from './byte-fallback.js';
import { TOKEN_TYPES, TOKENIZER_KEYS, type TokenizerField } from './gguf-fields.js';
import { ggufCutFor } from './gguf-pre.js';
import { mergesByScore } from './piece-merges.js';
import { SentencePieceBpe, type SentencePieceDefinition } from './sentencepiece-bpe.js';
import type { AddedToken, Tokenizer } from './tokenizer.js';

export interface GgufTokenizerOptions {
  /** A Jinja template, as `tokenizer_config.json` has it. */
  readonly chatTemplate?: string | undefined;
  /** Rows of the model's embedding; ids above the tokenizer's become unused tokens. Default: the tokenizer's size. */
  readonly vocabularySize?: number | undefined;
}

/** What to write into a GGUF file, and what llama.cpp will do otherwise. */
export interface GgufTokenizerFields {
  readonly fields: ReadonlyMap<string, TokenizerField>;
  /** Full sentences; none where llama.cpp gives the same ids for every text. */
  readonly warnings: readonly string[];
}

/**
 * The fields of a GGUF file from which llama.cpp makes the same tokenizer: `gpt2` for byte-level BPE, `llama` for
 * SentencePiece BPE. Whether texts are opened and closed with a token is taken from what `addSpecial` does.
 *
 * @throws {InputError} if llama.cpp cannot give the same ids, with the reason.
 */
export function tokenizerToGguf(tokenizer: Tokenizer, options: GgufTokenizerOptions = {}): GgufTokenizerFields {
  const fields = new Map<string, TokenizerField>();
  const warnings: string[] = [];
  if (tokenizer instanceof ByteBpe) writeByteBpe(tokenizer, fields, warnings, options);
  else if (tokenizer instanceof SentencePieceBpe) writeSentencePiece(tokenizer, fields, warnings, options);
  else {
    throw new InputError('this kind of tokenizer cannot be written to a GGUF file', {
      expected: 'byte-bpe or sentencepiece-bpe',
      got: tokenizer.kind,
      hint: 'Export the model as safetensors or ONNX.',
    });
  }
  writeRoles(tokenizer, fields, warnings);
  if (options.chatTemplate !== undefined) {
    fields.set(TOKENIZER_KEYS.chatTemplate, { type: 'string', value: options.chatTemplate });
  }
  return { fields, warnings };
}

function writeByteBpe(
  tokenizer: ByteBpe,
  fields: Map<string, TokenizerField>,
  warnings: string[],
  options: GgufTokenizerOptions,
): void {
  const { vocabulary, merges, cuts = [], pretokenizer, addedTokens, normalizer, ...rest } = tokenizer.definition;
  if (rest.addPrefixSpace === true) {
    throw new InputError('llama.cpp cannot put a space before every text with this tokenizer', {
      where: 'pre_tokenizer.add_prefix_space',
    });
  }
  const isNfc = normalizer !== undefined;
  if (isNfc && JSON.stringify(normalizer.json) !== '{"type":"NFC"}') {
    throw new InputError('llama.cpp does not normalise text for this kind of tokenizer', {
      where: 'normalizer',
      expected: 'none, or NFC',
      got: JSON.stringify(normalizer.json).slice(0, 200),
    });
  }
  const cut = ggufCutFor({
    cuts: cuts.map(({ json }) => json),
    pattern: pretokenizer.pattern,
    ignoreMerges: rest.ignoreMerges === true,
    isNfc,
  });
  if (isNfc) warnings.push('llama.cpp does not normalise text to NFC: text in another form gives other tokens there.');
  fields.set(TOKENIZER_KEYS.model, { type: 'string', value: 'gpt2' });
  fields.set(TOKENIZER_KEYS.pre, { type: 'string', value: cut.name });
  if (isNfc !== cut.isNfc) fields.set(TOKENIZER_KEYS.nfc, { type: 'bool', value: isNfc });
  writeTokens(vocabulary, addedTokens, tokenizer.vocabularySize, fields, warnings, options);
  const lines = merges.map(([left, right]) => `${left} ${right}`);
  fields.set(TOKENIZER_KEYS.merges, { type: 'array', items: 'string', value: lines });
}

function writeSentencePiece(
  tokenizer: SentencePieceBpe,
  fields: Map<string, TokenizerField>,
  warnings: string[],
  options: GgufTokenizerOptions,
): void {
  const { vocabulary, addedTokens, ignoreMerges } = tokenizer.definition;
  const addsSpace = spaceBefore(tokenizer.definition, warnings);
  if (ignoreMerges === true) warnings.push('llama.cpp merges every text, a text that is one token too.');
  fields.set(TOKENIZER_KEYS.model, { type: 'string', value: 'llama' });
  fields.set(TOKENIZER_KEYS.pre, { type: 'string', value: 'default' });
  const { length } = writeTokens(vocabulary, addedTokens, tokenizer.vocabularySize, fields, warnings, options);
  fields.set(TOKENIZER_KEYS.scores, {
    type: 'array',
    items: 'f32',
    value: scoresOf(tokenizer.definition, length, warnings),
  });
  fields.set(TOKENIZER_KEYS.addsSpace, { type: 'bool', value: addsSpace });
}

const SPACE = '\u2581';
const REPLACE_SPACES = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };

/** Whether a space is put before a text. @throws {InputError} if text is rewritten in a way that llama.cpp lacks. */
function spaceBefore({ normalizer, cuts = [] }: SentencePieceDefinition, warnings: string[]): boolean {
  const steps = [
    ...(normalizer === undefined ? [] : stepsOfNormalizer(normalizer.json)),
    ...cuts.map(({ json }) => json),
  ];
  const said = JSON.stringify(steps);
  if (said === '[]' || said === JSON.stringify([{ type: 'Prepend', prepend: SPACE }, REPLACE_SPACES])) return true;
  if (said === JSON.stringify([REPLACE_SPACES])) return false;
  const [step] = steps as [{ [key: string]: Json }];
  if (steps.length === 1 && step.type === 'Metaspace' && step.split === false) {
    if (step.prepend_scheme === 'never' || step.add_prefix_space === false) return false;
    warnings.push(
      'llama.cpp puts a space before every text, also before one that begins with a space, and behind special tokens.',
    );
    return true;
  }
  throw new InputError('llama.cpp cannot rewrite text as this tokenizer does', {
    where: 'normalizer, pre_tokenizer',
    expected: 'spaces to "▁", with or without one before the text',
    got: said.slice(0, 200),
    hint: 'Export the model as safetensors or ONNX.',
  });
}

function stepsOfNormalizer(json: Json): Json[] {
  const part = json as { [key: string]: Json };
  return part.type === 'Sequence' && Array.isArray(part.normalizers) ? part.normalizers : [json];
}

/**
 * A score for each id: the earlier a piece is merged, the better. llama.cpp merges any two neighbours whose joined
 * text is a token, so the merges must be those that the scores stand for.
 */
function scoresOf({ vocabulary, merges }: SentencePieceDefinition, length: number, warnings: string[]): Float32Array {
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  for (const { left, right, priority } of merges) {
    const piece = left + right;
    first.set(piece, Math.min(first.get(piece) ?? priority, priority));
    last.set(piece, Math.max(last.get(piece) ?? priority, priority));
  }
  const never = merges.reduce((most, { priority }) => Math.max(most, priority), 0) + 1;
  const scores = new Float32Array(length);
  const pieces = new Map<string, number>();
  for (const [token, id] of vocabulary) {
    const score = -(first.get(token) ?? never);
    scores[id] = isByteToken(token) ? 0 : score;
    if (!isByteToken(token)) pieces.set(token, score);
  }
  const inOrder = [...first].sort(([, a], [, b]) => a - b);
  const isMixed = inOrder.some(([, begin], i) => i > 0 && begin < last.get(inOrder[i - 1]![0])!);
  if (isMixed || mergesByScore(vocabulary, pieces).length !== merges.length) {
    warnings.push(
      'llama.cpp merges any two tokens that make a third, by one score each: it may cut rare words otherwise.',
    );
  }
  return scores;
}

/** Writes the tokens and their types. Ids without a token become unused ones. */
function writeTokens(
  vocabulary: ReadonlyMap<string, number>,
  addedTokens: readonly AddedToken[],
  ownSize: number,
  fields: Map<string, TokenizerField>,
  warnings: string[],
  { vocabularySize = ownSize }: GgufTokenizerOptions,
): { readonly length: number } {
  if (!Number.isInteger(vocabularySize) || vocabularySize < ownSize) {
    throw new InputError('the model has fewer rows than its tokenizer has tokens', {
      where: 'vocabularySize',
      expected: `at least ${ownSize}`,
      got: String(vocabularySize),
    });
  }
  const tokens = new Array<string | undefined>(vocabularySize).fill(undefined);
  const types = new Int32Array(vocabularySize).fill(TOKEN_TYPES.unused);
  for (const [token, id] of vocabulary) {
    tokens[id] = token;
    types[id] = isByteToken(token) ? TOKEN_TYPES.byte : TOKEN_TYPES.normal;
  }
  for (const { id, content, special } of addedTokens) {
    tokens[id] = content;
    const isUnknown = special && content === '<unk>';
    types[id] = isUnknown ? TOKEN_TYPES.unknown : special ? TOKEN_TYPES.control : TOKEN_TYPES.added;
    if (isUnknown) fields.set(TOKENIZER_KEYS.unknown, { type: 'u32', value: id });
  }
  const taken = new Set(tokens);
  const filled = tokens.map((token, id) => {
    let text = token ?? `[PAD${id}]`;
    while (token === undefined && taken.has(text)) text = `[${text}]`;
    return text;
  });
  fields.set(TOKENIZER_KEYS.tokens, { type: 'array', items: 'string', value: filled });
  fields.set(TOKENIZER_KEYS.types, { type: 'array', items: 'i32', value: types });
  const strict = addedTokens.filter(
    ({ stripsLeft, stripsRight, isSingleWord }) => stripsLeft || stripsRight || isSingleWord,
  );
  if (strict.length > 0) {
    const names = strict.map(({ content }) => content).slice(0, 5);
    warnings.push(`llama.cpp does not look at what stands beside these tokens: ${names.join(' ')}.`);
  }
  return { length: vocabularySize };
}

function writeRoles(tokenizer: Tokenizer, fields: Map<string, TokenizerField>, warnings: string[]): void {
  const { bosId, eosId, padId } = tokenizer;
  if (bosId !== undefined) fields.set(TOKENIZER_KEYS.bos, { type: 'u32', value: bosId });
  if (eosId !== undefined) fields.set(TOKENIZER_KEYS.eos, { type: 'u32', value: eosId });
  else warnings.push('The tokenizer names no token that ends a text; llama.cpp takes one of its own choice for it.');
  if (padId !== undefined) fields.set(TOKENIZER_KEYS.pad, { type: 'u32', value: padId });
  const plain = tokenizer.encode('a');
  const around = tokenizer.encode('a', { addSpecial: true });
  const addsBos = around.length > plain.length && around[0] === bosId;
  const addsEos = around.length > plain.length + (addsBos ? 1 : 0) && around.at(-1) === eosId;
  if (around.length > plain.length + (addsBos ? 1 : 0) + (addsEos ? 1 : 0)) {
    warnings.push('llama.cpp puts only the opening and the closing token around a text.');
  }
  fields.set(TOKENIZER_KEYS.addsBos, { type: 'bool', value: addsBos });
  fields.set(TOKENIZER_KEYS.addsEos, { type: 'bool', value: addsEos });
}
