import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Module } from '../nn/module.js';
import type { HostArray } from '../tensor/variable.js';
import { CorruptFileError, InputError } from '../util/errors.js';
import { readJsonObject } from '../util/json.js';
import type { TensorPlace } from './llama-hf.js';
import { SafetensorsFile } from './safetensors.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** The open weights of a model folder: one safetensors file, or the several that an index lists. */
export class WeightFiles {
  readonly folder: string;
  readonly #files: SafetensorsFile[] = [];
  readonly #fileOf = new Map<string, SafetensorsFile>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** @throws {InputError} if there are none or they cannot be read. @throws {CorruptFileError} */
  static open(folder: string): WeightFiles {
    const weights = new WeightFiles(folder);
    try {
      for (const name of weightFileNames(folder)) weights.#add(SafetensorsFile.open(path.join(folder, name)));
      return weights;
    } catch (error) {
      weights.close();
      throw error;
    }
  }

  #add(file: SafetensorsFile): void {
    this.#files.push(file);
    for (const name of file.entries.keys()) {
      if (this.#fileOf.has(name)) {
        throw new CorruptFileError(`tensor '${name}' is in two files`, { where: file.file });
      }
      this.#fileOf.set(name, file);
    }
  }

  /**
   * Holds names and shapes against what a model needs, before anything is read.
   *
   * @param isRedundant tensors that may be there and are not needed.
   * @throws {InputError} listing what is missing and what is not expected, or naming the tensor whose shape differs.
   */
  check(places: readonly TensorPlace[], isRedundant: (name: string) => boolean = () => false): void {
    const wanted = new Set(places.map(({ name }) => name));
    const missing = [...wanted].filter((name) => !this.#fileOf.has(name));
    const unexpected = [...this.#fileOf.keys()].filter((name) => !wanted.has(name) && !isRedundant(name));
    if (missing.length > 0 || unexpected.length > 0) {
      throw new InputError('the tensors of the weights are not those of the configuration', {
        where: this.folder,
        expected: `${wanted.size} tensors${listed(', missing', missing)}`,
        got: `${this.#fileOf.size} tensors${listed(', not expected', unexpected)}`,
        hint: 'Do config.json and the weights belong to the same model?',
      });
    }
    for (const { name, shape } of places) {
      const file = this.#fileOf.get(name)!;
      const found = file.entry(name).shape;
      if (found.join() === shape.join()) continue;
      throw new InputError(`tensor '${name}' has another shape than the configuration says`, {
        where: file.file,
        expected: `[${shape.join(', ')}]`,
        got: `[${found.join(', ')}]`,
        hint: 'Do config.json and the weights belong to the same model?',
      });
    }
  }

  /** Gives a model its weights as float32, tensor by tensor. To be called after `check`. */
  fill(model: Module, places: readonly TensorPlace[]): void {
    const parameters = new Map(model.namedParameters());
    for (const { name, path: place, shape } of places) {
      const parameter = parameters.get(place)!;
      parameter.name = place;
      // The array that was read becomes the parameter's own.
      const value: HostArray = { dtype: 'float32', shape, data: this.#fileOf.get(name)!.readFloat32(name) };
      parameter.value = value;
    }
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

function weightFileNames(folder: string): string[] {
  if (fs.existsSync(path.join(folder, SINGLE))) return [SINGLE];
  const index = path.join(folder, INDEX);
  if (!fs.existsSync(index)) {
    throw new InputError('there are no weights', {
      where: folder,
      expected: `${SINGLE}, or ${INDEX} and the files that it lists`,
      got: fs.readdirSync(folder).sort().slice(0, 12).join(', '),
      hint: 'Weights in other formats (pytorch_model.bin, gguf) have to be converted to safetensors first.',
    });
  }
  const map = readJsonObject(index).weight_map;
  const names = map !== null && typeof map === 'object' && !Array.isArray(map) ? [...new Set(Object.values(map))] : [];
  if (names.length === 0 || names.some((name) => typeof name !== 'string' || !/^[\w-][\w.-]*$/.test(name))) {
    throw new InputError('not an index of weights', { where: `${index}: weight_map`, expected: 'plain file names' });
  }
  return names as string[];
}

function listed(label: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const shown = names.slice(0, 6).join(', ');
  return `${label}: ${shown}${names.length > 6 ? ` … (${names.length})` : ''}`;
}
