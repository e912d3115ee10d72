import type { AnyModel, LoadedModel } from '../models/load.js';
import { type Exported, exportModel } from './export.js';
import type { ExportType } from './export-types.js';

export interface ImportOptions {
  /** The folder to write. */
  readonly to: string;
  readonly type: ExportType;
  readonly name: string;
  readonly force?: boolean | undefined;
}

/**
 * Writes a model from elsewhere (a repository of the Hub, a GGUF file, a folder of llama2.c, a folder with a plain
 * vocabulary) as a folder in Hugging Face's layout: `config.json`, `model.safetensors`, `tokenizer.json` …
 *
 * @throws {InputError} if the place is taken. @throws {WriteError} if the disk refuses.
 */
export function importModel(
  loaded: LoadedModel<AnyModel>,
  { to, type, name, force }: ImportOptions,
): Promise<Exported> {
  return exportModel(loaded, { format: 'safetensors', to, types: [type], name, force });
}

/** What a model is, for people and programs. */
export interface ModelDescription {
  /** `llama`, `bert` … */
  readonly architecture: string;
  readonly kind: 'decoder' | 'encoder' | 'encoder-decoder';
  readonly parameters: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** Longest context. */
  readonly positions: number;
  readonly vocabularySize: number;
  readonly tokenizer: string;
  readonly tokens: number;
  readonly hasChatTemplate: boolean;
}

/** Describes a model. */
export function describeModel({
  model,
  architecture,
  tokenizer,
  chatTemplate,
}: LoadedModel<AnyModel>): ModelDescription {
  const { layers, width, heads, positions, vocabularySize } = model.config;
  return {
    architecture: architecture.modelType,
    kind: architecture.kind,
    parameters: model.size,
    layers,
    width,
    heads,
    positions,
    vocabularySize,
    tokenizer: tokenizer.kind,
    tokens: tokenizer.vocabularySize,
    hasChatTemplate: chatTemplate !== undefined,
  };
}
