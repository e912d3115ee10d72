import * as path from 'node:path';
import { GgufFile } from '../gguf/file.js';
import { tokenizerFromGguf } from '../tokenizer/gguf.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import type { DecoderConfig } from './architecture.js';
import { ggufArchitectureOf, readGgufConfig } from './gguf-config.js';
import { GgufFields } from './gguf-fields.js';
import { readGgufGeneration } from './gguf-generation.js';
import { ggufNamesOf } from './gguf-names.js';
import { ROPE_FACTORS } from './gguf-rope.js';
import { GgufWeights, ggufPlaces } from './gguf-weights.js';
import { headWidthOf, type LlamaConfig } from './llama.js';
import type { AnyModel, LoadedModel } from './load.js';
import { type ArchitectureRecord, architectureOf, modelFrom, namingOf } from './registry.js';
import { checkWeights, type FillOptions } from './weight-places.js';

/** A GGUF file, read but for its weights, which stay in the file until they are asked for. */
export interface GgufModel extends Omit<LoadedModel<AnyModel>, 'model'> {
  readonly config: DecoderConfig;
  /** To be closed. They are those that the configuration needs: names and shapes are checked. */
  readonly weights: GgufWeights;
  /** The architecture with the places of its tensors in this file, for `modelFrom` and `fillWeights`. */
  readonly inFile: ArchitectureRecord;
}

/**
 * Opens a model in a GGUF file. Everything is checked, and of the weights nothing is read.
 *
 * @throws {InputError} if architecture, a feature, a tensor's type or the tokenizer is not supported; by name.
 * @throws {CorruptFileError} if the file is damaged.
 */
export function openGgufModel(file: string): GgufModel {
  const opened = GgufFile.open(file);
  try {
    return readModel(opened);
  } catch (error) {
    opened.close();
    throw error;
  }
}

/**
 * Loads a model from a GGUF file, with its tokenizer and chat template. Weights are float32 in memory, whatever they are
 * in the file, unless packed ones are to stay so: they are exactly what llama.cpp takes them for.
 *
 * @throws {InputError} @throws {CorruptFileError} as `openGgufModel`.
 */
export function loadGguf(file: string, options: FillOptions = {}): LoadedModel<AnyModel> {
  const { weights, inFile, config, ...rest } = openGgufModel(file);
  try {
    return { ...rest, model: modelFrom(inFile, config, weights, options) as AnyModel };
  } finally {
    weights.close();
  }
}

function readModel(file: GgufFile): GgufModel {
  const { metadata, tensors, file: where } = file;
  const fields = new GgufFields(metadata, where, ggufArchitectureOf(metadata, where));
  const json = readGgufConfig(fields, tensors, (headWidth) => rotationFactors(file, headWidth));
  const architecture = architectureOf(json, where);
  const config = architecture.fromConfig(json, where) as DecoderConfig;
  const names = ggufNamesOf(architecture.modelType)!;
  const weights = new GgufWeights(file, names, names.rotatesPairs ? headWidthOf(config as LlamaConfig) : 0);
  const inFile: ArchitectureRecord = {
    ...architecture,
    names: (given) => ggufPlaces(architecture.names(given)),
    // A file that holds the output matrix does not tie it, so none of its tensors is one too many but known to be so.
    isRedundant: () => false,
  };
  checkWeights(weights, inFile.names(config), namingOf(inFile, config));
  const { tokenizer, chatTemplate } = tokenizerFromGguf(metadata, where);
  checkVocabulary(tokenizer, config, where);
  const generation = readGgufGeneration(metadata, where, tokenizer, config.vocabularySize);
  const folder = path.dirname(where);
  return { architecture, config, weights, inFile, tokenizer, chatTemplate, generation, folder, damaged: [] };
}

function rotationFactors(file: GgufFile, headWidth: number): Float32Array | undefined {
  const tensor = file.tensors.get(ROPE_FACTORS);
  if (tensor === undefined) return undefined;
  if (tensor.type === 'F32' && tensor.shape.join() === `${headWidth / 2}`) return file.readFloat32(ROPE_FACTORS);
  throw new InputError('not the factors of a rotation', {
    where: `${file.file}: tensor '${ROPE_FACTORS}'`,
    expected: `F32 [${headWidth / 2}]`,
    got: `${tensor.type} [${tensor.shape.join(', ')}]`,
  });
}

function checkVocabulary(tokenizer: Tokenizer, { vocabularySize }: DecoderConfig, where: string): void {
  if (tokenizer.vocabularySize <= vocabularySize) return;
  throw new InputError('the tokenizer has ids that the model does not', {
    where,
    expected: `ids below ${vocabularySize}, the rows of token_embd.weight`,
    got: `ids up to ${tokenizer.vocabularySize - 1}`,
  });
}
