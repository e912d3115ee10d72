import { Option } from 'commander';
import { hubProgressLine } from '../hub/progress-line.js';
import { localPlace } from '../models/place.js';
import { writeLine, writeNote } from './output.js';

/** What a command that opens models may be told of the way in which they are found. */
export interface PlaceFlags {
  readonly offline?: boolean;
  readonly json?: boolean;
}

/** What may stand for a model, for the help of an argument. */
export const MODEL_PLACES = 'a run, a folder with a model, a .gguf file, or hf:owner/name[/file.gguf][@revision]';

/** `--offline`. */
export function offlineOption(): Option {
  return new Option('--offline', 'take models of the Hugging Face Hub from the cache alone');
}

/**
 * The path of a model on this machine; one of the Hub is brought here first, with a progress line on standard error
 * (under `--json`, lines on standard output). Stopped, by `signal` or for good, the download goes on at the next try.
 */
export async function bringModel(place: string, { offline, json }: PlaceFlags, signal?: AbortSignal): Promise<string> {
  if (!place.startsWith('hf:')) return place;
  const line = hubProgressLine({
    label: 'download',
    stream: process.stderr,
    ...(json === true ? { json: true, write: writeLine } : {}),
  });
  try {
    const { onProgress } = line;
    const local = await localPlace(place, { offline, onProgress, onNote: writeNote, signal });
    line.finish();
    return local;
  } finally {
    line.stop();
  }
}
