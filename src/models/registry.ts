import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { JsonConfig } from './config-fields.js';
import { Llama } from './llama.js';
import { isRedundantLlamaTensor, llamaTensors, type TensorPlace } from './llama-hf.js';
import { readLlamaConfig, readQwen3Config, writeLlamaConfig } from './llama-hf-config.js';

/** What is known of one `model_type` of `config.json`: how its files become a model and back. */
export interface Architecture<M extends { readonly config: unknown }> {
  readonly modelType: string;
  /** @param where the file's name, for errors. @throws {InputError} naming the key. */
  fromConfig(config: JsonConfig, where: string): M['config'];
  toConfig(config: M['config']): { [key: string]: Json };
  /** The tensors of a checkpoint and where each belongs. */
  names(config: M['config']): readonly TensorPlace[];
  /** Tensors of a file that may be there and are not needed. */
  isRedundant(name: string, config: M['config']): boolean;
  /** The model, its weights not set yet. */
  create(config: M['config']): M;
}

const llama: Omit<Architecture<Llama>, 'modelType' | 'fromConfig'> = {
  toConfig: writeLlamaConfig,
  names: llamaTensors,
  isRedundant: isRedundantLlamaTensor,
  create: (config) => new Llama(config),
};

/** Every model that writes text from left to right, a line each. */
const DECODERS: readonly Architecture<Llama>[] = [
  { modelType: 'llama', fromConfig: readLlamaConfig, ...llama },
  { modelType: 'qwen3', fromConfig: readQwen3Config, ...llama },
];

/** The architecture of a `config.json`. @throws {InputError} if it is not built. */
export function architectureOf(config: JsonConfig, where: string): Architecture<Llama> {
  const found = DECODERS.find(({ modelType }) => modelType === config.model_type);
  if (found) return found;
  throw new InputError('this type of model is not supported', {
    where: `${where}: model_type`,
    expected: DECODERS.map(({ modelType }) => modelType).join(', '),
    got: JSON.stringify(config.model_type ?? 'nothing').slice(0, 80),
  });
}

/** The architecture that a model is written as. */
export function architectureFor(model: Llama): Architecture<Llama> {
  const modelType = model.config.queryKeyNorm ? 'qwen3' : 'llama';
  return DECODERS.find((architecture) => architecture.modelType === modelType)!;
}
