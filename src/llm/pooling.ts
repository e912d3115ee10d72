import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError } from '../util/errors.js';
import { readTextUpTo } from '../util/file-parts.js';
import { type Json, parseJson, readJsonObject } from '../util/json.js';

/** How the vectors of a text's tokens become one: their mean, the first, or the greatest of each number. */
export type PoolingMode = 'mean' | 'cls' | 'max';

/** How a sentence encoder turns a text into one vector. */
export interface Pooling {
  readonly pooling: PoolingMode;
  /** Vectors of length 1. */
  readonly normalize: boolean;
  /** Tokens of a text that are read, special tokens among them; the rest is cut off. Default: the model's context. */
  readonly maxTokens?: number;
  /** Texts are read in lower case. */
  readonly lowerCase?: boolean;
  /** Put before every text. */
  readonly prefix?: string;
}

/** A model that says nothing of sentences: the mean of its vectors, as the Python library takes it. */
const DEFAULT_POOLING: Pooling = { pooling: 'mean', normalize: false };

const MODES: Readonly<Record<string, PoolingMode>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_max_tokens: 'max',
};

/** Names that newer versions write under `pooling_mode`. */
const MODE_NAMES: Readonly<Record<string, PoolingMode>> = { mean: 'mean', cls: 'cls', max: 'max' };

interface ModuleEntry {
  /** The last part of its Python class: `Transformer`, `Pooling`, `Normalize`. */
  readonly kind: string;
  readonly folder: string;
}

/**
 * What the files of sentence-transformers beside a model say: `modules.json`, the pooling's `config.json` and
 * `sentence_bert_config.json`. A folder without `modules.json` means the mean, not normalised.
 *
 * @throws {InputError} if a file is damaged, or asks for a step that is not built.
 */
export function readPooling(folder: string): Pooling {
  const file = path.join(folder, 'modules.json');
  if (!fs.existsSync(file)) return { ...DEFAULT_POOLING, ...readLimits(folder) };
  const modules = readModules(file);
  const [transformer, pooling, ...rest] = modules;
  const fits =
    transformer?.kind === 'Transformer' &&
    pooling?.kind === 'Pooling' &&
    (rest.length === 0 || (rest.length === 1 && rest[0]!.kind === 'Normalize'));
  if (!fits) {
    throw new InputError('the steps of this sentence encoder are not built', {
      where: file,
      expected: 'Transformer, Pooling, and perhaps Normalize',
      got: modules
        .map(({ kind }) => kind)
        .join(', ')
        .slice(0, 200),
    });
  }
  const config = path.join(folder, pooling.folder, 'config.json');
  return {
    pooling: readMode(config),
    normalize: rest.length > 0,
    ...readLimits(path.join(folder, transformer.folder)),
    ...readPrefix(folder, config),
  };
}

/** Bytes of a list of modules; a longer file is none. */
const MOST_BYTES = 2 ** 20;

function readModules(file: string): ModuleEntry[] {
  const list = parseJson(readTextUpTo(file, MOST_BYTES, 'a list of modules'), file);
  if (!Array.isArray(list)) throw new InputError('not a list of modules', { where: file });
  return list.map((entry, i) => {
    const { type, path: folder } = (entry ?? {}) as { type?: Json; path?: Json };
    if (typeof type !== 'string' || typeof folder !== 'string' || !/^(\w[\w.-]*)?$/.test(folder)) {
      throw new InputError('not a module', {
        where: `${file}, entry ${i}`,
        expected: 'a type, and a path that is the plain name of a folder',
        got: JSON.stringify(entry).slice(0, 120),
      });
    }
    return { kind: type.slice(type.lastIndexOf('.') + 1).slice(0, 60), folder };
  });
}

function readMode(file: string): PoolingMode {
  const config = readJsonObject(file);
  const asked = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true);
  const named = config.pooling_mode;
  const modes: (PoolingMode | undefined)[] = asked.map((key) => (Object.hasOwn(MODES, key) ? MODES[key] : undefined));
  if (named !== undefined) {
    modes.push(typeof named === 'string' && Object.hasOwn(MODE_NAMES, named) ? MODE_NAMES[named] : undefined);
  }
  if (modes.length === 1 && modes[0] !== undefined) return modes[0];
  throw new InputError('this way of pooling is not built', {
    where: file,
    expected: `one of ${Object.keys(MODES).join(', ')}`,
    got: (JSON.stringify(named ?? asked) ?? 'nothing').slice(0, 200),
  });
}

/** How much of a text is read, and whether in lower case; newer versions keep the first with the tokenizer. */
function readLimits(folder: string): Pick<Pooling, 'maxTokens' | 'lowerCase'> {
  const limits = path.join(folder, 'sentence_bert_config.json');
  const tokenizer = path.join(folder, 'tokenizer_config.json');
  const own = fs.existsSync(limits) ? readJsonObject(limits) : {};
  const { do_lower_case: lower = null } = own;
  if (lower !== null && typeof lower !== 'boolean') {
    throw new InputError('not true or false', { where: `${limits}: do_lower_case`, got: shown(lower) });
  }
  const most =
    readCount(own.max_seq_length, `${limits}: max_seq_length`) ??
    (fs.existsSync(tokenizer)
      ? readCount(readJsonObject(tokenizer).model_max_length, `${tokenizer}: model_max_length`)
      : undefined);
  return { ...(most === undefined ? {} : { maxTokens: most }), ...(lower === true ? { lowerCase: true } : {}) };
}

/** A number of tokens; undefined where there is none, or one so large that it says "no limit". @throws {InputError} */
function readCount(value: Json | undefined, where: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
    throw new InputError('not a number of tokens', { where, got: shown(value) });
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/** What is put before every text where nothing else is asked for. @throws {InputError} */
function readPrefix(folder: string, pooling: string): Pick<Pooling, 'prefix'> {
  const file = path.join(folder, 'config_sentence_transformers.json');
  if (!fs.existsSync(file)) return {};
  const { default_prompt_name: name = null, prompts = null } = readJsonObject(file);
  if (name === null) return {};
  const named = typeof prompts === 'object' && prompts !== null && !Array.isArray(prompts) ? prompts : {};
  const prefix = typeof name === 'string' && Object.hasOwn(named, name) ? named[name] : undefined;
  if (typeof prefix !== 'string') {
    throw new InputError('there is no such prompt', { where: `${file}: default_prompt_name`, got: shown(name) });
  }
  if (prefix !== '' && readJsonObject(pooling).include_prompt === false) {
    throw new InputError('to leave the prompt out of the vector is not built', { where: `${pooling}: include_prompt` });
  }
  return prefix === '' ? {} : { prefix };
}

function shown(value: Json): string {
  return JSON.stringify(value).slice(0, 80);
}
