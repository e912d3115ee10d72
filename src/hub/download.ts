import * as fs from 'node:fs';
import * as path from 'node:path';
import { CorruptFileError, InputError } from '../util/errors.js';
import { type FileLock, isLocked, lockFile } from '../util/file-lock.js';
import { fileErrorReason, WriteError } from '../util/files.js';
import { type Answer, type Connection, send } from './connection.js';
import { printable, TransientError } from './hub-error.js';
import type { RemoteFile } from './listing.js';
import { PartialFile } from './partial-file.js';
import { type HubReference, repositoryId } from './reference.js';
import { refusalOf } from './refusal.js';
import type { RepositoryCache } from './repository-cache.js';
import { pause, Retries, stopped } from './retry.js';

/** Where the files of one commit come from and where they go. */
export interface Source {
  readonly connection: Connection;
  readonly reference: HubReference;
  readonly commit: string;
  readonly cache: RepositoryCache;
}

/** So much must come before earlier failures are forgotten; else a server could break off after every byte for ever. */
const LEAST_GAIN_BYTES = 2 ** 20;
const LOCK_POLL_MS = 150;
/** A lock whose holder, perhaps on a machine that is gone, has written nothing for so long. */
const MOST_LOCK_SILENCE_MS = 600_000;

/** What came is not the promised file, and no continuation can make it so. */
class WrongContent extends Error {}

/**
 * Brings one content into the cache: goes on with what an earlier run left, checks it, and renames it into place. If
 * another process is at it, waits for that one.
 *
 * @param onBytes told how much of the file is on the disk, as it grows
 * @throws {HubError} {WriteError}
 * @throws {CorruptFileError} if it is wrong for the second time
 */
export async function downloadBlob(source: Source, file: RemoteFile, onBytes: (bytes: number) => void): Promise<void> {
  const { cache, connection } = source;
  const lock = await waitForLock(source, file, onBytes);
  try {
    if (cache.hasBlob(file)) return; // Another process has brought it.
    writing(source, () => fs.mkdirSync(path.dirname(cache.blob(file.etag)), { recursive: true }));
    for (let attempt = 1; !(await transfer(source, file, onBytes)); attempt++) {
      fs.rmSync(cache.partial(file.etag), { force: true });
      onBytes(0);
      if (attempt === 1) continue;
      throw new CorruptFileError(`${printable(file.path)} came damaged twice; nothing of it was kept`, {
        where: connection.where,
        expected: `${file.bytes} bytes with checksum ${file.etag}`,
        hint: `The server or something on the way changes it. Try again later or with another HF_ENDPOINT than ${connection.endpoint}`,
      });
    }
    writing(source, () => fs.renameSync(cache.partial(file.etag), cache.blob(file.etag)));
    syncFolder(path.dirname(cache.blob(file.etag)));
  } finally {
    lock.release();
  }
  onBytes(file.bytes);
}

/** Brings the partial file to its full length. @returns whether it is then the promised one. */
async function transfer(source: Source, file: RemoteFile, onBytes: (bytes: number) => void): Promise<boolean> {
  const { connection } = source;
  const { signal, where } = connection;
  const partial = await PartialFile.open(source.cache.partial(file.etag), file, () => {
    if (signal?.aborted === true) throw stopped(where, signal.reason);
  });
  try {
    onBytes(partial.bytes);
    const retries = new Retries(connection);
    let landmark = partial.bytes;
    while (partial.bytes < file.bytes) {
      try {
        await receive(source, file, partial, onBytes);
      } catch (error) {
        if (error instanceof WrongContent) return false;
        if (partial.bytes >= landmark + LEAST_GAIN_BYTES) {
          landmark = partial.bytes;
          retries.reset();
        }
        await retries.after(error);
      }
    }
    return await partial.isWhole();
  } finally {
    await partial.close();
  }
}

/** One request for what is missing. @throws {TransientError} if not all of it came; what came is kept. */
async function receive(
  source: Source,
  file: RemoteFile,
  partial: PartialFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { connection, reference } = source;
  const begin = partial.bytes;
  const answer = await send(connection, addressOf(source, file), begin > 0 ? { Range: `bytes=${begin}-` } : {});
  try {
    if (answer.response.status === 416) {
      // What we have cannot be the beginning of what the server has.
      throw new WrongContent();
    }
    if (!answer.response.ok) throw refusalOf(answer, connection, reference, file.path);
    // Servers may ignore the range and send all: then what we have is passed over.
    let skip = begin - startOf(answer, file, connection);
    if (skip < 0) throw new WrongContent();
    for await (const part of answer.parts()) {
      const fresh = part.subarray(Math.min(skip, part.length));
      skip -= part.length - fresh.length;
      if (partial.bytes + fresh.length > file.bytes) throw new WrongContent();
      await partial.append(fresh);
      onBytes(partial.bytes);
    }
  } finally {
    answer.close();
  }
  if (partial.bytes < file.bytes) throw new TransientError(`${answer.url.host} broke off in the middle of a file`, {});
}

function addressOf({ connection, reference, commit }: Source, { path: file }: RemoteFile): string {
  const kind = reference.kind === 'dataset' ? 'datasets/' : '';
  const encoded = file.split('/').map(encodeURIComponent).join('/');
  return `${connection.endpoint}/${kind}${repositoryId(reference)}/resolve/${commit}/${encoded}`;
}

/** Where in the file the body begins. @throws {CorruptFileError} if the server speaks of another file. */
function startOf({ response, url }: Answer, file: RemoteFile, { where }: Connection): number {
  const { headers, status } = response;
  const isEncoded = (headers.get('content-encoding') ?? 'identity') !== 'identity';
  let start = 0;
  let total: number | undefined;
  if (status === 206) {
    const [, first, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    start = Number(first);
    total = size === undefined || size === '*' ? undefined : Number(size);
    // A part of a compressed file, or one that leaves a gap, is of no use.
    if (first === undefined || isEncoded) throw new WrongContent();
  } else if (!isEncoded && headers.has('content-length')) {
    total = Number(headers.get('content-length'));
  }
  if (total !== undefined && total !== file.bytes) {
    throw new CorruptFileError(`${url.host} sends another file than the Hub lists`, {
      where,
      expected: `${printable(file.path)} of ${file.bytes} bytes`,
      got: `${total} bytes`,
      hint: 'A page of a proxy or a portal may be in the way. Try again later, or with another HF_ENDPOINT.',
    });
  }
  return start;
}

/** Waits until this process alone downloads the content, or until another one has. */
async function waitForLock(source: Source, file: RemoteFile, onBytes: (bytes: number) => void): Promise<FileLock> {
  const { cache, connection } = source;
  const lock = cache.lock(file.etag);
  let bytes = -1;
  let lastSign = performance.now();
  for (;;) {
    if (connection.signal?.aborted === true) throw stopped(connection.where, connection.signal.reason);
    try {
      return lockFile(lock, `the download of ${printable(file.path)}`);
    } catch (error) {
      const isSilent = performance.now() - lastSign > MOST_LOCK_SILENCE_MS;
      if (!(error instanceof InputError) || (isSilent && isLocked(lock))) throw error;
    }
    const now = cache.partialBytes(file);
    if (now !== bytes) {
      bytes = now;
      lastSign = performance.now();
      onBytes(bytes);
    }
    await pause(LOCK_POLL_MS, connection.signal, connection.where);
  }
}

/** @throws {WriteError} where the system refuses. */
function writing({ cache }: Source, action: () => void): void {
  try {
    action();
  } catch (error) {
    throw new WriteError(`cannot write: ${fileErrorReason(error)}`, {
      where: cache.folder,
      hint: 'Look at the folder and its permissions, or let HF_HOME name another one.',
      cause: error,
    });
  }
}

/** A rename is safe from a power failure when its folder is on the disk. Not every system can do that. */
function syncFolder(folder: string): void {
  try {
    const handle = fs.openSync(folder, 'r');
    fs.fsyncSync(handle);
    fs.closeSync(handle);
  } catch {
    // Windows opens no folders.
  }
}
