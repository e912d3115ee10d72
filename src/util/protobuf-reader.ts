import { CorruptFileError, InputError } from './errors.js';

/** Protocol Buffers wire types; the two deprecated group types are never written and refused on reading. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Where bytes come from, for errors. */
export interface ProtoSource {
  readonly file: string;
  /** What the file should be: `ONNX model`. */
  readonly kind: string;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads the fields of one Protocol Buffers message: `while (reader.next()) switch (reader.field) …`. A field that no
 * case asks for is passed over by the following `next()`.
 *
 * The bytes are taken as hostile: every length is held against the message's own end, so a nested reader can never
 * leave its parent, and nothing is allocated from a length that was merely claimed.
 */
export class ProtoReader {
  /** Number of the current field. */
  field = 0;
  #wire: number = WIRE.varint;
  #consumed = true;
  #position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  readonly #source: ProtoSource;

  constructor(bytes: Uint8Array, source: ProtoSource, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#source = source;
    this.#position = start;
    this.#end = end;
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (!this.#consumed) this.#skip();
    if (this.#position >= this.#end) return false;
    const key = this.#unsigned();
    this.#wire = key % 8;
    this.field = Math.floor(key / 8);
    if (this.field === 0) throw this.corrupt('a field with the number zero');
    this.#consumed = false;
    return true;
  }

  /** An integer field as a number. @throws {InputError} beyond ±(2^53 − 1), where a number would no longer be exact. */
  int(): number {
    this.#expect(WIRE.varint);
    return this.#signed();
  }

  float(): number {
    this.#expect(WIRE.fixed32);
    return this.#view.getFloat32(this.#take(4), true);
  }

  /** A view of the field's bytes, not a copy. */
  bytes(): Uint8Array {
    this.#expect(WIRE.bytes);
    const length = this.#length();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  string(): string {
    const bytes = this.bytes();
    try {
      return decoder.decode(bytes);
    } catch {
      throw this.corrupt('text that is not valid UTF-8');
    }
  }

  /** A reader of the nested message. */
  message(): ProtoReader {
    this.#expect(WIRE.bytes);
    const length = this.#length();
    const start = this.#take(length);
    return new ProtoReader(this.#bytes, this.#source, start, start + length);
  }

  /** Appends a repeated integer field, packed or one at a time. */
  ints(values: number[]): void {
    if (this.#wire !== WIRE.bytes) {
      values.push(this.int());
      return;
    }
    const packed = this.message();
    while (packed.#position < packed.#end) values.push(packed.#signed());
  }

  /** Appends a repeated float field, packed or one at a time. */
  floats(values: number[]): void {
    if (this.#wire !== WIRE.bytes) {
      values.push(this.float());
      return;
    }
    const packed = this.message();
    while (packed.#position < packed.#end) values.push(packed.#view.getFloat32(packed.#take(4), true));
  }

  /** Appends a repeated integer field, packed or not, as the two 32-bit halves (low, high) of each value. */
  halves(values: number[]): void {
    const packed = this.#wire === WIRE.bytes;
    if (!packed) this.#expect(WIRE.varint);
    const source = packed ? this.message() : this;
    do {
      if (packed && source.#position >= source.#end) return;
      const [low, high] = source.#varint();
      values.push(low, high);
    } while (packed);
  }

  /** Appends the raw bytes of a repeated fixed-width field, packed or not. @param width 4 or 8 bytes an element. */
  fixed(chunks: Uint8Array[], width: 4 | 8): void {
    let length: number = width;
    if (this.#wire === WIRE.bytes) {
      this.#expect(WIRE.bytes);
      length = this.#length();
      if (length % width !== 0) throw this.corrupt('a packed list whose length is not a whole number of elements');
    } else {
      this.#expect(width === 4 ? WIRE.fixed32 : WIRE.fixed64);
    }
    const start = this.#take(length);
    chunks.push(this.#bytes.subarray(start, start + length));
  }

  /** An error that names the file and the byte. */
  corrupt(what: string): CorruptFileError {
    return new CorruptFileError(`not a valid ${this.#source.kind}: ${what}`, {
      where: `${this.#source.file}, byte ${this.#position}`,
      hint: 'The file is damaged, cut off, or of another kind. Fetch or export it again.',
    });
  }

  /** An error about something valid that Athanor does not read. */
  unsupported(what: string): InputError {
    return new InputError(`cannot read this ${this.#source.kind}: ${what}`, {
      where: `${this.#source.file}, byte ${this.#position}`,
    });
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) throw this.corrupt(`field ${this.field} has wire type ${this.#wire}, not ${wire}`);
    this.#consumed = true;
  }

  #skip(): void {
    this.#consumed = true;
    if (this.#wire === WIRE.varint) this.#varint();
    else if (this.#wire === WIRE.fixed64) this.#take(8);
    else if (this.#wire === WIRE.bytes) this.#take(this.#length());
    else if (this.#wire === WIRE.fixed32) this.#take(4);
    else throw this.corrupt(`field ${this.field} has the unknown wire type ${this.#wire}`);
  }

  #length(): number {
    return this.#unsigned();
  }

  /** Passes over `count` bytes and returns where they start. */
  #take(count: number): number {
    const start = this.#position;
    if (count > this.#end - start) throw this.corrupt(`${count} bytes announced, ${this.#end - start} left`);
    this.#position = start + count;
    return start;
  }

  #unsigned(): number {
    const [low, high] = this.#varint();
    if (high > 0) throw this.corrupt('a length or field number beyond 32 bits');
    return low;
  }

  #signed(): number {
    const [low, high] = this.#varint();
    const value = (high | 0) * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw this.unsupported('an integer beyond 53 bits');
    return value;
  }

  #varint(): readonly [low: number, high: number] {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#position >= this.#end) throw this.corrupt('cut off inside a number');
      const byte = this.#bytes[this.#position++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 64) high |= bits << (shift - 32);
      if (byte < 0x80) return [low >>> 0, high >>> 0];
    }
    throw this.corrupt('a number longer than ten bytes');
  }
}
