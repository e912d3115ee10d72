import type { Module } from '../nn/module.js';
import type { Parameter } from '../nn/parameter.js';
import { isGpuArray } from '../runtime/array.js';
import { moveToHost } from '../runtime/gpu.js';
import type { HostArray } from '../tensor/variable.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { float32ToBfloat16, float32ToFloat16 } from '../util/half.js';
import type { Json } from '../util/json.js';
import type { TensorPlace } from './architecture.js';
import { type CheckpointContent, writeCheckpoint } from './checkpoint.js';
import type { EncoderDecoderConfig } from './encoder-decoder.js';
import { type GenerationConfig, writeGenerationConfig } from './generation-config.js';
import { architectureFor } from './registry.js';
import type { SafetensorsTensor } from './safetensors.js';
import { sharded } from './shards.js';
import { modelTokenizerConfig } from './tokenizer-config.js';
import { enterPart, fileShape } from './weight-places.js';

/** A model with all that is needed to use it. */
export interface SavedModel {
  readonly model: Module & { readonly config: unknown };
  readonly tokenizer: Tokenizer;
  /** A Jinja template, for a model that chats. */
  readonly chatTemplate?: string | undefined;
  /** Default: what opens, closes and fills a text, by the tokenizer. */
  readonly generation?: GenerationConfig | undefined;
  /** Type of the weights in the file; default `F32`. */
  readonly dtype?: StoredDtype | undefined;
}

/** Types that weights are written in. */
export type StoredDtype = 'F32' | 'F16' | 'BF16';

function stored(data: Float32Array, shape: readonly number[], dtype: StoredDtype): SafetensorsTensor {
  if (dtype === 'F32') return { dtype, shape, data };
  return { dtype, shape, data: dtype === 'F16' ? float32ToFloat16(data) : float32ToBfloat16(data) };
}

/** The tensors of a file, put together and turned as the architecture's table says. */
async function fileTensors(
  model: Module,
  places: readonly TensorPlace[],
): Promise<{ readonly name: string; readonly shape: readonly number[]; readonly data: Float32Array }[]> {
  const parameters = new Map(model.namedParameters());
  const tensors = new Map<string, { name: string; shape: readonly number[]; data: Float32Array }>();
  for (const place of places) {
    const part = await hostWeights(parameters.get(place.path)!);
    const { name, rows, transposed } = place;
    const shape = fileShape(place);
    if (!rows && !transposed) {
      tensors.set(name, { name, shape, data: part });
      continue;
    }
    const tensor = tensors.get(name) ?? { name, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
    tensors.set(name, tensor);
    enterPart(tensor.data, part, place);
  }
  return [...tensors.values()];
}

const TORCH_DTYPES: Readonly<Record<StoredDtype, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

const jsonText = (value: Json): string => `${JSON.stringify(value, null, 2)}\n`;

/** How a tokenizer alone says that texts open and end. */
export function generationOf({ bosId, eosId, padId }: Tokenizer): GenerationConfig {
  return {
    ...(bosId === undefined ? {} : { bosId }),
    eosIds: eosId === undefined ? [] : [eosId],
    ...(padId === undefined ? {} : { padId }),
  };
}

/** What an encoder-decoder's answers begin with: other libraries look for it among the generation settings alone. */
function decoderStart({ config }: SavedModel['model']): Pick<GenerationConfig, 'decoderStartId'> {
  const { decoderStartId } = config as Partial<EncoderDecoderConfig>;
  return decoderStartId === undefined ? {} : { decoderStartId };
}

/**
 * The files of a model folder that describe it: `config.json`, `generation_config.json`, `tokenizer.json` and
 * `tokenizer_config.json`, each with its text.
 */
export function describingFiles(saved: SavedModel): Record<string, string> {
  const { model, tokenizer } = saved;
  const generation = { ...decoderStart(model), ...(saved.generation ?? generationOf(tokenizer)) };
  const { bos_token_id, eos_token_id, pad_token_id } = writeGenerationConfig(generation);
  const config: { [key: string]: Json } = {
    ...architectureFor(model).toConfig(model.config),
    torch_dtype: TORCH_DTYPES[saved.dtype ?? 'F32'],
    bos_token_id: bos_token_id ?? null,
    eos_token_id: eos_token_id ?? null,
    pad_token_id: pad_token_id ?? null,
  };
  return {
    'config.json': jsonText(config),
    'generation_config.json': jsonText(writeGenerationConfig(generation)),
    'tokenizer.json': jsonText(tokenizer.toJson()),
    'tokenizer_config.json': jsonText(modelTokenizerConfig(saved)),
  };
}

/**
 * The files of a model folder as Hugging Face lays it out, for `writeCheckpoint`: those of `describingFiles` and
 * `model.safetensors` (float32 unless said otherwise). A trainer adds its own beside them. Weights in memory are the
 * parameters' own arrays, not copies: write them before the next step. Weights on a GPU are brought back.
 */
export async function modelFiles(saved: SavedModel): Promise<CheckpointContent> {
  const { model } = saved;
  const weights = new Map<string, SafetensorsTensor>();
  const architecture = architectureFor(model);
  for (const { name, shape, data } of await fileTensors(model, architecture.names(model.config))) {
    weights.set(name, stored(data, shape, saved.dtype ?? 'F32'));
  }
  for (const [copy, name] of architecture.copies?.(model.config) ?? []) weights.set(copy, weights.get(name)!);
  return { files: describingFiles(saved), tensors: { 'model.safetensors': weights } };
}

/** A parameter's numbers in this process's memory, brought back from a GPU where they live there. */
export async function hostWeights({ value }: Parameter): Promise<Float32Array> {
  return (isGpuArray(value) ? await moveToHost(value) : (value as HostArray)).data as Float32Array;
}

/**
 * Writes a model folder that any tool which reads Llama opens, under checksums, whole or not at all.
 *
 * @param options.shardBytes weights that are larger are written as several files of at most so many bytes.
 * @throws {WriteError} if the disk refuses.
 */
export async function saveModel(
  folder: string,
  saved: SavedModel,
  { shardBytes = Number.POSITIVE_INFINITY }: { readonly shardBytes?: number } = {},
): Promise<void> {
  await writeCheckpoint(folder, sharded(await modelFiles(saved), shardBytes));
}
