import { InputError } from '../util/errors.js';
import { WIRE } from '../util/protobuf-reader.js';

/** No Protocol Buffers message may reach 2 GiB: readers keep its length in a signed 32-bit integer. */
export const MAX_MESSAGE_BYTES: number = 2 ** 31 - 1;

const encoder = new TextEncoder();

/**
 * Writes one Protocol Buffers message **from its end to its start** into a single growing buffer.
 *
 * A nested message is preceded by its own length. Written backwards, that length is known by the time it is due, so
 * one pass suffices and every length takes its shortest form. The caller therefore writes fields last to first.
 */
export class ProtoWriter {
  #bytes: Uint8Array;
  #view: DataView;
  /** Index of the first byte written; everything from here to the end of the buffer is the message so far. */
  #start: number;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(Math.min(capacity, MAX_MESSAGE_BYTES));
    this.#view = new DataView(this.#bytes.buffer);
    this.#start = this.#bytes.length;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#bytes.length - this.#start;
  }

  /** The message: a view of the buffer, not a copy. */
  finish(): Uint8Array {
    return this.#bytes.subarray(this.#start);
  }

  /** An `int32`, `int64` or `enum` field. @throws {InputError} where the value is not a safe integer. */
  int(field: number, value: number): void {
    this.#varint(value);
    this.#varint(field * 8 + WIRE.varint);
  }

  float(field: number, value: number): void {
    this.#reserve(4);
    this.#view.setFloat32(this.#start, value, true);
    this.#varint(field * 8 + WIRE.fixed32);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#start);
    this.#prefix(field, value.length);
  }

  string(field: number, value: string): void {
    this.#prefix(field, this.#utf8(value));
  }

  /** A nested message; `write` puts its fields, last to first. */
  message(field: number, write: () => void): void {
    const before = this.length;
    write();
    this.#prefix(field, this.length - before);
  }

  /** The head of a nested message of so many bytes that the caller writes behind it. */
  announce(field: number, length: number): void {
    this.#prefix(field, length);
  }

  #prefix(field: number, length: number): void {
    this.#varint(length);
    this.#varint(field * 8 + WIRE.bytes);
  }

  /** Writes text as UTF-8 and returns its length in bytes; names are almost always ASCII, which needs no encoder. */
  #utf8(value: string): number {
    const length = value.length;
    this.#reserve(length);
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) {
        this.#start += length;
        const encoded = encoder.encode(value);
        this.#reserve(encoded.length);
        this.#bytes.set(encoded, this.#start);
        return encoded.length;
      }
      this.#bytes[this.#start + index] = code;
    }
    return length;
  }

  /** Seven bits a byte, low ones first; a negative value is its 64-bit two's complement, always ten bytes. */
  #varint(value: number): void {
    if (!Number.isSafeInteger(value)) {
      throw new InputError('not an integer that ONNX can hold exactly', {
        where: 'ONNX writer',
        expected: 'an integer between -(2^53 - 1) and 2^53 - 1',
        got: String(value),
      });
    }
    if (value >= 0 && value < 0x80) {
      this.#reserve(1);
      this.#bytes[this.#start] = value;
      return;
    }
    // Both halves are exact: a safe integer modulo 2^32, and its floor division, carry the sign as two's complement.
    let low = value >>> 0;
    let high = Math.floor(value / 2 ** 32) >>> 0;
    const bits = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
    const count = Math.ceil(bits / 7);
    this.#reserve(count);
    const last = this.#start + count - 1;
    for (let index = this.#start; index < last; index++) {
      this.#bytes[index] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[last] = low & 0x7f;
  }

  #reserve(count: number): void {
    if (this.#start < count) this.#grow(count);
    this.#start -= count;
  }

  #grow(count: number): void {
    const needed = this.length + count;
    if (needed > MAX_MESSAGE_BYTES) throw messageTooLarge(needed);
    const grown = new Uint8Array(Math.min(Math.max(needed, 2 * this.#bytes.length, 1024), MAX_MESSAGE_BYTES));
    const start = grown.length - this.length;
    grown.set(this.finish(), start);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    this.#start = start;
  }
}

/** The error of a message that passes 2 GiB. */
export function messageTooLarge(bytes: number): InputError {
  return new InputError('the model is too large for one ONNX file', {
    where: 'ONNX writer',
    expected: `less than 2 GiB (${MAX_MESSAGE_BYTES} bytes)`,
    got: `at least ${bytes} bytes`,
    hint: 'Put the large initializers into a file beside it: writeModelFile does so by itself.',
  });
}
