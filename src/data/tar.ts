import * as fs from 'node:fs';
import path from 'node:path';
import { CorruptFileError } from '../util/errors.js';

/**
 * Unpacks tar archives (ustar, with the pax and GNU long-name extensions) that come from strangers: plain files and
 * folders only, no path outside the target, no links, and limits on number and size.
 */

const BLOCK = 512;
const LONGEST_PATH = 1024;
const LARGEST_EXTENSION_BYTES = 1 << 16;

/** Limits of an archive that is still worth unpacking. */
export interface TarLimits {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

export const DEFAULT_TAR_LIMITS: TarLimits = { maxFiles: 100_000, maxBytes: 8 * 2 ** 30 };

function corrupt(archive: string, summary: string): CorruptFileError {
  return new CorruptFileError(summary, { where: archive, hint: 'Nothing of it was kept.' });
}

/** Reads a byte stream in pieces of the sizes asked for. */
class ByteReader {
  private chunk: Uint8Array = new Uint8Array(0);
  private readonly iterator: AsyncIterator<Uint8Array>;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.iterator = stream[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes; an empty array at the end. */
  async some(most: number): Promise<Uint8Array> {
    while (this.chunk.length === 0) {
      const next = await this.iterator.next();
      if (next.done === true) return new Uint8Array(0);
      this.chunk = next.value;
    }
    const part = this.chunk.subarray(0, most);
    this.chunk = this.chunk.subarray(part.length);
    return part;
  }

  /** Exactly `length` bytes, or undefined if the stream ends before. */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const part = await this.some(length - filled);
      if (part.length === 0) return undefined;
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }
}

function field(header: Uint8Array, start: number, length: number): string {
  const bytes = header.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

/** An octal number field; NaN if it is none. The base-256 form (files over 8 GB) is not read. */
function octal(header: Uint8Array, start: number, length: number): number {
  const text = field(header, start, length).trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text === '' ? '0' : text, 8) : Number.NaN;
}

/** The sum of a header's bytes with its checksum field counted as blanks. */
function headerSum(header: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
  return sum;
}

/** Key and value pairs of a pax extension: lines of `length key=value`, the length counting the whole line. */
function paxFields(bytes: Uint8Array): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.length; ) {
    const space = buffer.indexOf(32, at);
    const length = space === -1 ? Number.NaN : Number(buffer.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > buffer.length) return undefined;
    const line = buffer.toString('utf8', space + 1, at + length - 1);
    const equals = line.indexOf('=');
    if (equals === -1) return undefined;
    fields.set(line.slice(0, equals), line.slice(equals + 1));
    at += length;
  }
  return fields;
}

/** The path inside the target folder: without the archive's first folder. Undefined for the first folder itself. */
function safePath(name: string, archive: string): string | undefined {
  const unsafe = (): CorruptFileError =>
    corrupt(archive, `the archive holds an unsafe path, ${JSON.stringify(name.slice(0, 200))}`);
  if (name.length > LONGEST_PATH || name.includes('\0') || name.includes('\\') || /^(?:\/|[a-z]:)/i.test(name)) {
    throw unsafe();
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw unsafe();
  const inner = parts.slice(1);
  return inner.length === 0 ? undefined : inner.join('/');
}

/** One header of the archive, its extensions applied. */
interface Entry {
  readonly name: string;
  readonly type: string;
  readonly size: number;
}

function readHeader(header: Uint8Array, archive: string): Entry {
  if (octal(header, 148, 8) !== headerSum(header)) throw corrupt(archive, 'not a tar archive, or a damaged one');
  const size = octal(header, 124, 12);
  if (!Number.isSafeInteger(size)) throw corrupt(archive, 'an entry without a readable size');
  const prefix = field(header, 257, 5) === 'ustar' ? field(header, 345, 155) : '';
  const name = field(header, 0, 100);
  return { name: prefix === '' ? name : `${prefix}/${name}`, type: String.fromCharCode(header[156]!), size };
}

/**
 * Unpacks a tar stream into a folder that exists, without the first folder of each path (`package/` in npm's archives).
 * @throws {CorruptFileError} if the archive is cut off or damaged, leads outside, holds links, or passes the limits.
 */
export async function unpackTar(
  stream: AsyncIterable<Uint8Array>,
  folder: string,
  archive: string,
  limits: TarLimits = DEFAULT_TAR_LIMITS,
): Promise<void> {
  const reader = new ByteReader(stream);
  const cutOff = (): CorruptFileError => corrupt(archive, 'the archive is cut off');
  let files = 0;
  let total = 0;
  let longName: string | undefined;
  let pax = new Map<string, string>();
  for (;;) {
    const header = await reader.exactly(BLOCK);
    if (header === undefined) throw cutOff();
    if (header.every((byte) => byte === 0)) return;
    const raw = readHeader(header, archive);
    const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;
    if ('xgL'.includes(raw.type)) {
      if (raw.size > LARGEST_EXTENSION_BYTES) throw corrupt(archive, 'an extension header that is too large');
      const bytes = await reader.exactly(padded(raw.size));
      if (bytes === undefined) throw cutOff();
      if (raw.type === 'L') {
        longName = field(bytes, 0, raw.size);
      } else if (raw.type === 'x') {
        const fields = paxFields(bytes.subarray(0, raw.size));
        if (fields === undefined) throw corrupt(archive, 'a damaged extension header');
        pax = fields;
      }
      continue;
    }
    const size = pax.has('size') ? Number(pax.get('size')) : raw.size;
    const name = pax.get('path') ?? longName ?? raw.name;
    pax = new Map();
    longName = undefined;
    if (!Number.isSafeInteger(size) || size < 0) throw corrupt(archive, 'an entry without a readable size');
    if (raw.type !== '0' && raw.type !== '\0' && raw.type !== '5') {
      throw corrupt(archive, `the archive holds a link or a device, ${JSON.stringify(name.slice(0, 200))}`);
    }
    files++;
    total += size;
    if (files > limits.maxFiles) throw corrupt(archive, `more than ${limits.maxFiles} files`);
    if (total > limits.maxBytes) throw corrupt(archive, `more than ${limits.maxBytes} bytes unpacked`);
    const inner = safePath(name, archive);
    const target = inner === undefined ? undefined : path.join(folder, inner);
    if (raw.type === '5') {
      if (target !== undefined) makeFolder(target, archive);
      if (size > 0) throw corrupt(archive, 'a folder with content');
      continue;
    }
    if (target === undefined) throw corrupt(archive, `the archive holds an unsafe path, ${JSON.stringify(name)}`);
    makeFolder(path.dirname(target), archive);
    if (!(await writeEntry(reader, target, size, archive))) throw cutOff();
    if (padded(size) > size && (await reader.exactly(padded(size) - size)) === undefined) throw cutOff();
  }
}

function makeFolder(folder: string, archive: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw corrupt(archive, 'a path that is a file and a folder at once');
    throw error;
  }
}

/** Copies `size` bytes into a new file; false if the stream ends before. */
async function writeEntry(reader: ByteReader, target: string, size: number, archive: string): Promise<boolean> {
  if (fs.statSync(target, { throwIfNoEntry: false })?.isDirectory()) {
    throw corrupt(archive, 'a path that is a file and a folder at once');
  }
  const handle = fs.openSync(target, 'w', 0o644);
  try {
    for (let left = size; left > 0; ) {
      const part = await reader.some(left);
      if (part.length === 0) return false;
      fs.writeSync(handle, part);
      left -= part.length;
    }
    return true;
  } finally {
    fs.closeSync(handle);
  }
}
