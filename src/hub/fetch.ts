import * as fs from 'node:fs';
import { WriteError } from '../util/files.js';
import { formatBytes } from '../util/units.js';
import { type CachedSnapshot, findInCache } from './cache-search.js';
import type { Connection } from './connection.js';
import { downloadBlob, type Source } from './download.js';
import { HubError, printable } from './hub-error.js';
import { listRepository, type RemoteFile, resolveCommit } from './listing.js';
import type { HubProgress } from './progress-line.js';
import { formatHubReference, type HubReference } from './reference.js';
import { RepositoryCache } from './repository-cache.js';
import { checkRepositoryPath } from './repository-path.js';
import { stopped } from './retry.js';
import { hubSettings } from './settings.js';

export interface FetchOptions {
  /** Which files, by path and size; `all` are the paths of the whole repository. `isModelFile` for a model's. */
  readonly files: (path: string, bytes: number, all: readonly string[]) => boolean;
  /** Use the cache alone. `HF_HUB_OFFLINE` says the same. */
  readonly offline?: boolean;
  readonly onProgress?: (progress: HubProgress) => void;
  /** Stops the download; what has come is kept for the next run. */
  readonly signal?: AbortSignal;
  /** Where the settings are read; default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
  /** The wait after a first failure, which doubles with each further one; default 500 ms. */
  readonly backoffMs?: number;
}

/** Files of the Hub, in the cache. */
export interface FetchedSnapshot extends CachedSnapshot {
  /** Why the cache was used although it was not asked for: the Hub could not be reached. */
  readonly note: string | undefined;
}

const FILES_AT_ONCE = 4;
const ATTEMPTS = 6;
/** Where the cache can answer, nobody should wait long for a Hub that does not. */
const ATTEMPTS_WITH_CACHE = 2;
/** The disk is not filled to its last byte. */
const SPARE_BYTES = 2 ** 24;

/**
 * Brings files of a repository from the Hugging Face Hub into the cache that all of Hugging Face's tools share, and says
 * where they are. What is there is not asked for again; a broken download goes on where it stopped, also after the
 * process was killed; every content is checked against its checksum; several processes may do the same at once. Where
 * the Hub cannot be reached, what is in the cache is used.
 *
 * @throws {HubError} if there is no such repository, revision or file, access is refused, the server is out of reach or
 * hostile, or the signal stops it
 * @throws {CorruptFileError} if a content is wrong twice
 * @throws {WriteError} if the disk is full or not writable
 */
export async function fetchFromHub(reference: HubReference, options: FetchOptions): Promise<FetchedSnapshot> {
  const { signal, environment = process.env, backoffMs = 500 } = options;
  const { endpoint, token, timeoutMs, cacheFolder, offline } = hubSettings(environment);
  const where = formatHubReference(reference);
  const cache = new RepositoryCache(cacheFolder, reference);
  if (options.offline === true || offline) {
    return { ...findInCache(cache, reference, options.files), note: undefined };
  }
  const connection: Connection = { where, endpoint, token, timeoutMs, backoffMs, attempts: ATTEMPTS, signal };
  if (signal?.aborted === true) throw stopped(where, signal.reason);
  let commit: string;
  let listed: RemoteFile[];
  const cached = fromCache(cache, reference, options);
  const listing = cached === undefined ? connection : { ...connection, attempts: ATTEMPTS_WITH_CACHE };
  try {
    commit = await resolveCommit(listing, reference);
    listed = await listRepository(listing, reference, commit);
  } catch (error) {
    if (cached === undefined || !(error instanceof HubError) || !error.unreachable) throw error;
    return { ...cached, note: `${printable(error.message.split('\n')[0] ?? '')}; using the cache` };
  }
  const chosen = choose(listed, options, where);
  await download({ connection, reference, commit, cache }, chosen, options);
  // What reads the snapshot looks for config.json first: it comes last, so that nobody finds a half of it.
  const isConfig = (file: RemoteFile): number => Number(file.path.endsWith('config.json'));
  for (const file of chosen.toSorted((a, b) => isConfig(a) - isConfig(b))) {
    if (!cache.hasFile(commit, file)) cache.link(commit, file);
  }
  cache.writeRef(reference.revision, commit);
  return { folder: cache.snapshot(commit), commit, files: chosen.map((file) => file.path).sort(), note: undefined };
}

function fromCache(cache: RepositoryCache, reference: HubReference, options: FetchOptions): CachedSnapshot | undefined {
  try {
    return findInCache(cache, reference, options.files);
  } catch {
    return undefined; // Not all of it is there.
  }
}

function choose(listed: readonly RemoteFile[], { files }: FetchOptions, where: string): RemoteFile[] {
  const all = listed.map((file) => file.path);
  const chosen = listed.filter((file) => files(file.path, file.bytes, all));
  for (const file of chosen) checkRepositoryPath(file.path, where);
  if (chosen.length > 0) return chosen;
  const names = all.slice(0, 12).map(printable).join(', ');
  throw new HubError('the repository has none of the files that are needed', {
    where,
    got: all.length === 0 ? 'an empty repository' : all.length > 12 ? `${names} …` : names,
  });
}

async function download(source: Source, files: readonly RemoteFile[], options: FetchOptions): Promise<void> {
  const { cache, commit, connection } = source;
  const missing = new Map<string, RemoteFile>();
  let startBytes = 0;
  let totalBytes = 0;
  for (const file of files) {
    const key = `${file.etag} ${file.bytes}`;
    if (missing.has(key)) continue; // Files of one content are one download.
    totalBytes += file.bytes;
    if (cache.hasFile(commit, file) || cache.hasBlob(file)) startBytes += file.bytes;
    else {
      startBytes += cache.partialBytes(file);
      missing.set(key, file);
    }
  }
  if (missing.size === 0) return;
  checkSpace(cache, totalBytes - startBytes, connection.where);

  // When one file fails for good, the others stop, and what they have is kept.
  const failed = new AbortController();
  const signals = [failed.signal, connection.signal].filter((one) => one !== undefined);
  const joined: Source = { ...source, connection: { ...connection, signal: AbortSignal.any(signals) } };
  const queue = [...missing.values()].sort((a, b) => a.bytes - b.bytes);
  let bytes = startBytes;
  let failure: unknown;
  const bring = async (file: RemoteFile): Promise<void> => {
    let fileBytes = cache.partialBytes(file);
    await downloadBlob(joined, file, (now) => {
      bytes += now - fileBytes;
      fileBytes = now;
      const { path, bytes: fileTotalBytes } = file;
      options.onProgress?.({ file: path, fileBytes, fileTotalBytes, bytes, totalBytes, startBytes });
    });
  };
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined && failure === undefined; file = queue.shift()) {
      try {
        await bring(file);
      } catch (error) {
        failure ??= error;
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, work));
  if (failure !== undefined) throw failure;
}

/** @throws {WriteError} if the disk has no room, before anything is asked for. */
function checkSpace(cache: RepositoryCache, bytes: number, where: string): void {
  let free: number;
  try {
    fs.mkdirSync(cache.folder, { recursive: true });
    const { bavail, bsize } = fs.statfsSync(cache.folder);
    free = bavail * bsize;
  } catch {
    return; // Writing will tell.
  }
  if (bytes + SPARE_BYTES <= free) return;
  throw new WriteError('there is not enough space on the disk for the download', {
    where,
    expected: formatBytes(bytes),
    got: `${formatBytes(free)} free in ${cache.folder}`,
    hint: 'Free some space, or let HF_HOME name a folder on another disk.',
  });
}
