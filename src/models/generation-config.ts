import type { Json } from '../util/json.js';
import { ConfigFields, type JsonConfig } from './config-fields.js';

/** How a model is meant to be sampled: `generation_config.json`. What is absent is left to the caller. */
export interface GenerationConfig {
  /** The token that opens a text. */
  readonly bosId?: number;
  /** Any of these ends a text. */
  readonly eosIds: readonly number[];
  readonly padId?: number;
  /** The token that an encoder-decoder's answer begins with. */
  readonly decoderStartId?: number;
  readonly maxNewTokens?: number;
  /** 0 is greedy. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
}

const MAX_ID = 2 ** 31 - 1;

/** Some files write this for a token that there is not (the first Llamas' filling token), and for no limit of `top_k`. */
const NONE = -1;

/**
 * What a `generation_config.json` says; of a `config.json` too, where older models keep the same keys.
 *
 * @param where the file's name, for errors.
 * @throws {InputError} naming the key, what was expected and what came.
 */
export function readGenerationConfig(config: JsonConfig, where: string): GenerationConfig {
  const fields = new ConfigFields(config, where);
  const isSet = (key: string): boolean => fields.get(key) !== undefined;
  const isToken = (key: string): boolean => isSet(key) && fields.get(key) !== NONE;
  const id = (key: string): number => fields.whole(key, [0, MAX_ID]);
  const read: { -readonly [K in keyof GenerationConfig]: GenerationConfig[K] } = { eosIds: readIds(fields) };
  if (isToken('bos_token_id')) read.bosId = id('bos_token_id');
  if (isToken('pad_token_id')) read.padId = id('pad_token_id');
  if (isToken('decoder_start_token_id')) read.decoderStartId = id('decoder_start_token_id');
  if (isSet('max_new_tokens')) read.maxNewTokens = fields.whole('max_new_tokens', [1, MAX_ID]);
  if (isSet('repetition_penalty')) read.repetitionPenalty = fields.positive('repetition_penalty', 1e6);
  if (!isSet('do_sample')) return isSet('temperature') ? { ...read, ...readSampling(fields) } : read;
  return fields.flag('do_sample', false) ? { ...read, ...readSampling(fields) } : { ...read, temperature: 0 };
}

function readSampling(fields: ConfigFields): Partial<GenerationConfig> {
  const read: { -readonly [K in keyof GenerationConfig]?: GenerationConfig[K] } = {};
  if (fields.get('temperature') !== undefined) {
    read.temperature = fields.get('temperature') === 0 ? 0 : fields.positive('temperature', 1e6);
  }
  if (fields.get('top_k') === NONE) read.topK = 0;
  else if (fields.get('top_k') !== undefined) read.topK = fields.whole('top_k', [0, MAX_ID]);
  if (fields.get('top_p') !== undefined) read.topP = fields.positive('top_p', 1);
  if (fields.get('min_p') !== undefined) read.minP = fields.get('min_p') === 0 ? 0 : fields.positive('min_p', 1);
  return read;
}

/** One id or a list of them. */
function readIds(fields: ConfigFields): number[] {
  const value = fields.get('eos_token_id');
  if (value === undefined || value === NONE) return [];
  const ids = Array.isArray(value) ? value : [value];
  if (ids.length <= 1024 && ids.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) return ids as number[];
  throw fields.fault('eos_token_id', 'a token id, or a list of them');
}

/** The content of a `generation_config.json`. */
export function writeGenerationConfig(generation: GenerationConfig): { [key: string]: Json } {
  const { bosId, eosIds, padId, decoderStartId, maxNewTokens, temperature, topK, topP, minP, repetitionPenalty } =
    generation;
  const written: [string, Json | undefined][] = [
    ['bos_token_id', bosId],
    ['eos_token_id', eosIds.length > 1 ? [...eosIds] : eosIds[0]],
    ['pad_token_id', padId],
    ['decoder_start_token_id', decoderStartId],
    ['max_new_tokens', maxNewTokens],
    ['repetition_penalty', repetitionPenalty],
  ];
  // Other libraries refuse a temperature of 0: greedy is said by `do_sample` alone.
  if (temperature === 0) written.push(['do_sample', false]);
  else if ([temperature, topK, topP, minP].some((value) => value !== undefined)) {
    written.push(['do_sample', true], ['temperature', temperature], ['top_k', topK], ['top_p', topP], ['min_p', minP]);
  }
  return Object.fromEntries(written.filter((entry): entry is [string, Json] => entry[1] !== undefined));
}
