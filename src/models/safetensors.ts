import * as fs from 'node:fs';
import { InputError } from '../util/errors.js';
import { memoryFor, openForReading, readPart } from '../util/file-parts.js';
import { bfloat16ToFloat32, float16ToFloat32 } from '../util/half.js';
import {
  encodeSafetensorsHeader,
  headerLength,
  PREFIX_BYTES,
  parseSafetensorsHeader,
  SAFETENSORS_DTYPES,
  type SafetensorsDtype,
  type SafetensorsEntry,
  type TensorArray,
} from './safetensors-header.js';

/**
 * An open safetensors file (the format of Hugging Face checkpoints). Its header is read and checked whole; the
 * elements of a tensor are read when they are asked for, so that a large file needs no second copy in memory.
 */
export class SafetensorsFile {
  readonly file: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensors by name, in the order in which they lie in the file. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  #handle: number | undefined;

  private constructor(file: string, handle: number, size: number) {
    const prefix = new Uint8Array(Math.min(PREFIX_BYTES, size));
    readPart(handle, prefix, 0, file);
    const header = new Uint8Array(headerLength(prefix, size, file));
    readPart(handle, header, PREFIX_BYTES, file);
    const { metadata, entries } = parseSafetensorsHeader(header, size, file);
    this.file = file;
    this.metadata = metadata;
    this.entries = entries;
    this.#handle = handle;
  }

  /** @throws {InputError} if the file cannot be read. @throws {CorruptFileError} if it is not valid. */
  static open(file: string): SafetensorsFile {
    const { handle, size } = openForReading(file);
    try {
      return new SafetensorsFile(file, handle, size);
    } catch (error) {
      fs.closeSync(handle);
      throw error;
    }
  }

  /** A tensor's type, shape and place. @throws {InputError} if there is none of that name. */
  entry(name: string): SafetensorsEntry {
    const entry = this.entries.get(name);
    if (entry !== undefined) return entry;
    const names = [...this.entries.keys()].slice(0, 8);
    throw new InputError(`there is no tensor '${name}'`, {
      where: this.file,
      expected: names.length < this.entries.size ? `${names.join(', ')} … (${this.entries.size})` : names.join(', '),
    });
  }

  /**
   * A tensor's elements in the array of its type (see `SAFETENSORS_DTYPES`), row-major, in memory of their own.
   *
   * @throws {InputError | CorruptFileError}
   */
  read(name: string): TensorArray {
    const entry = this.entry(name);
    if (this.#handle === undefined) throw new InputError('the file was closed before', { where: this.file });
    const bytes = memoryFor(entry.byteLength, this.file);
    readPart(this.#handle, bytes, entry.offset, this.file);
    return new SAFETENSORS_DTYPES[entry.dtype].array(bytes.buffer);
  }

  /** A floating-point tensor as float32, whatever its type in the file. @throws {InputError} for an integer type. */
  readFloat32(name: string): Float32Array {
    const { dtype } = this.entry(name);
    if (!FLOATING.includes(dtype)) {
      throw new InputError(`tensor '${name}' holds no floating-point numbers`, { where: this.file, got: dtype });
    }
    const elements = this.read(name);
    if (dtype === 'F16') return float16ToFloat32(elements as Uint16Array);
    if (dtype === 'BF16') return bfloat16ToFloat32(elements as Uint16Array);
    return elements instanceof Float32Array ? elements : Float32Array.from(elements as Float64Array);
  }

  close(): void {
    if (this.#handle !== undefined) fs.closeSync(this.#handle);
    this.#handle = undefined;
  }
}

const FLOATING: readonly SafetensorsDtype[] = ['F64', 'F32', 'F16', 'BF16'];

/** A tensor to be written; `data` is the array of its type and has as many elements as its shape says. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: TensorArray;
}

/**
 * The content of a safetensors file, part by part (see `writeParts`); tensors are passed on as they are, not copied.
 *
 * Tensors lie by size of element, larger ones first, then by name, so that each is aligned and the same tensors always
 * give the same bytes.
 *
 * @throws {InputError} if an array is not of the tensor's type or length; before the first part.
 */
export function safetensorsParts(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata?: Readonly<Record<string, string>>,
): Iterable<Uint8Array> {
  const sorted = [...tensors]
    .sort(
      ([a, { dtype: left }], [b, { dtype: right }]) =>
        SAFETENSORS_DTYPES[right].bytes - SAFETENSORS_DTYPES[left].bytes || (a < b ? -1 : 1),
    )
    .map(([name, tensor]) => [name, { ...tensor, byteLength: checkedLength(name, tensor) }] as const);
  const header = encodeSafetensorsHeader(sorted, metadata);
  return (function* () {
    yield header;
    for (const [, { data }] of sorted) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  })();
}

function checkedLength(name: string, { dtype, shape, data }: SafetensorsTensor): number {
  const length = shape.reduce((product, size) => product * size, 1);
  const { array } = SAFETENSORS_DTYPES[dtype];
  if (name === '__metadata__' || !(data instanceof array) || data.length !== length) {
    throw new InputError(`tensor '${name}' cannot be written`, {
      where: 'safetensors writer',
      expected: `a name other than __metadata__, and a ${array.name} of ${length} elements for ${dtype} [${shape.join(', ')}]`,
      got: `${data.constructor.name} of ${data.length} elements`,
    });
  }
  return data.byteLength;
}
