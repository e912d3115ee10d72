import * as fs from 'node:fs';
import * as path from 'node:path';
import { deviceFor } from '../llm/device-choice.js';
import type { GenerationConfig } from '../models/generation-config.js';
import { loadAnyModel } from '../models/load.js';
import { localPlace, type PlaceOptions, placeName } from '../models/place.js';
import type { Device } from '../runtime/device.js';
import type { Candidate } from './candidate.js';
import { candidateOf } from './model-candidate.js';
import { openOnnxExport } from './onnx-candidate.js';
import { ONNX_SUFFIXES, type OnnxDtype } from './onnx-export.js';
import { precisionOf, type StoredModel, storedTypes } from './precision.js';
import type { Precision } from './verify-verdict.js';

export interface OpenCandidateOptions extends PlaceOptions {
  readonly device?: Device | undefined;
  /** Which of an ONNX export's types; default: the first of fp32, fp16, int8 and q4 that is there. */
  readonly dtype?: OnnxDtype | undefined;
}

/** A model from its files, to be held against another. */
export interface OpenedCandidate extends StoredModel {
  readonly candidate: Candidate;
  /** Undefined for an ONNX export. */
  readonly generation: GenerationConfig | undefined;
}

/** How exactly the types of an ONNX export keep numbers. */
export const ONNX_PRECISIONS: Readonly<Record<OnnxDtype, Precision>> = {
  fp32: 'float32',
  fp16: 'float16',
  int8: '8-bit',
  q4: '4-bit',
};

/**
 * Opens what `loadAnyModel` loads, or a folder that `exportOnnx` wrote.
 *
 * @throws {InputError | CorruptFileError | HubError} if it cannot be opened.
 */
export async function openCandidate(place: string, options: OpenCandidateOptions = {}): Promise<OpenedCandidate> {
  const { device, dtype, ...placeOptions } = options;
  const local = await localPlace(place, placeOptions);
  if (isOnnxExport(local, dtype !== undefined)) {
    const chosen = dtype ?? firstDtype(local);
    const candidate = await openOnnxExport(local, {
      ...(device === undefined ? {} : { device }),
      ...(chosen === undefined ? {} : { dtype: chosen }),
    });
    const precision = chosen === undefined ? 'float32' : ONNX_PRECISIONS[chosen];
    return { candidate, precision, types: [], generation: undefined };
  }
  const loaded = await loadAnyModel(local);
  const candidate = candidateOf(loaded, { device: device ?? deviceFor(loaded.model), name: placeName(place) });
  const types = storedTypes(local, loaded);
  return { candidate, precision: precisionOf(types), types, generation: loaded.generation };
}

/**
 * Whether a folder is an ONNX export.
 *
 * @param preferred where the weights are there in another form too, take it for one.
 */
export function isOnnxExport(folder: string, preferred = false): boolean {
  if (!fs.existsSync(path.join(folder, 'onnx'))) return false;
  return preferred || !fs.readdirSync(folder).some((name) => /^model.*\.safetensors/.test(name));
}

/** The first type that is there, as `openOnnxExport` takes it. */
function firstDtype(folder: string): OnnxDtype | undefined {
  const names = new Set(fs.readdirSync(path.join(folder, 'onnx')));
  const has = (suffix: string): boolean =>
    ['model', 'encoder_model'].some((name) => names.has(`${name}${suffix}.onnx`));
  return (Object.keys(ONNX_SUFFIXES) as OnnxDtype[]).find((dtype) => has(ONNX_SUFFIXES[dtype]));
}
