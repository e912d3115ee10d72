import * as fs from 'node:fs';
import { totalmem } from 'node:os';
import { CorruptFileError, InputError } from './errors.js';
import { fileErrorReason, WriteError } from './files.js';

/** One system call moves at most this many bytes: Node refuses more than 2 GiB at once. */
const MAX_CALL_BYTES = 2 ** 30;

/**
 * Writes a file from parts that come one by one, so that it may be larger than memory, and flushes it to the disk.
 * What was written is removed again on failure. For a file that replaces another, write to a temporary name and rename.
 *
 * @throws {WriteError} naming the file and the reason.
 */
export function writeParts(file: string, parts: Iterable<Uint8Array>): void {
  let handle: number;
  try {
    handle = fs.openSync(file, 'w');
  } catch (error) {
    throw partsError(file, error);
  }
  try {
    for (const part of parts) {
      for (let done = 0; done < part.length; ) {
        // A nearly full disk takes a part of the bytes without an error; the next call then fails.
        done += fs.writeSync(handle, part, done, Math.min(part.length - done, MAX_CALL_BYTES));
      }
    }
    fs.fsyncSync(handle);
    fs.closeSync(handle);
  } catch (error) {
    fs.closeSync(handle);
    fs.rmSync(file, { force: true });
    throw partsError(file, error);
  }
}

function partsError(file: string, error: unknown): WriteError {
  return new WriteError(`cannot write: ${fileErrorReason(error)}`, {
    where: file,
    hint: 'What was saved before is untouched. Free some space or choose another place, then run the same command again.',
    cause: error,
  });
}

/** To open a pipe that nobody writes to would wait for ever. Windows has no such flag, and no such pipes. */
const READ = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0);

/** Opens a file for reading. @throws {InputError} naming the file and the reason; also for what is no plain file. */
export function openForReading(file: string): { readonly handle: number; readonly size: number } {
  let handle: number | undefined;
  try {
    handle = fs.openSync(file, READ);
    const stats = fs.fstatSync(handle);
    if (!stats.isFile()) throw new Error('is not a file');
    return { handle, size: stats.size };
  } catch (error) {
    if (handle !== undefined) fs.closeSync(handle);
    throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
}

/**
 * Fills `target` from `position` of an open file.
 *
 * @param file its name, for errors.
 * @throws {CorruptFileError} if the file ends before. @throws {InputError} if the disk fails.
 */
export function readPart(handle: number, target: Uint8Array, position: number, file: string): void {
  for (let done = 0; done < target.length; ) {
    let count: number;
    try {
      count = fs.readSync(handle, target, done, Math.min(target.length - done, MAX_CALL_BYTES), position + done);
    } catch (error) {
      throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: file, cause: error });
    }
    if (count === 0) {
      throw new CorruptFileError('the file ends too early', {
        where: file,
        expected: `${target.length} bytes from byte ${position} on`,
        got: `${done} bytes`,
      });
    }
    done += count;
  }
}

/**
 * Reads a whole file of a kind whose files are never larger than `mostBytes`. A device that never ends is refused as well.
 *
 * @param kind what the file should be, for errors: `a vocabulary`.
 * @throws {InputError} naming the file and the reason. @throws {CorruptFileError} if it shrinks meanwhile.
 */
export function readBytesUpTo(file: string, mostBytes: number, kind: string): Uint8Array<ArrayBuffer> {
  const { handle, size } = openForReading(file);
  try {
    if (size > mostBytes) {
      throw new InputError(`too large for ${kind}`, {
        where: file,
        expected: `at most ${mostBytes} bytes`,
        got: `${size} bytes`,
      });
    }
    const bytes = new Uint8Array(size);
    readPart(handle, bytes, 0, file);
    return bytes;
  } finally {
    fs.closeSync(handle);
  }
}

/** As `readBytesUpTo`, for UTF-8. @throws {InputError} also if it is not. */
export function readTextUpTo(file: string, mostBytes: number, kind: string): string {
  const bytes = readBytesUpTo(file, mostBytes, kind);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new InputError('not UTF-8', { where: file, cause: error });
  }
}

/**
 * Memory for a part of a file.
 *
 * @param file its name, for errors.
 * @throws {InputError} if the machine has not that much: a sparse file may be larger than its disk.
 */
export function memoryFor(bytes: number, file: string): Uint8Array<ArrayBuffer> {
  try {
    if (bytes <= totalmem()) return new Uint8Array(bytes);
  } catch {
    // As below.
  }
  throw new InputError('there is not enough memory', {
    where: file,
    expected: `${bytes} bytes for one of its parts`,
    hint: 'Take a smaller model, or a machine with more memory.',
  });
}
