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
 * The types of the tensors in the files of a loaded model, each once, sorted.
 *
 * @param place what it was loaded from: a file or folder.
 */
export function storedTypes(place: string, { folder }: Pick<LoadedModel<AnyModel>, 'folder'>): string[] {
  const isFile = fs.statSync(place, { throwIfNoEntry: false })?.isFile() === true;
  const names = isFile ? [place] : fs.readdirSync(folder).map((name) => path.join(folder, name));
  const weights = names.filter((name) => /^model.*\.safetensors$/.test(path.basename(name)));
  const files = weights.length > 0 ? weights : names.filter((name) => /\.gguf$/i.test(name));
  return [...new Set(files.flatMap(typesOf))].sort();
}

/** How exactly tensors of such types keep numbers: the coarsest of them. */
export function precisionOf(types: readonly string[]): Precision {
  return types.reduce<Precision>((found, type) => coarser(found, OF_TYPE[type] ?? 'float32'), 'float32');
}

/** How exactly the files of a loaded model keep its weights. @param place as of `storedTypes`. */
export function storedPrecision(place: string, loaded: Pick<LoadedModel<AnyModel>, 'folder'>): Precision {
  return precisionOf(storedTypes(place, loaded));
}

/** Types that keep a number as it is: what was rounded to one was so before. */
const FLOATING: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16', 'F64']);

/** How a model is kept in its files. */
export interface StoredModel {
  readonly precision: Precision;
  /** Types of its tensors; none where it computes as its files say (an ONNX export) and not in float32. */
  readonly types: readonly string[];
}

/**
 * What precision may explain between two models: the coarser of the two. Two that are kept in the same floating types hold
 * the same numbers if they are the same model, however coarse those are: nothing is left to explain.
 */
export function precisionBetween(a: StoredModel, b: StoredModel): Precision {
  const isSame = a.types.length > 0 && a.types.join() === b.types.join() && a.types.every((type) => FLOATING.has(type));
  return isSame ? 'float32' : coarser(a.precision, b.precision);
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
