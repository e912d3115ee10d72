import type { GgufField, GgufMetadata } from '../gguf/field.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import type { GenerationConfig } from './generation-config.js';
import { shortestFloat32 } from './gguf-fields.js';
import { generationOf } from './save.js';

const BOS = 'tokenizer.ggml.bos_token_id';
const EOS = 'tokenizer.ggml.eos_token_id';
/** Further tokens that end an answer: of a turn, of a message. */
const OTHER_ENDS = ['tokenizer.ggml.eot_token_id', 'tokenizer.ggml.eom_token_id'] as const;

type SamplingKey = 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty';

/** How the model is meant to be sampled, with the bounds of a usable value. */
const SAMPLING: readonly {
  readonly name: SamplingKey;
  readonly key: string;
  readonly type: 'f32' | 'i32';
  readonly most: number;
}[] = [
  { name: 'temperature', key: 'general.sampling.temp', type: 'f32', most: 1e6 },
  { name: 'topK', key: 'general.sampling.top_k', type: 'i32', most: 2 ** 31 - 1 },
  { name: 'topP', key: 'general.sampling.top_p', type: 'f32', most: 1 },
  { name: 'minP', key: 'general.sampling.min_p', type: 'f32', most: 1 },
  { name: 'repetitionPenalty', key: 'general.sampling.penalty_repeat', type: 'f32', most: 1e6 },
];

/** What a file says of texts' beginnings and ends, and of sampling. @throws {InputError} naming the key. */
export function readGgufGeneration(
  metadata: GgufMetadata,
  where: string,
  tokenizer: Tokenizer,
  vocabularySize: number,
): GenerationConfig {
  const number = (key: string, most: number, isWhole: boolean): number | undefined => {
    const value = metadata.get(key)?.value;
    if (value === undefined) return undefined;
    if (typeof value === 'number' && value >= 0 && value <= most && (!isWhole || Number.isInteger(value))) return value;
    throw new InputError('not a usable value', {
      where: `${where}: ${key}`,
      expected: `a ${isWhole ? 'whole ' : ''}number from 0 to ${most}`,
      got: String(value).slice(0, 80),
    });
  };
  const { eosIds, ...own } = generationOf(tokenizer);
  const others = OTHER_ENDS.map((key) => number(key, vocabularySize - 1, true)).filter((id) => id !== undefined);
  const sampling = SAMPLING.flatMap(({ name, key, type, most }): [string, number][] => {
    const value = number(key, most, type === 'i32');
    return value === undefined ? [] : [[name, shortestFloat32(value)]];
  });
  return { ...own, eosIds: [...new Set([...eosIds, ...others])], ...Object.fromEntries(sampling) };
}

/** The same as fields of a file, beside those of the tokenizer, and what they cannot say, in sentences. */
export function writeGgufGeneration(
  generation: GenerationConfig,
  tokenizer: Tokenizer,
): { readonly fields: readonly (readonly [string, GgufField])[]; readonly notes: readonly string[] } {
  const fields: [string, GgufField][] = [];
  const id = (key: string, value: number): unknown => fields.push([key, { type: 'u32', value }]);
  if (tokenizer.bosId === undefined && generation.bosId !== undefined) id(BOS, generation.bosId);
  const eosId = tokenizer.eosId ?? generation.eosIds[0];
  if (tokenizer.eosId === undefined && eosId !== undefined) id(EOS, eosId);
  const others = generation.eosIds.filter((end) => end !== eosId);
  OTHER_ENDS.forEach((key, i) => {
    const other = others[i];
    if (other !== undefined) id(key, other);
  });
  for (const { name, key, type } of SAMPLING) {
    const value = generation[name];
    if (value !== undefined) fields.push([key, { type, value }]);
  }
  const left = others.slice(OTHER_ENDS.length);
  const notes =
    left.length === 0 ? [] : [`A GGUF file names three tokens that end a text; not these: ${left.join(', ')}.`];
  return { fields, notes };
}
