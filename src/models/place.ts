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
 * The file or folder on this machine that a place means: `hf:owner/name[/model.gguf][@revision]` is brought into the
 * cache of Hugging Face's tools, everything else is a path already.
 *
 * @throws {InputError} if it begins with `hf:` and is no model, or one of several that the repository has.
 * @throws {HubError | CorruptFileError | WriteError} if it cannot be had.
 */
export async function localPlace(place: string, options: PlaceOptions = {}): Promise<string> {
  const reference = modelReference(place);
  if (reference === undefined) return place;
  const { offline, onProgress, onNote, signal } = options;
  const { file } = reference;
  const wanted = (name: string, bytes: number, all: readonly string[]): boolean => {
    refuseOpenChoice(place, file, all);
    return file === undefined ? isModelFile(name, bytes, all) : name === file;
  };
  const { folder, note } = await fetchFromHub(reference, {
    files: wanted,
    ...(offline === undefined ? {} : { offline }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (note !== undefined) onNote?.(note);
  return file === undefined ? folder : path.join(folder, ...file.split('/'));
}

/** @throws {InputError} if a repository of GGUF files does not have the one, or none of them was named. */
function refuseOpenChoice(place: string, file: string | undefined, all: readonly string[]): void {
  const models = all.filter((name) => /\.gguf$/i.test(name));
  const isOpen =
    file === undefined ? models.length > 0 && !all.some((name) => /\.safetensors$/.test(name)) : !all.includes(file);
  if (!isOpen) return;
  const shown = models.slice(0, 12).map((name) => `${place.replace(/@.*|\/[^/]*\.gguf.*/i, '')}/${name}`);
  throw new InputError(
    file === undefined ? 'the repository holds models as GGUF files' : 'the repository has no such file',
    {
      where: place,
      expected: shown.length === 0 ? 'a repository with GGUF files' : `one of them: ${shown.join(', ')}`,
    },
  );
}

/** What to call a model by its place: `gpt2` for `hf:openai-community/gpt2@main`, `tiny` for `models/tiny.gguf`. */
export function placeName(place: string): string {
  const reference = modelReference(place);
  return (reference?.file === undefined ? reference?.name : namedAfter(reference.file)) ?? namedAfter(place);
}

function namedAfter(file: string): string {
  return path.basename(path.resolve(file)).replace(/\.gguf$/i, '');
}

function modelReference(place: string): HubReference | undefined {
  const reference = parseHubReference(place);
  if (reference?.kind === 'dataset') {
    throw new InputError('this is a data set, not a model', { where: place, expected: 'hf:owner/name' });
  }
  return reference;
}
