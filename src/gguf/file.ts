import * as fs from 'node:fs';
import { InputError } from '../util/errors.js';
import { memoryFor, openForReading, readPart } from '../util/file-parts.js';
import { nearestName } from '../util/nearest.js';
import { dequantize } from './dequantize.js';
import type { GgufMetadata } from './field.js';
import { type GgufTensor, readGgufHeader } from './header.js';

/**
 * A GGUF file, open for reading: the format in which llama.cpp and Ollama keep models. The header is read and checked
 * at once, tensors one by one when they are asked for. Little-endian, versions 2 and 3.
 */
export class GgufFile {
  readonly file: string;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  private handle: number | undefined;

  private constructor(file: string, handle: number, metadata: GgufMetadata, tensors: ReadonlyMap<string, GgufTensor>) {
    this.file = file;
    this.handle = handle;
    this.metadata = metadata;
    this.tensors = tensors;
  }

  /**
   * Opens a file; `close` gives it back.
   *
   * @throws {CorruptFileError} if the file is damaged or no GGUF file.
   * @throws {InputError} if it cannot be read, or holds a tensor of a type that is not supported.
   */
  static open(file: string): GgufFile {
    const { handle, size } = openForReading(file);
    try {
      const readAt = (target: Uint8Array, position: number): void => readPart(handle, target, position, file);
      const { metadata, tensors } = readGgufHeader(readAt, size, file);
      return new GgufFile(file, handle, metadata, tensors);
    } catch (error) {
      fs.closeSync(handle);
      throw error;
    }
  }

  /** The bytes of a tensor as they are stored. @throws {InputError} if there is no such tensor. */
  read(name: string): Uint8Array {
    const { offset, byteLength } = this.tensor(name);
    const bytes = memoryFor(byteLength, this.file);
    this.fill(bytes, offset);
    return bytes;
  }

  /** The elements of a tensor, in row-major order. @throws {InputError} if there is no such tensor. */
  readFloat32(name: string): Float32Array {
    const { type, shape, offset, byteLength } = this.tensor(name);
    if (type !== 'F32') {
      const count = shape.reduce((product, size) => product * size, 1);
      return dequantize(type, this.read(name), count);
    }
    const bytes = memoryFor(byteLength, this.file);
    this.fill(bytes, offset);
    return new Float32Array(bytes.buffer);
  }

  /** Gives the file back to the system; it cannot be read afterwards. */
  close(): void {
    if (this.handle !== undefined) fs.closeSync(this.handle);
    this.handle = undefined;
  }

  private tensor(name: string): GgufTensor {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) {
      const nearest = nearestName(name, [...this.tensors.keys()]);
      throw new InputError(`there is no tensor '${name}'`, {
        where: this.file,
        ...(nearest !== undefined && { hint: `Do you mean '${nearest}'?` }),
      });
    }
    return tensor;
  }

  private fill(target: Uint8Array, position: number): void {
    if (this.handle === undefined) throw new InputError('the file is closed', { where: this.file });
    readPart(this.handle, target, position, this.file);
  }
}
