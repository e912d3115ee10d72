import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { GgufField } from '../gguf/field.js';
import { ggmlByteLength } from '../gguf/ggml-type.js';
import { type GgufTensorSource, ggufParts } from '../gguf/writer.js';
import { type Module, weightsOf } from '../nn/module.js';
import { tokenizerToGguf } from '../tokenizer/gguf-writing.js';
import { InputError } from '../util/errors.js';
import { writeParts } from '../util/file-parts.js';
import { fileErrorReason, WriteError } from '../util/files.js';
import type { DecoderConfig, TensorPlace } from './architecture.js';
import { writeGgufGeneration } from './gguf-generation.js';
import { writeGgufConfig } from './gguf-metadata.js';
import { type GgufNames, ggufNameOf, ggufNamesOf, isRotated } from './gguf-names.js';
import { ROPE_FACTORS } from './gguf-rope.js';
import { pairsFromHalves } from './gguf-rows.js';
import { encodeGguf, type GgufModelType, ggufTypeOf } from './gguf-types.js';
import { ggufPlaces } from './gguf-weights.js';
import { headWidthOf, type LlamaConfig } from './llama.js';
import { architectureFor } from './registry.js';
import { generationOf, hostWeights, type SavedModel } from './save.js';
import { fileShape } from './weight-places.js';

export interface GgufWriteOptions {
  /** What matrices are written as; default `F16`. Norms, biases and positions are F32 in every file. */
  readonly type?: GgufModelType;
  /** The model's name, for people. */
  readonly name?: string;
}

/** A file that was written. */
export interface WrittenGguf {
  readonly file: string;
  readonly bytes: number;
  /** In the order of the file. */
  readonly tensors: readonly {
    readonly name: string;
    readonly type: GgufModelType;
    readonly shape: readonly number[];
    readonly bytes: number;
  }[];
  /** Tensors that could not have the type that was asked for. */
  readonly fallbacks: readonly { readonly name: string; readonly type: GgufModelType; readonly reason: string }[];
  /** What llama.cpp will do otherwise than this model, in full sentences; none in the usual case. */
  readonly notes: readonly string[];
}

/**
 * Writes a model with its tokenizer and chat template as one GGUF file, for llama.cpp, Ollama and their like: tensor by
 * tensor, and whole or not at all. Weights on a GPU are brought back first.
 *
 * @throws {InputError} if llama.cpp has no such model or tokenizer, saying which part, or a weight does not fit.
 * @throws {WriteError} if the disk refuses.
 */
export async function writeGguf(
  file: string,
  saved: Omit<SavedModel, 'dtype'>,
  options: GgufWriteOptions = {},
): Promise<WrittenGguf> {
  const { model, tokenizer, chatTemplate, generation = generationOf(tokenizer) } = saved;
  const { type = 'F16', name } = options;
  const architecture = architectureFor(model);
  const names = ggufNamesOf(architecture.modelType);
  if (names === undefined) {
    throw new InputError(`a ${architecture.modelType} is not written to GGUF files`, {
      where: file,
      hint: 'Export it as safetensors or ONNX.',
    });
  }
  const config = writeGgufConfig(model, names.architecture, { name, type });
  const { vocabularySize } = model.config as DecoderConfig;
  const text = tokenizerToGguf(tokenizer, { chatTemplate, vocabularySize });
  const ends = writeGgufGeneration(generation, tokenizer);
  const metadata = new Map<string, GgufField>([...config.fields, ...text.fields, ...ends.fields]);
  const places = ggufPlaces(architecture.names(model.config as never));
  const weights = await weightsOnHost(model);
  const planned = plan(names, places, weights, model.config, type);
  if (config.rotationFactors !== undefined) planned.push(factorsTensor(config.rotationFactors));
  writeAtomic(file, ggufParts(metadata, planned));
  const tensors = planned.map((tensor) => {
    const { name, type: stored, shape } = tensor;
    return { name, type: stored, shape, bytes: ggmlByteLength(stored, shape) };
  });
  const fallbacks = planned.flatMap(({ name, type: stored, fallback }) =>
    fallback === undefined ? [] : [{ name, type: stored, reason: fallback }],
  );
  const notes = [...config.notes, ...text.warnings, ...ends.notes];
  return { file, bytes: fs.statSync(file).size, tensors, fallbacks, notes };
}

interface PlannedTensor extends GgufTensorSource {
  readonly type: GgufModelType;
  readonly fallback?: string;
}

function factorsTensor(factors: Float32Array): PlannedTensor {
  return {
    name: ROPE_FACTORS,
    type: 'F32',
    shape: [factors.length],
    data: () => encodeGguf(ROPE_FACTORS, 'F32', factors),
  };
}

/** The numbers of each parameter, by its path. */
type Weights = ReadonlyMap<string, () => Float32Array>;

/** What lies on a GPU is brought here at once; packed weights are unpacked when their turn comes. */
async function weightsOnHost(model: Module): Promise<Weights> {
  const weights = new Map<string, () => Float32Array>();
  for (const [name, parameter] of model.namedParameters()) {
    if (parameter.quantized !== undefined) weights.set(name, () => weightsOf(parameter));
    else {
      const numbers = await hostWeights(parameter);
      weights.set(name, () => numbers);
    }
  }
  return weights;
}

/** The tensors of the file, each made when it is asked for. */
function plan(
  names: GgufNames,
  places: readonly TensorPlace[],
  weights: Weights,
  config: unknown,
  wanted: GgufModelType,
): PlannedTensor[] {
  const partsOf = new Map<string, TensorPlace[]>();
  for (const place of places) partsOf.set(place.name, [...(partsOf.get(place.name) ?? []), place]);
  const inFile = new Set([...partsOf.keys()].map((name) => ggufNameOf(names, name)));
  const head = inFile.has('output.weight') ? 'output.weight' : 'token_embd.weight';
  return [...partsOf].map(([known, parts]): PlannedTensor => {
    const name = ggufNameOf(names, known);
    if (name === undefined) throw new Error(`no GGUF name for ${known}`);
    const shape = fileShape(parts[0]!);
    const { type, fallback } = ggufTypeOf(name, shape, wanted, name === head);
    const headWidth = isRotated(names, known) ? headWidthOf(config as LlamaConfig) : undefined;
    const data = (): Uint8Array => encodeGguf(name, type, rowsOf(parts, weights, shape, headWidth));
    return { name, type, shape, data, ...(fallback === undefined ? {} : { fallback }) };
  });
}

/** All rows of a tensor: parts one after another, rotated ones in the order of pairs. */
function rowsOf(
  parts: readonly TensorPlace[],
  weights: Weights,
  shape: readonly number[],
  headWidth: number | undefined,
): Float32Array {
  if (parts.length === 1 && headWidth === undefined) return weights.get(parts[0]!.path)!();
  const [rows, width = 1] = shape as readonly [number, number?];
  const whole = new Float32Array(rows * width);
  for (const { path: name, rows: range } of parts) whole.set(weights.get(name)!(), (range?.at ?? 0) * width);
  if (headWidth !== undefined) pairsFromHalves(new Uint8Array(whole.buffer), 4 * headWidth * width, headWidth);
  return whole;
}

function writeAtomic(file: string, parts: Iterable<Uint8Array>): void {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
  } catch (error) {
    throw new WriteError(`cannot write: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
  let fault: unknown;
  const watched = function* (): Iterable<Uint8Array> {
    try {
      yield* parts;
    } catch (error) {
      fault = error;
      throw error;
    }
  };
  try {
    writeParts(temporary, watched());
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    // A weight that does not fit is no fault of the disk.
    if (fault !== undefined) throw fault;
    if (error instanceof WriteError) throw error;
    throw new WriteError(`cannot write: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
}
