import * as fs from 'node:fs';
import * as path from 'node:path';
import { type Json, parseJson } from '../util/json.js';
import { HubError, printable } from './hub-error.js';
import { COMMIT } from './listing.js';
import { formatHubReference, type HubReference, repositoryId } from './reference.js';
import { type RepositoryCache, sizeOf } from './repository-cache.js';

/** Files of a repository that lie in the cache. */
export interface CachedSnapshot {
  readonly folder: string;
  readonly commit: string;
  /** Paths within the folder, sorted, with `/` between their parts. */
  readonly files: readonly string[];
}

const MOST_FILES = 100_000;
const MOST_LIST_BYTES = 2 ** 26;

/**
 * Finds in the cache, without network, what this or any other of Hugging Face's tools has downloaded.
 *
 * @param wanted which files; all that is known to belong to them must be there
 * @throws {HubError} saying what is missing and how to get it
 */
export function findInCache(
  cache: RepositoryCache,
  reference: HubReference,
  wanted: (path: string, bytes: number, all: readonly string[]) => boolean,
): CachedSnapshot {
  const where = formatHubReference(reference);
  const get = `Run the same command once with a network, without --offline and HF_HUB_OFFLINE. Or copy ${path.basename(cache.folder)} from the cache of another machine to ${path.dirname(cache.folder)}`;
  const missing = (summary: string, got?: string): HubError =>
    new HubError(summary, { where, hint: get, ...(got === undefined ? {} : { got }) });

  // A commit is its own name; but the name of a branch may look like one.
  const commit = cache.readRef(reference.revision) ?? reference.revision;
  const folder = cache.snapshot(commit);
  if (!COMMIT.test(commit) || !fs.existsSync(folder)) {
    const isThere = fs.existsSync(path.join(cache.folder, 'snapshots'));
    throw isThere
      ? missing(`revision ${reference.revision} is not in the cache`, `${cache.folder}, which has other revisions`)
      : missing(
          `${repositoryId(reference)} is not in the cache`,
          `${path.dirname(cache.folder)}, which does not have it`,
        );
  }

  const present = filesBelow(folder);
  const listed = listedFiles(cache, commit);
  const all = [...new Set([...present.keys(), ...listed.map(([file]) => file)])];
  const chosen = [...present.keys()].filter((file) => wanted(file, present.get(file) ?? 0, all)).sort();
  const lost = new Set(chosen.filter((file) => present.get(file) === undefined));
  for (const [file, bytes] of listed) {
    if (!present.has(file) && wanted(file, bytes, all)) lost.add(file);
  }
  for (const index of chosen.filter((file) => file.endsWith('.safetensors.index.json') && !lost.has(file))) {
    for (const file of shardsOf(path.join(folder, index))) {
      const shard = path.posix.join(path.posix.dirname(index), file);
      if (present.get(shard) === undefined) lost.add(shard);
    }
  }
  if (lost.size > 0) {
    const names = [...lost].slice(0, 5).map(printable).join(', ');
    throw missing('files are missing in the cache', lost.size > 5 ? `${names} and ${lost.size - 5} more` : names);
  }
  if (chosen.length === 0) throw missing('the cache has none of the files that are needed', folder);
  return { folder, commit, files: chosen };
}

/** Every file below a folder with its size; undefined for links to nothing. Folders behind links are not entered. */
function filesBelow(folder: string): Map<string, number | undefined> {
  const files = new Map<string, number | undefined>();
  const enter = (inner: string): void => {
    for (const entry of fs.readdirSync(path.join(folder, inner), { withFileTypes: true })) {
      const name = path.posix.join(inner, entry.name);
      if (entry.isDirectory()) enter(name);
      else if (files.size < MOST_FILES) files.set(name, sizeOf(path.join(folder, name)));
    }
  };
  enter('');
  return files;
}

/** The list of all files of a commit, where another tool of Hugging Face has left one. */
function listedFiles(cache: RepositoryCache, commit: string): [string, number][] {
  const list = readJson(path.join(cache.folder, 'trees', `${commit}.json`));
  return Object.entries(objectOf(objectOf(list).files)).map(([file, entry]) => [file, Number(objectOf(entry).size)]);
}

/** The files that an index of weights names. */
function shardsOf(index: string): Set<string> {
  const names = Object.values(objectOf(objectOf(readJson(index)).weight_map));
  return new Set(names.filter((name) => typeof name === 'string'));
}

function objectOf(value: Json | undefined): { readonly [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
}

/** JSON that may help; null where it is absent or of no use. */
function readJson(file: string): Json {
  try {
    return (sizeOf(file) ?? Number.POSITIVE_INFINITY) > MOST_LIST_BYTES
      ? null
      : parseJson(fs.readFileSync(file, 'utf8'), file);
  } catch {
    return null;
  }
}
