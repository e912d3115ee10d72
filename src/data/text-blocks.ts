import { constants, isUtf8 } from 'node:buffer';
import * as fs from 'node:fs';
import { InputError } from '../util/errors.js';
import { fileErrorReason } from '../util/files.js';
import { type BadLinePolicy, reportProblem } from './bad-line.js';

const CHUNK_BYTES = 1 << 18;
/** A line longer than this is handed on in pieces by `readTextBlocks`. */
const LONGEST_PENDING_BYTES = 1 << 20;
const NEWLINE = 10;

/** A stretch of valid text: whole lines, except inside a line of more than a megabyte. `line` counts from 1. */
export interface TextBlock {
  readonly text: string;
  readonly line: number;
}

/** Yields the bytes of a file in chunks; each chunk is the caller's to keep. @throws {InputError} if unreadable. */
function* readChunks(file: string): Generator<Buffer> {
  let handle: number | undefined;
  try {
    handle = fs.openSync(file, 'r');
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = fs.readSync(handle, chunk, 0, CHUNK_BYTES, null);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'syscall' in error) {
      throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: file, cause: error });
    }
    throw error;
  } finally {
    if (handle !== undefined) fs.closeSync(handle);
  }
}

/** The text of valid UTF-8 bytes; a byte-order mark is kept (the first line's reader drops it). */
function decode(bytes: Buffer): string {
  return bytes.toString('utf8');
}

function withoutMark(text: string, line: number): string {
  return line === 1 && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Where the first byte lies that is not part of valid UTF-8. */
function firstInvalidByte(bytes: Buffer): number {
  const text = decode(bytes);
  let offset = 0;
  let start = 0;
  // Decoding puts U+FFFD where bytes are invalid; a U+FFFD that was written on purpose is EF BF BD in the bytes.
  for (let at = text.indexOf('\ufffd'); at !== -1; at = text.indexOf('\ufffd', start)) {
    offset += Buffer.byteLength(text.slice(start, at));
    if (bytes[offset] !== 0xef || bytes[offset + 1] !== 0xbf || bytes[offset + 2] !== 0xbd) return offset;
    offset += 3;
    start = at + 1;
  }
  return offset;
}

/** The nearest position at or before `at` (not before `least`) where a UTF-8 character can begin. */
function characterStart(bytes: Uint8Array, at: number): number {
  let start = at;
  while (start > 0 && at - start < 4 && (bytes[start]! & 0xc0) === 0x80) start--;
  return start;
}

function invalidUtf8(bytes: Buffer): string {
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (utf16) return 'not UTF-8 text (it begins as UTF-16 does; convert it to UTF-8)';
  return `not valid UTF-8 (byte ${firstInvalidByte(bytes) + 1} of the line)`;
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/**
 * Reads a text file in blocks, in memory of about a megabyte whatever the file's size or the length of its lines.
 * Lines that are not UTF-8 are refused or left out, as the policy says.
 */
export function* readTextBlocks(file: string, policy: BadLinePolicy): Generator<TextBlock> {
  let line = 1;
  function* valid(block: Buffer): Generator<TextBlock> {
    if (isUtf8(block)) {
      yield { text: withoutMark(decode(block), line), line };
      line += countNewlines(block);
      return;
    }
    for (let start = 0; start < block.length; ) {
      const newline = block.indexOf(NEWLINE, start);
      const end = newline === -1 ? block.length : newline + 1;
      const bytes = block.subarray(start, end);
      if (isUtf8(bytes)) yield { text: withoutMark(decode(bytes), line), line };
      else reportProblem({ where: `${file}:${line}`, summary: invalidUtf8(bytes) }, policy);
      if (newline !== -1) line++;
      start = end;
    }
  }
  let pending: Buffer = Buffer.alloc(0);
  for (const chunk of readChunks(file)) {
    const bytes = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    let cut = bytes.lastIndexOf(NEWLINE) + 1;
    if (cut === 0 && bytes.length >= LONGEST_PENDING_BYTES) cut = characterStart(bytes, bytes.length - 1);
    if (cut > 0) yield* valid(bytes.subarray(0, cut));
    pending = bytes.subarray(cut);
  }
  if (pending.length > 0) yield* valid(pending);
}

/** Reads a file line by line (without the line ends). Lines that are not UTF-8 are refused or left out. */
export function* readLines(file: string, policy: BadLinePolicy): Generator<TextBlock> {
  let line = 1;
  let parts: Buffer[] = [];
  const finish = (last: Buffer): TextBlock | undefined => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last]);
    parts = [];
    const where = `${file}:${line}`;
    const current = line++;
    if (bytes.length > constants.MAX_STRING_LENGTH) {
      reportProblem({ where, summary: `a line of ${bytes.length} bytes is too long` }, policy);
    } else if (!isUtf8(bytes)) {
      reportProblem({ where, summary: invalidUtf8(bytes) }, policy);
    } else {
      const end = bytes[bytes.length - 1] === 13 ? bytes.length - 1 : bytes.length;
      return { text: withoutMark(decode(bytes.subarray(0, end)), current), line: current };
    }
    return undefined;
  };
  for (const chunk of readChunks(file)) {
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
      const block = finish(chunk.subarray(start, at));
      if (block !== undefined) yield block;
      start = at + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) {
    const last = parts.pop()!;
    const block = finish(last);
    if (block !== undefined) yield block;
  }
}
