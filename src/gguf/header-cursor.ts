import { CorruptFileError } from '../util/errors.js';

/** Fills `target` from `position` of the file. */
export type ReadAt = (target: Uint8Array, position: number) => void;

/** The file is read in pieces of this size. */
const WINDOW_BYTES = 1 << 18;

/** Real headers, of which the vocabulary is the most, stay below 50 MB; a larger one is not worth the memory. */
const MAX_HEADER_BYTES = 2 ** 28;

/** Reads a header from front to back, little-endian, and never past the file's end or the limit of a header. */
export class HeaderCursor {
  position = 0;
  private readonly readAt: ReadAt;
  private readonly end: number;
  private readonly size: number;
  private readonly where: string;
  private window: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  private windowStart = 0;
  private view = new DataView(new ArrayBuffer(0));
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** @param size the file's bytes. @param where its name, for errors. */
  constructor(readAt: ReadAt, size: number, where: string) {
    this.readAt = readAt;
    this.size = size;
    this.end = Math.min(size, MAX_HEADER_BYTES);
    this.where = where;
  }

  /** The error that says what is wrong with the file. */
  corrupt(what: string, got?: string): CorruptFileError {
    return new CorruptFileError(`not a valid GGUF file: ${what}`, {
      where: this.where,
      ...(got !== undefined && { got }),
      hint: 'The file is damaged, cut off, or of another kind. Copy or download it again.',
    });
  }

  /** Refuses a count of things of at least `bytes` each that the rest of the file cannot hold. */
  mustHold(count: number, bytes: number, what: string): void {
    if (count * bytes <= this.end - this.position) return;
    throw this.corrupt(
      this.end < this.size ? `its header passes the limit of ${MAX_HEADER_BYTES} bytes` : `it ends inside ${what}`,
      `${count} of them, and ${this.size} bytes in all`,
    );
  }

  u8(what: string): number {
    const at = this.advance(1, what);
    return this.view.getUint8(at);
  }

  u32(what: string): number {
    const at = this.advance(4, what);
    return this.view.getUint32(at, true);
  }

  /** @throws {CorruptFileError} beyond 2^53, where numbers are no longer exact. */
  u64(what: string): number {
    const at = this.advance(8, what);
    return this.exact(this.view.getBigUint64(at, true), what);
  }

  /** @throws {CorruptFileError} as `u64`. */
  i64(what: string): number {
    const at = this.advance(8, what);
    return this.exact(this.view.getBigInt64(at, true), what);
  }

  /** The next bytes, in memory of their own. */
  bytes(length: number, what: string): Uint8Array<ArrayBuffer> {
    this.mustHold(length, 1, what);
    const target = new Uint8Array(length);
    if (length <= WINDOW_BYTES) {
      const at = this.advance(length, what);
      target.set(this.window.subarray(at, at + length));
    } else {
      this.readAt(target, this.position);
      this.position += length;
    }
    return target;
  }

  /** A length and as many bytes of UTF-8. */
  text(what: string, limit: number = Number.MAX_SAFE_INTEGER): string {
    const length = this.u64(what);
    if (length > limit) throw this.corrupt(`${what} is longer than ${limit} bytes`, `${length} bytes`);
    this.mustHold(length, 1, what);
    const at = length <= WINDOW_BYTES ? this.advance(length, what) : undefined;
    const bytes = at === undefined ? this.bytes(length, what) : this.window.subarray(at, at + length);
    try {
      return this.decoder.decode(bytes);
    } catch {
      throw this.corrupt(`${what} is not UTF-8`);
    }
  }

  private exact(value: bigint, what: string): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw this.corrupt(`${what} is beyond 2^53`, String(value));
    return number;
  }

  /** Brings the next bytes into the window and steps over them. Returns where in the window they begin. */
  private advance(length: number, what: string): number {
    this.mustHold(length, 1, what);
    if (this.position + length > this.windowStart + this.window.length) {
      this.window = new Uint8Array(Math.min(WINDOW_BYTES, this.end - this.position));
      this.view = new DataView(this.window.buffer);
      this.windowStart = this.position;
      this.readAt(this.window, this.position);
    }
    const at = this.position - this.windowStart;
    this.position += length;
    return at;
  }
}
