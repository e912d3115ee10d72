import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { SafetensorsFile } from '../src/models/safetensors.js';
import type { HostArray } from '../src/tensor/variable.js';
import { repositoryRoot } from './source-files.js';

/** A tiny model of PyTorch's reference implementation and what it computed; `scripts/reference-models.py` makes them. */
export interface ReferenceCase {
  readonly name: string;
  /** With `model.safetensors`, `config.json`, and `config-4.json`, which says the same as an older library wrote it. */
  readonly folder: string;
  /** Integers by name: `input_ids`, `attention_mask` … */
  readonly inputs: ReadonlyMap<string, HostArray>;
  /** Floats by name: `logits`, `last_hidden_state`, `pooler_output`. */
  readonly outputs: ReadonlyMap<string, HostArray>;
  /** Gradient of the sum of the outputs' mean squares by each tensor of the weights, by its name in the file. */
  readonly gradients: ReadonlyMap<string, HostArray>;
}

const FOLDER = path.join(repositoryRoot, 'test', 'fixtures', 'models');

/** The names of all cases. */
export function referenceCaseNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => existsSync(path.join(FOLDER, name, 'expected.safetensors')))
    .sort();
}

export function readReferenceCase(name: string): ReferenceCase {
  const folder = path.join(FOLDER, name);
  const file = SafetensorsFile.open(path.join(folder, 'expected.safetensors'));
  const ofKind = (kind: string): Map<string, HostArray> =>
    new Map(
      [...file.entries]
        .filter(([key]) => key.startsWith(`${kind}.`))
        .map(([key, { dtype, shape }]) => {
          const array = { dtype: dtype === 'I64' ? 'int64' : 'float32', shape, data: file.read(key) };
          return [key.slice(kind.length + 1), array as HostArray];
        }),
    );
  try {
    return {
      name,
      folder,
      inputs: ofKind('input'),
      outputs: ofKind('output'),
      gradients: ofKind('gradient'),
    };
  } finally {
    file.close();
  }
}
