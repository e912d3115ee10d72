import { createHash, type Hash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { CorruptFileError, InputError } from '../util/errors.js';
import { openForReading, readPart, readTextUpTo, writeParts } from '../util/file-parts.js';
import { fileErrorReason, writeFolderAtomic } from '../util/files.js';
import { parseJson } from '../util/json.js';
import { type SafetensorsTensor, safetensorsParts } from './safetensors.js';

/** The file of a checkpoint that holds length and SHA-256 of every other one. */
export const CHECKSUM_FILE = 'checksums.json';

const FORMAT = 'athanor-checksums-1';
const READ_BYTES = 4 * 2 ** 20;
const MOST_CHECKSUM_BYTES = 2 ** 20;

/** What goes into a checkpoint folder, by file name. */
export interface CheckpointContent {
  /** `config.json`, `tokenizer.json` … */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** `model.safetensors`, optimizer state …; each becomes a safetensors file. */
  readonly tensors: Readonly<Record<string, ReadonlyMap<string, SafetensorsTensor>>>;
}

interface FileChecksum {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Writes a checkpoint folder as Hugging Face lays them out, with a `checksums.json` over all of it. The folder appears
 * whole and flushed to the disk, or not at all: a crash or a full disk leaves what was saved before as it was.
 *
 * @throws {WriteError} if the disk does not take it. @throws {InputError} for a bad file name or tensor.
 */
export async function writeCheckpoint(folder: string, { files, tensors }: CheckpointContent): Promise<void> {
  const names = [...Object.keys(files), ...Object.keys(tensors)];
  for (const [index, name] of names.entries()) {
    if (!isFileName(name) || name === CHECKSUM_FILE || names.indexOf(name) !== index) {
      throw new InputError(`'${name}' cannot be a file of a checkpoint`, {
        where: folder,
        expected: `plain file names, each once, other than ${CHECKSUM_FILE}`,
      });
    }
  }
  await writeFolderAtomic(folder, (temporary) => {
    const checksums: [string, FileChecksum][] = [];
    const write = (name: string, parts: Iterable<Uint8Array>): void => {
      const checked = new ChecksumParts(parts);
      writeParts(path.join(temporary, name), checked);
      checksums.push([name, checked.checksum()]);
    };
    for (const [name, content] of Object.entries(files)) write(name, [Buffer.from(content)]);
    // Loaders of other frameworks look for this one key of metadata.
    for (const [name, map] of Object.entries(tensors)) write(name, safetensorsParts(map, { format: 'pt' }));
    checksums.sort(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify({ format: FORMAT, files: Object.fromEntries(checksums) }, null, 2);
    writeParts(path.join(temporary, CHECKSUM_FILE), [Buffer.from(`${text}\n`)]);
  });
}

/** Counts and hashes parts on their way to the disk: the checksum tells what was meant, not what arrived. */
class ChecksumParts implements Iterable<Uint8Array> {
  readonly #parts: Iterable<Uint8Array>;
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;

  constructor(parts: Iterable<Uint8Array>) {
    this.#parts = parts;
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (const part of this.#parts) {
      this.#hash.update(part);
      this.#bytes += part.length;
      yield part;
    }
  }

  checksum(): FileChecksum {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

function isFileName(name: string): boolean {
  return /^[\w-][\w.-]*$/.test(name) && !name.endsWith('.tmp');
}

/**
 * Reads a whole checkpoint and holds it against its checksums. Files that they do not list are left alone.
 *
 * @throws {CorruptFileError} naming the first file that is missing, cut off or changed.
 */
export function verifyCheckpoint(folder: string): void {
  for (const [name, { bytes, sha256 }] of checkedSizes(folder)) {
    const file = path.join(folder, name);
    if (fileSha256(file, bytes) !== sha256) throw damaged(file, 'its content is not what was saved');
  }
}

/**
 * As `verifyCheckpoint`, without reading the contents: files that are missing or of another length are found, changed
 * bytes are not.
 *
 * @throws {CorruptFileError}
 */
export function verifyCheckpointSizes(folder: string): void {
  checkedSizes(folder);
}

function checkedSizes(folder: string): [name: string, checksum: FileChecksum][] {
  const checksums = readChecksums(path.join(folder, CHECKSUM_FILE));
  for (const [name, { bytes }] of checksums) {
    const file = path.join(folder, name);
    const size = fileSize(file);
    if (size === bytes) continue;
    throw damaged(file, size < bytes ? 'it is cut off' : 'it is longer than what was saved', {
      expected: `${bytes} bytes`,
      got: `${size} bytes`,
    });
  }
  return checksums;
}

function readChecksums(file: string): [name: string, checksum: FileChecksum][] {
  fileSize(file);
  let parsed: unknown;
  try {
    parsed = parseJson(readTextUpTo(file, MOST_CHECKSUM_BYTES, 'checksums'), file);
  } catch {
    throw damaged(file, 'it is not readable as JSON');
  }
  const { format, files } = (parsed ?? {}) as { format?: unknown; files?: unknown };
  if (format !== FORMAT || typeof files !== 'object' || files === null || Object.keys(parsed as object).length !== 2) {
    throw damaged(file, 'it is not a list of checksums');
  }
  const entries = Object.entries(files) as [string, FileChecksum | null][];
  for (const [name, entry] of entries) {
    if (!isFileName(name) || !Number.isSafeInteger(entry?.bytes) || typeof entry?.sha256 !== 'string') {
      throw damaged(file, `its entry '${name}' is not a checksum`);
    }
  }
  return entries as [string, FileChecksum][];
}

function fileSize(file: string): number {
  try {
    const stats = fs.statSync(file);
    if (stats.isFile()) return stats.size;
  } catch (error) {
    throw damaged(file, `it cannot be read: ${fileErrorReason(error)}`);
  }
  throw damaged(file, 'it is not a file');
}

function fileSha256(file: string, bytes: number): string {
  const hash = createHash('sha256');
  const { handle } = openForReading(file);
  try {
    const buffer = new Uint8Array(Math.min(bytes, READ_BYTES));
    for (let position = 0; position < bytes; position += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, bytes - position));
      readPart(handle, part, position, file);
      hash.update(part);
    }
  } finally {
    fs.closeSync(handle);
  }
  return hash.digest('hex');
}

function damaged(
  file: string,
  what: string,
  details: { readonly expected?: string; readonly got?: string } = {},
): CorruptFileError {
  return new CorruptFileError(`this file of a checkpoint is damaged: ${what}`, {
    where: file,
    ...details,
    hint: `Use an earlier checkpoint of the run, or copy this one again. If you changed it yourself, delete ${CHECKSUM_FILE} beside it.`,
  });
}
