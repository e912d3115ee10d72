import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { AthanorError, InputError, messageOf } from './errors.js';

const REASONS: Record<string, string> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EEXIST: 'a file of that name is in the way',
  EISDIR: 'is a folder, not a file',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENOSPC: 'no space left on the disk',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
};

/** The system's reason for a failed file operation, in words. */
export function fileErrorReason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return (code !== undefined && REASONS[code]) || messageOf(error);
}

/** A file could not be written (disk full, no permission …). */
export class WriteError extends AthanorError {}

function writeError(file: string, error: unknown): WriteError {
  return new WriteError(`cannot write: ${fileErrorReason(error)}`, {
    where: file,
    hint: 'What was saved before is untouched. Free some space or choose another place, then run the same command again.',
    cause: error,
  });
}

/** Reads a whole file. @throws {InputError} naming the file and the reason. */
export function readBytes(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
}

/** Reads a whole UTF-8 file. @throws {InputError} naming the file and the reason. */
export function readText(file: string): string {
  return Buffer.from(readBytes(file)).toString('utf8');
}

/** Flushes a file or folder to the disk. */
function sync(target: string): void {
  const handle = fs.openSync(target, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** Removes what a failed write left behind, as far as that is possible. */
function discard(temporary: string): void {
  try {
    fs.rmSync(temporary, { recursive: true, force: true });
  } catch {
    // The first error is the one to report.
  }
}

/**
 * Makes a folder and those around it. Node's own way never comes back where the system refuses folders with ENOENT, as
 * it does under /proc.
 */
function makeFolder(folder: string): void {
  const around = path.dirname(folder);
  if (around !== folder && !fs.existsSync(around)) makeFolder(around);
  try {
    fs.mkdirSync(folder);
  } catch (error) {
    if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Writes a file so that a reader sees the old content or the new one, never a part: temporary file, sync, rename. */
export function writeFileAtomic(file: string, content: string | Uint8Array): void {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    makeFolder(path.dirname(file));
    fs.writeFileSync(temporary, content);
    sync(temporary);
    fs.renameSync(temporary, file);
    sync(path.dirname(file));
  } catch (error) {
    discard(temporary);
    throw error instanceof AthanorError ? error : writeError(file, error);
  }
}

/**
 * Fills a folder through `fill(temporaryFolder)` and puts it in place at once: every file synced, then one rename. An
 * existing folder of that name is replaced; a crash between the two renames leaves it whole under `*.old.tmp`.
 */
export async function writeFolderAtomic(
  folder: string,
  fill: (temporary: string) => void | Promise<void>,
): Promise<void> {
  const temporary = `${folder}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    makeFolder(temporary);
    await fill(temporary);
    for (const entry of fs.readdirSync(temporary, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) sync(path.join(entry.parentPath, entry.name));
    }
    sync(temporary);
    if (fs.existsSync(folder)) {
      const old = `${folder}.${randomBytes(4).toString('hex')}.old.tmp`;
      fs.renameSync(folder, old);
      fs.renameSync(temporary, folder);
      fs.rmSync(old, { recursive: true, force: true });
    } else {
      fs.renameSync(temporary, folder);
    }
    sync(path.dirname(folder));
  } catch (error) {
    discard(temporary);
    throw error instanceof AthanorError ? error : writeError(folder, error);
  }
}

/**
 * Removes what killed writers left of `writeFileAtomic` and `writeFolderAtomic` among a folder's entries. What was about
 * to be replaced, and whose replacement never came, is put back. To be called while nothing else writes there.
 *
 * @param isOwn which entries to look at, by the name that was to be written
 */
export function removeTemporaries(folder: string, isOwn: (name: string) => boolean): void {
  for (const entry of fs.readdirSync(folder)) {
    const [, name, old] = /^(.+)\.[0-9a-f]{8}(\.old)?\.tmp$/.exec(entry) ?? [];
    if (name === undefined || !isOwn(name)) continue;
    const temporary = path.join(folder, entry);
    const target = path.join(folder, name);
    if (old !== undefined && !fs.existsSync(target)) fs.renameSync(temporary, target);
    else discard(temporary);
  }
}

/** SHA-256 of bytes, in hexadecimal. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
