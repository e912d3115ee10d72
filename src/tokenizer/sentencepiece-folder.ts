import { existsSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '../util/errors.js';
import { type Json, readJsonObject } from '../util/json.js';
import { readNormalizer } from './normalizer.js';
import { surroundWith } from './post-processor.js';
import { buildFromProto, loadSentencePieceProto, rolesOfProto } from './sentencepiece-model.js';
import { PIECE_TYPE, type ProtoPiece, type SentencePieceProto } from './sentencepiece-proto.js';
import type { AddedToken, Tokenizer, TokenRoles } from './tokenizer.js';
import { addTokens, readTokenizerConfig } from './tokenizer-config.js';

type JsonObject = { [key: string]: Json };

/** The names under which published folders keep a SentencePiece model. */
const FILE_NAMES: readonly string[] = ['spiece.model', 'sentencepiece.bpe.model', 'tokenizer.model', 'spm.model'];

/** The conventions of a family of models, which the SentencePiece model does not hold. */
interface Family {
  /** Tokens before and after a text; a flag of the configuration may switch them on or off. */
  readonly before?: string;
  readonly after?: string;
  readonly flags?: { readonly add_bos_token: boolean; readonly add_eos_token: boolean };
  /** Special tokens where the configuration names none. */
  readonly tokens?: { readonly [key: string]: Omit<AddedToken, 'id'> };
  readonly pieces?: (proto: SentencePieceProto) => ProtoPiece[];
  readonly extraIds?: number;
  readonly normalization?: (settings: JsonObject) => Json;
}

const special = (content: string): Omit<AddedToken, 'id'> => ({ content, special: true });
const mask = (content: string): Omit<AddedToken, 'id'> => ({ ...special(content), stripsLeft: true });

/** fairseq's order: `<s>`, `<pad>`, `</s>`, `<unk>`, then the pieces behind the model's own first three, `<mask>` last. */
function fairseqPieces({ pieces }: SentencePieceProto): ProtoPiece[] {
  const control = (text: string): ProtoPiece => ({ text, score: 0, type: PIECE_TYPE.control });
  const unknown: ProtoPiece = { text: '<unk>', score: 0, type: PIECE_TYPE.unknown };
  return [control('<s>'), control('<pad>'), control('</s>'), unknown, ...pieces.slice(3), control('<mask>')];
}

/** ALBERT's library cuts `9,` into two pieces: such a piece is as good as never taken. */
function albertPieces({ pieces }: SentencePieceProto): ProtoPiece[] {
  return pieces.map((piece) => (/\p{Nd},$/u.test(piece.text) ? { ...piece, score: piece.score - 100 } : piece));
}

function albertNormalization(settings: JsonObject): Json {
  const steps: Json[] = [
    { type: 'Replace', pattern: { String: '``' }, content: '"' },
    { type: 'Replace', pattern: { String: "''" }, content: '"' },
  ];
  if (settings.keep_accents !== true) steps.push({ type: 'NFKD' }, { type: 'StripAccents' });
  if (settings.do_lower_case !== false) steps.push({ type: 'Lowercase' });
  return { type: 'Sequence', normalizers: steps };
}

const PLAIN: Family = { flags: { add_bos_token: false, add_eos_token: false } };
const T5: Family = {
  after: '</s>',
  extraIds: 100,
  tokens: { eos_token: special('</s>'), pad_token: special('<pad>') },
};
const LLAMA: Family = {
  flags: { add_bos_token: true, add_eos_token: false },
  tokens: { bos_token: special('<s>'), eos_token: special('</s>') },
};
const GEMMA: Family = {
  flags: { add_bos_token: true, add_eos_token: false },
  tokens: { bos_token: special('<bos>'), eos_token: special('<eos>'), pad_token: special('<pad>') },
};
const XLM_ROBERTA: Family = {
  before: '<s>',
  after: '</s>',
  pieces: fairseqPieces,
  tokens: {
    bos_token: special('<s>'),
    eos_token: special('</s>'),
    pad_token: special('<pad>'),
    mask_token: mask('<mask>'),
  },
};
const ALBERT: Family = {
  before: '[CLS]',
  after: '[SEP]',
  pieces: albertPieces,
  normalization: albertNormalization,
  tokens: {
    bos_token: special('[CLS]'),
    eos_token: special('[SEP]'),
    pad_token: special('<pad>'),
    mask_token: mask('[MASK]'),
  },
};

/** By `tokenizer_class` without `Tokenizer` and `Fast`, or by `model_type`; in small letters, `-` left out. */
const FAMILIES: ReadonlyMap<string, Family> = new Map([
  ['', PLAIN],
  ['pretrained', PLAIN],
  ['t5', T5],
  ['mt5', T5],
  ['llama', LLAMA],
  ['codellama', LLAMA],
  ['mistral', LLAMA],
  ['gemma', GEMMA],
  ['gemma2', GEMMA],
  ['xlmroberta', XLM_ROBERTA],
  ['albert', ALBERT],
]);

function familyOf(settings: JsonObject, folder: string): Family {
  const configFile = path.join(folder, 'config.json');
  const config = existsSync(configFile) ? readJsonObject(configFile) : {};
  const named = [settings.tokenizer_class, config.model_type].find((name) => typeof name === 'string') ?? '';
  const key = String(named)
    .replace(/(?:Tokenizer)?(?:Fast)?$/, '')
    .replaceAll(/[-_]/g, '')
    .toLowerCase();
  const family = FAMILIES.get(key);
  if (family === undefined) {
    throw new InputError('the ids of this kind of tokenizer are not those of its SentencePiece model', {
      where: folder,
      expected: 'T5, MT5, Llama, Gemma, XLMRoberta or Albert',
      got: String(named),
      hint: 'Convert it to a tokenizer.json with the library that it was made for.',
    });
  }
  return family;
}

/**
 * The tokenizer of a folder that holds a SentencePiece model and no `tokenizer.json`, with the special tokens that
 * the Hugging Face library gives to its kind (`tokenizer_class`, or `model_type` in `config.json`); undefined if the
 * folder holds no such model.
 *
 * @param roles from the configuration; what it leaves open is as usual for the kind.
 * @throws {InputError} if a file is damaged, or the kind numbers its tokens in a way that is not known here.
 */
export function loadSentencePieceFolder(folder: string, roles: TokenRoles | undefined): Tokenizer | undefined {
  const file = FILE_NAMES.map((name) => path.join(folder, name)).find((one) => existsSync(one));
  if (file === undefined) return undefined;
  const proto = loadSentencePieceProto(file);
  const config = readTokenizerConfig(folder);
  const { settings } = config;
  const family = familyOf(settings, folder);
  if (family === PLAIN && roles === undefined) return buildFromProto(proto, file);
  const pieces = family.pieces?.(proto) ?? proto.pieces;
  const vocabulary = new Map(pieces.map(({ text }, id) => [text, id]));
  const extra = extraTokens(vocabulary, family, settings);
  const addedTokens = [...extra, ...addTokens(vocabulary, config, family.tokens ?? {})];
  const own = family === PLAIN ? rolesOfProto(proto) : rolesOfFamily(family, vocabulary);
  const known = { bos: roles?.bos ?? own.bos, eos: roles?.eos ?? own.eos, pad: roles?.pad ?? own.pad };
  const flag = (key: 'add_bos_token' | 'add_eos_token'): boolean =>
    typeof settings[key] === 'boolean' ? settings[key] : family.flags?.[key] === true;
  const token = (content: string | undefined): (readonly [string, number])[] => {
    const id = content === undefined ? undefined : vocabulary.get(content);
    return id === undefined ? [] : [[content!, id]];
  };
  const before = family.flags === undefined ? family.before : flag('add_bos_token') ? known.bos : undefined;
  const after = family.flags === undefined ? family.after : flag('add_eos_token') ? known.eos : undefined;
  return buildFromProto(proto, file, {
    pieces,
    addedTokens,
    roles: known,
    postProcessor: surroundWith(token(before), token(after)),
    before: readNormalizer(family.normalization?.(settings)),
  });
}

function rolesOfFamily({ tokens }: Family, vocabulary: ReadonlyMap<string, number>): TokenRoles {
  const role = (key: string): string | undefined => {
    const content = tokens?.[key]?.content;
    return content !== undefined && vocabulary.has(content) ? content : undefined;
  };
  return { bos: role('bos_token'), eos: role('eos_token'), pad: role('pad_token') };
}

/** T5's sentinels `<extra_id_0>` …, numbered from the end of the vocabulary down. They enter the vocabulary. */
function extraTokens(vocabulary: Map<string, number>, { extraIds }: Family, settings: JsonObject): AddedToken[] {
  if (extraIds === undefined) return [];
  const wanted = settings.extra_ids ?? extraIds;
  if (typeof wanted !== 'number' || !Number.isInteger(wanted) || wanted < 0 || wanted > 10_000) {
    throw new InputError('not a number of extra tokens', { where: 'extra_ids', got: JSON.stringify(wanted) });
  }
  const tokens: AddedToken[] = [];
  for (let i = wanted - 1; i >= 0; i--) {
    const content = `<extra_id_${i}>`;
    const id = vocabulary.get(content) ?? vocabulary.size;
    vocabulary.set(content, id);
    tokens.push({ id, content, special: true });
  }
  return tokens;
}
