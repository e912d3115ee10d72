import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Module } from '../nn/module.js';
import { loadChatTemplate } from '../tokenizer/chat-template.js';
import { loadTokenizer } from '../tokenizer/file.js';
import { loadLlama2cTokenizer } from '../tokenizer/llama2c.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { fileErrorReason } from '../util/files.js';
import { readJsonObject } from '../util/json.js';
import type { Decoder, DecoderConfig } from './architecture.js';
import { CHECKSUM_FILE, verifyCheckpoint } from './checkpoint.js';
import { type DamagedCheckpoint, latestValidCheckpoint, listCheckpoints } from './checkpoint-list.js';
import { type GenerationConfig, readGenerationConfig } from './generation-config.js';
import { loadGguf } from './gguf-load.js';
import { llama2cConfig, readLlama2c } from './llama2c.js';
import { WeightFiles } from './load-weights.js';
import { localPlace, type PlaceOptions } from './place.js';
import { type ArchitectureRecord, architectureFor, architectureOf, modelFrom, namingOf } from './registry.js';
import { generationOf } from './save.js';
import { checkWeights, type FillOptions, fillWeights } from './weight-places.js';

/** How a model is had and kept. */
export interface LoadOptions extends PlaceOptions, FillOptions {}

/** Any model: what all have in common. */
export type AnyModel = Module & { readonly config: DecoderConfig };

/** A model in memory, with all that is needed to use it. */
export interface LoadedModel<M extends Module = Decoder> {
  readonly model: M;
  readonly architecture: ArchitectureRecord;
  readonly tokenizer: Tokenizer;
  /** A Jinja template, where the model has one. */
  readonly chatTemplate: string | undefined;
  readonly generation: GenerationConfig;
  /** The folder that the files lay in. */
  readonly folder: string;
  /** Checkpoints of the run that are newer and could not be used. */
  readonly damaged: readonly DamagedCheckpoint[];
}

/**
 * Loads a model that writes text from left to right, as `loadAnyModel` does.
 *
 * @throws {InputError} also if it is a model of another kind.
 */
export async function loadModel(place: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const loaded = await loadAnyModel(place, options);
  if (isDecoder(loaded)) return loaded;
  const { modelType, kind } = loaded.architecture;
  throw new InputError('this model does not continue texts', {
    where: place,
    expected: 'a decoder, such as gpt2, llama or qwen3',
    got: `${modelType}, an ${kind}`,
  });
}

/** Whether a model writes text from left to right. */
export function isDecoder(loaded: LoadedModel<AnyModel>): loaded is LoadedModel<AnyModel & Decoder> {
  return loaded.architecture.kind === 'decoder';
}

/**
 * Loads a model of any kind and its tokenizer. Weights are float32 in memory, whatever they are in the file, unless
 * packed ones are to stay packed.
 *
 * @param source a folder in Hugging Face's layout (a checkpoint of ours is one); a run's folder, for its `model` or else
 * its newest checkpoint that is whole; a folder with a model of llama2.c and its tokenizer; a GGUF file; or `hf:owner/name[@revision]`,
 * which is brought here first.
 * @throws {InputError} saying what was looked for, or what in the files is not usable.
 * @throws {CorruptFileError} if a file is not what was saved.
 */
export async function loadAnyModel(source: string, options: LoadOptions = {}): Promise<LoadedModel<AnyModel>> {
  const place = await localPlace(source, options);
  if (/\.gguf$/i.test(place) && !isFolder(place)) return loadGguf(place, options);
  const names = filesIn(place);
  if (names.includes('config.json')) return loadFolder(place, true, options);
  const finished = path.join(place, 'model');
  if (fs.existsSync(path.join(finished, 'config.json'))) return loadFolder(finished, true, options);
  if (listCheckpoints(place).length > 0) {
    const { checkpoint, damaged } = latestValidCheckpoint(place);
    // Its checksums were held against it already.
    if (checkpoint !== undefined) return { ...loadFolder(checkpoint.folder, false, options), damaged };
    throw new InputError('every checkpoint of the run is damaged', {
      where: place,
      got: damaged.map(({ error }) => error.message).join('\n'),
    });
  }
  const binary = names.find((name) => name.endsWith('.bin') && llama2cConfig(path.join(place, name)) !== undefined);
  if (binary !== undefined) return loadLlama2c(place, binary, names);
  const [gguf, ...others] = names.filter((name) => /\.gguf$/i.test(name));
  if (gguf !== undefined && others.length === 0) return loadGguf(path.join(place, gguf), options);
  throw new InputError('there is no model here', {
    where: place,
    expected: [
      'config.json with model.safetensors and tokenizer.json (Hugging Face layout)',
      'or model/ or checkpoints/ (a run)',
      'or a .bin file of llama2.c with its tokenizer',
      'or one .gguf file',
    ].join(', '),
    got: names.length === 0 ? 'an empty folder' : names.slice(0, 12).join(', ') + (names.length > 12 ? ' …' : ''),
  });
}

const isFolder = (place: string): boolean => fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;

function filesIn(place: string): string[] {
  try {
    return fs.readdirSync(place).sort();
  } catch (error) {
    // Beside what is in a folder that is here a name is a slip, and none of the Hub's.
    const hub = fs.existsSync(path.dirname(place)) ? undefined : hubNameOf(place);
    const isFile = (error as NodeJS.ErrnoException).code === 'ENOTDIR' && fs.existsSync(place);
    throw new InputError(`cannot open the model: ${isFile ? 'this is a file' : fileErrorReason(error)}`, {
      where: place,
      expected: 'a run, a folder with a model, a file that ends in .gguf, or hf:owner/name',
      ...(hub === undefined || isFile ? {} : { hint: `If you mean the model of the Hugging Face Hub: hf:${hub}` }),
      cause: error,
    });
  }
}

/** The repository that a place that is not here may mean: `owner/name`, or its page. */
function hubNameOf(place: string): string | undefined {
  return /^(?:(?:https?:\/\/)?(?:www\.)?huggingface\.co\/)?([\w-][\w.-]*\/[\w-][\w.-]*)\/?$/.exec(place)?.[1];
}

/**
 * Gives a model the weights of a folder, as a resumed run does.
 *
 * @throws {InputError} if they are another model's. @throws {CorruptFileError}
 */
export function loadWeights(model: AnyModel, folder: string): void {
  const architecture = architectureFor(model);
  const places = architecture.names(model.config);
  const naming = namingOf(architecture, model.config);
  const weights = WeightFiles.open(folder);
  try {
    checkWeights(weights, places, naming);
    fillWeights(model, weights, places, naming);
  } finally {
    weights.close();
  }
}

function loadFolder(folder: string, verify: boolean, options: FillOptions = {}): LoadedModel<AnyModel> {
  if (verify && fs.existsSync(path.join(folder, CHECKSUM_FILE))) verifyCheckpoint(folder);
  const file = path.join(folder, 'config.json');
  const json = readJsonObject(file);
  const architecture = architectureOf(json, file);
  const config = architecture.fromConfig(json, file) as DecoderConfig;
  if (!TOKENIZER_FILES.some((name) => fs.existsSync(path.join(folder, name)))) {
    throw new InputError('the model has no tokenizer', { where: folder, expected: TOKENIZER_FILES.join(', or ') });
  }
  const tokenizer = loadTokenizer(folder);
  const generation = loadGeneration(folder, tokenizer);
  const needed = Math.max(tokenizer.vocabularySize, (generation.bosId ?? 0) + 1);
  if (needed > config.vocabularySize) {
    throw new InputError('the tokenizer has ids that the model does not', {
      where: folder,
      expected: `ids below ${config.vocabularySize}, as vocab_size in config.json says`,
      got: `ids up to ${needed - 1}`,
      hint: 'Do the tokenizer and the model belong together?',
    });
  }
  const weights = WeightFiles.open(folder);
  try {
    const model = modelFrom(architecture, config, weights, options) as AnyModel;
    const chatTemplate = loadChatTemplate(folder);
    return { model, architecture, tokenizer, chatTemplate, generation, folder, damaged: [] };
  } finally {
    weights.close();
  }
}

/** The files that a tokenizer may come as. */
const TOKENIZER_FILES: readonly string[] = [
  'tokenizer.json',
  'vocab.json',
  'vocab.txt',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
];

/** `generation_config.json`, and for tokens that it does not name `config.json`, then the tokenizer. */
function loadGeneration(folder: string, tokenizer: Tokenizer): GenerationConfig {
  const read = (name: string): GenerationConfig => {
    const file = path.join(folder, name);
    return fs.existsSync(file) ? readGenerationConfig(readJsonObject(file), file) : { eosIds: [] };
  };
  const own = read('generation_config.json');
  const { bosId, eosIds, padId, decoderStartId } = read('config.json');
  const fallback: GenerationConfig = {
    ...generationOf(tokenizer),
    ...(bosId === undefined ? {} : { bosId }),
    ...(padId === undefined ? {} : { padId }),
    ...(decoderStartId === undefined ? {} : { decoderStartId }),
    ...(eosIds.length === 0 ? {} : { eosIds }),
  };
  return { ...fallback, ...own, eosIds: own.eosIds.length === 0 ? fallback.eosIds : own.eosIds };
}

function loadLlama2c(folder: string, binary: string, names: readonly string[]): LoadedModel<AnyModel> {
  const tokenizerFile = names.find((name) => /^tok.*\.bin$/.test(name) && name !== binary);
  if (tokenizerFile === undefined) {
    throw new InputError('the model has no tokenizer', { where: folder, expected: 'tokenizer.bin or tok….bin' });
  }
  const model = readLlama2c(path.join(folder, binary));
  const tokenizer = loadLlama2cTokenizer(path.join(folder, tokenizerFile), model.config.vocabularySize);
  // Its stories follow each other with <s> between them: that token ends one, too.
  const generation: GenerationConfig = { bosId: 1, eosIds: [1, 2] };
  const architecture = architectureFor(model);
  return { model, architecture, tokenizer, chatTemplate: undefined, generation, folder, damaged: [] };
}
