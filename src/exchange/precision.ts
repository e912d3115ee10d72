import * as fs from 'node:fs';
import * as path from 'node:path';
import { GgufFile } from '../gguf/file.js';
import type { AnyModel, LoadedModel } from '../models/load.js';
import { SafetensorsFile } from '../models/safetensors.js';
import { coarser, type Precision } from './verify-verdict.js';

/** How exactly each type of a file keeps numbers; 6 bits count as 4, since they are nearer to them than to 8. */
const OF_TYPE: Readonly<Record<string, Precision>> = {
  F16: 'float16',
  BF16: 'bfloat16',
  Q8_0: '8-bit',
  Q4_0: '4-bit',
  Q4_K: '4-bit',
  Q6_K: '4-bit',
};

/**
 * How exactly the files of a loaded model keep its weights: the coarsest of its tensors.
 *
 * @param place what it was loaded from: a file or folder.
 */
export function storedPrecision(place: string, { folder }: LoadedModel<AnyModel>): Precision {
  const isFile = fs.statSync(place, { throwIfNoEntry: false })?.isFile() === true;
  const names = isFile ? [place] : fs.readdirSync(folder).map((name) => path.join(folder, name));
  const weights = names.filter((name) => /^model.*\.safetensors$/.test(path.basename(name)));
  const files = weights.length > 0 ? weights : names.filter((name) => /\.gguf$/i.test(name));
  return files
    .flatMap(typesOf)
    .reduce<Precision>((found, type) => coarser(found, OF_TYPE[type] ?? 'float32'), 'float32');
}

function typesOf(file: string): string[] {
  if (/\.gguf$/i.test(file)) {
    const opened = GgufFile.open(file);
    opened.close();
    return [...opened.tensors.values()].map(({ type }) => type);
  }
  const opened = SafetensorsFile.open(file);
  opened.close();
  return [...opened.entries.values()].map(({ dtype }) => dtype);
}
