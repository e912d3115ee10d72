import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileErrorReason, WriteError, writeFileAtomic } from '../util/files.js';
import type { RemoteFile } from './listing.js';
import { type HubReference, repositoryId } from './reference.js';

/**
 * The folder of one repository in the cache, laid out as all of Hugging Face's tools do, who may use it at the same time:
 *
 *     models--owner--name/blobs/<etag>                  contents
 *     models--owner--name/snapshots/<commit>/<path>     links to them
 *     models--owner--name/refs/<revision>               the commit that it meant last
 */
export class RepositoryCache {
  readonly folder: string;
  private readonly locks: string;

  constructor(cacheFolder: string, reference: HubReference) {
    const name = [`${reference.kind}s`, ...repositoryId(reference).split('/')].join('--');
    this.folder = path.join(cacheFolder, name);
    this.locks = path.join(cacheFolder, '.locks', name);
  }

  blob(etag: string): string {
    return path.join(this.folder, 'blobs', etag);
  }

  /** Not the name that other tools use for the same: they would append to it at the same time. */
  partial(etag: string): string {
    return `${this.blob(etag)}.athanor.incomplete`;
  }

  lock(etag: string): string {
    return path.join(this.locks, `${etag}.athanor.lock`);
  }

  snapshot(commit: string): string {
    return path.join(this.folder, 'snapshots', commit);
  }

  /** The commit that the revision meant when it was last asked for. */
  readRef(revision: string): string | undefined {
    try {
      const commit = fs.readFileSync(path.join(this.folder, 'refs', revision), 'utf8').trim();
      return /^[0-9a-f]{40}$/.test(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  writeRef(revision: string, commit: string): void {
    if (revision === commit || this.readRef(revision) === commit) return;
    writeFileAtomic(path.join(this.folder, 'refs', revision), commit);
  }

  /** Whether the content is here, whole. */
  hasBlob({ etag, bytes }: RemoteFile): boolean {
    return sizeOf(this.blob(etag)) === bytes;
  }

  /** Whether the file is in the snapshot, whole. Where links are not possible it may be there without a blob. */
  hasFile(commit: string, { path: file, bytes }: RemoteFile): boolean {
    return sizeOf(path.join(this.snapshot(commit), file)) === bytes;
  }

  /** Bytes that an earlier, broken download left. */
  partialBytes({ etag, bytes }: RemoteFile): number {
    const size = sizeOf(this.partial(etag)) ?? 0;
    return size <= bytes ? size : 0;
  }

  /** Puts a content into a snapshot. @throws {WriteError} */
  link(commit: string, { path: file, etag }: RemoteFile): void {
    const snapshot = this.snapshot(commit);
    const pointer = path.join(snapshot, file);
    const folder = path.dirname(pointer);
    try {
      fs.mkdirSync(folder, { recursive: true });
      const within = path.relative(fs.realpathSync(snapshot), fs.realpathSync(folder));
      if (within.startsWith('..') || path.isAbsolute(within)) throw new Error('a link leads out of the snapshot');
      // Made under another name and renamed, it replaces what was there at once, and at no moment there is nothing.
      const temporary = `${this.blob(etag)}.${randomBytes(4).toString('hex')}.tmp`;
      place(this.blob(etag), temporary, path.relative(folder, this.blob(etag)));
      fs.renameSync(temporary, pointer);
    } catch (error) {
      throw new WriteError(`cannot write: ${fileErrorReason(error)}`, { where: pointer, cause: error });
    }
  }
}

/** A symbolic link; where the system has none (Windows without rights) a second name of the file; or else a copy. */
function place(blob: string, link: string, target: string): void {
  try {
    fs.symlinkSync(target, link);
    return;
  } catch {
    // Tried otherwise below.
  }
  try {
    fs.linkSync(blob, link);
  } catch {
    fs.copyFileSync(blob, link);
  }
}

/** The size of a file, through links; undefined where there is none. */
export function sizeOf(file: string): number | undefined {
  try {
    const stat = fs.statSync(file);
    return stat.isFile() ? stat.size : undefined;
  } catch {
    return undefined;
  }
}
