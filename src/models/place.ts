import * as path from 'node:path';
import { fetchFromHub } from '../hub/fetch.js';
import { isModelFile } from '../hub/model-files.js';
import type { HubProgress } from '../hub/progress-line.js';
import { type HubReference, parseHubReference } from '../hub/reference.js';
import { InputError } from '../util/errors.js';

/** How a model of the Hub is brought here. */
export interface PlaceOptions {
  /** Use what is in the cache alone. `HF_HUB_OFFLINE` says the same. */
  readonly offline?: boolean | undefined;
  readonly onProgress?: ((progress: HubProgress) => void) | undefined;
  /** Told when the cache is used because the Hub is out of reach. */
  readonly onNote?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The file or folder on this machine that a place means: `hf:owner/name[@revision]` is brought into the cache of Hugging
 * Face's tools, everything else is a path already.
 *
 * @throws {InputError} if it begins with `hf:` and is no model.
 * @throws {HubError | CorruptFileError | WriteError} if it cannot be had.
 */
export async function localPlace(place: string, options: PlaceOptions = {}): Promise<string> {
  const reference = modelReference(place);
  if (reference === undefined) return place;
  const { offline, onProgress, onNote, signal } = options;
  const { folder, note } = await fetchFromHub(reference, {
    files: isModelFile,
    ...(offline === undefined ? {} : { offline }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (note !== undefined) onNote?.(note);
  return folder;
}

/** What to call a model by its place: `gpt2` for `hf:openai-community/gpt2@main`, `tiny` for `models/tiny.gguf`. */
export function placeName(place: string): string {
  return modelReference(place)?.name ?? path.basename(path.resolve(place)).replace(/\.gguf$/i, '');
}

function modelReference(place: string): HubReference | undefined {
  const reference = parseHubReference(place);
  if (reference?.kind === 'dataset') {
    throw new InputError('this is a data set, not a model', { where: place, expected: 'hf:owner/name' });
  }
  return reference;
}
