import type { Parameter } from '../nn/parameter.js';
import { isGpuArray } from '../runtime/array.js';
import { moveToHost } from '../runtime/gpu.js';
import type { HostArray } from '../tensor/variable.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { Json } from '../util/json.js';
import { type CheckpointContent, writeCheckpoint } from './checkpoint.js';
import { type GenerationConfig, writeGenerationConfig } from './generation-config.js';
import type { Llama } from './llama.js';
import { architectureFor } from './registry.js';
import type { SafetensorsTensor } from './safetensors.js';

/** A model with all that is needed to use it. */
export interface SavedModel {
  readonly model: Llama;
  readonly tokenizer: Tokenizer;
  /** A Jinja template, for a model that chats. */
  readonly chatTemplate?: string | undefined;
  /** Default: what opens, closes and fills a text, by the tokenizer. */
  readonly generation?: GenerationConfig | undefined;
}

const jsonText = (value: Json): string => `${JSON.stringify(value, null, 2)}\n`;

/** How a tokenizer alone says that texts open and end. */
export function generationOf({ bosId, eosId, padId }: Tokenizer): GenerationConfig {
  return {
    ...(bosId === undefined ? {} : { bosId }),
    eosIds: eosId === undefined ? [] : [eosId],
    ...(padId === undefined ? {} : { padId }),
  };
}

/**
 * The files of a model folder as Hugging Face lays it out, for `writeCheckpoint`: `config.json`, `model.safetensors`
 * (float32), `tokenizer.json`, `tokenizer_config.json` and `generation_config.json`. A trainer adds its own beside
 * them. Weights in memory are the parameters' own arrays, not copies: write them before the next step. Weights on a GPU
 * are brought back.
 */
export async function modelFiles(saved: SavedModel): Promise<CheckpointContent> {
  const { model, tokenizer, chatTemplate, generation = generationOf(tokenizer) } = saved;
  const architecture = architectureFor(model);
  const { bos_token_id, eos_token_id, pad_token_id } = writeGenerationConfig(generation);
  const config: { [key: string]: Json } = {
    ...architecture.toConfig(model.config),
    bos_token_id: bos_token_id ?? null,
    eos_token_id: eos_token_id ?? null,
    pad_token_id: pad_token_id ?? null,
  };
  const parameters = new Map(model.namedParameters());
  const weights = new Map<string, SafetensorsTensor>();
  for (const { name, path, shape } of architecture.names(model.config)) {
    weights.set(name, { dtype: 'F32', shape, data: await hostWeights(parameters.get(path)!) });
  }
  return {
    files: {
      'config.json': jsonText(config),
      'generation_config.json': jsonText(writeGenerationConfig(generation)),
      'tokenizer.json': jsonText(tokenizer.toJson()),
      'tokenizer_config.json': jsonText(tokenizerConfig(tokenizer, chatTemplate)),
    },
    tensors: { 'model.safetensors': weights },
  };
}

async function hostWeights({ value }: Parameter): Promise<Float32Array> {
  return (isGpuArray(value) ? await moveToHost(value) : (value as HostArray)).data as Float32Array;
}

/** As `saveTokenizer` writes it. */
function tokenizerConfig(tokenizer: Tokenizer, chatTemplate: string | undefined): { [key: string]: Json } {
  const contentOf = new Map([...tokenizer.specialTokens].map(([content, id]) => [id, content]));
  const role = (id: number | undefined): string | null => (id === undefined ? null : (contentOf.get(id) ?? null));
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: role(tokenizer.bosId),
    eos_token: role(tokenizer.eosId),
    pad_token: role(tokenizer.padId),
    clean_up_tokenization_spaces: false,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  };
}

/**
 * Writes a model folder that any tool which reads Llama opens, under checksums, whole or not at all.
 *
 * @throws {WriteError} if the disk refuses.
 */
export async function saveModel(folder: string, saved: SavedModel): Promise<void> {
  await writeCheckpoint(folder, await modelFiles(saved));
}
