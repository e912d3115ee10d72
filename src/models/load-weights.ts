import * as fs from 'node:fs';
import * as path from 'node:path';
import { CorruptFileError, InputError } from '../util/errors.js';
import { readJsonObject } from '../util/json.js';
import { SafetensorsFile } from './safetensors.js';
import type { WeightSource } from './weight-places.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** The open weights of a model folder: one safetensors file, or the several that an index lists. */
export class WeightFiles implements WeightSource {
  readonly where: string;
  readonly shapes: Map<string, readonly number[]> = new Map();
  readonly #files: SafetensorsFile[] = [];
  readonly #fileOf = new Map<string, SafetensorsFile>();

  private constructor(folder: string) {
    this.where = folder;
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
    for (const [name, { shape }] of file.entries) {
      if (this.#fileOf.has(name)) {
        throw new CorruptFileError(`tensor '${name}' is in two files`, { where: file.file });
      }
      this.#fileOf.set(name, file);
      this.shapes.set(name, shape);
    }
  }

  readFloat32(name: string): Float32Array {
    return this.#fileOf.get(name)!.readFloat32(name);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

/** A folder that the Hub's tools filled. */
const HUB_SNAPSHOT = /[\\/]snapshots[\\/][0-9a-f]{40}[\\/]?$/;

function weightFileNames(folder: string): string[] {
  if (fs.existsSync(path.join(folder, SINGLE))) return [SINGLE];
  const index = path.join(folder, INDEX);
  if (!fs.existsSync(index)) {
    refusePickle(folder);
    throw new InputError('there are no weights', {
      where: folder,
      expected: `${SINGLE}, or ${INDEX} and the files that it lists`,
      got: fs.readdirSync(folder).sort().slice(0, 12).join(', '),
      ...(HUB_SNAPSHOT.test(folder)
        ? {
            hint: 'The repository on the Hub has none, or others that are not fetched: pytorch_model.bin is a program. Look for a revision with safetensors: hf:owner/name@refs/pr/1 is often one.',
          }
        : {}),
    });
  }
  const map = readJsonObject(index).weight_map;
  const names = map !== null && typeof map === 'object' && !Array.isArray(map) ? [...new Set(Object.values(map))] : [];
  if (names.length === 0 || names.some((name) => typeof name !== 'string' || !/^[\w-][\w.-]*$/.test(name))) {
    throw new InputError('not an index of weights', { where: `${index}: weight_map`, expected: 'plain file names' });
  }
  return names as string[];
}

/** @throws {InputError} if a folder's weights are a program: such files can run anything when they are read. */
function refusePickle(folder: string): void {
  const pickle = fs.readdirSync(folder).find((name) => /^pytorch_model.*\.bin$|\.(pt|pth|ckpt)$/.test(name));
  if (pickle === undefined) return;
  throw new InputError('the weights are a Python pickle, which is a program: reading it could run anything', {
    where: path.join(folder, pickle),
    expected: `${SINGLE}, which holds numbers alone`,
    hint: 'Look for a revision with safetensors (hf:owner/name@refs/pr/1 is often one), or in Python where you trust the file: AutoModel.from_pretrained(folder).save_pretrained(folder).',
  });
}
