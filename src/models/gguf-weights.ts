import { dequantize } from '../gguf/dequantize.js';
import type { GgufFile } from '../gguf/file.js';
import type { QuantizedWeight } from '../nn/quantized-weight.js';
import type { TensorPlace } from './architecture.js';
import { type GgufNames, huggingFaceNameOf, isRotated } from './gguf-names.js';
import { packedWeight } from './gguf-packed.js';
import { ROPE_FACTORS } from './gguf-rope.js';
import { halvesFromPairs } from './gguf-rows.js';
import type { WeightSource } from './weight-places.js';

/** A matrix as a file packs it, in blocks of 32 neighbours of a row. */
export interface QuantizedTensor {
  readonly type: 'Q4_0' | 'Q8_0';
  /** Row after row. */
  readonly bytes: Uint8Array;
  /** `[outputs, inputs]` */
  readonly shape: readonly number[];
}

/**
 * The weights of a GGUF file under Hugging Face's names. Matrices are `[outputs, inputs]`, GPT-2's too, unlike in
 * Hugging Face's files (`ggufPlaces`); rows of rotated queries and keys are in the order of halves.
 */
export class GgufWeights implements WeightSource {
  readonly where: string;
  readonly shapes: Map<string, readonly number[]> = new Map();
  readonly #file: GgufFile;
  readonly #names: GgufNames;
  readonly #headWidth: number;
  readonly #nameInFile = new Map<string, string>();

  /** @param headWidth of rotated queries and keys. */
  constructor(file: GgufFile, names: GgufNames, headWidth: number) {
    this.where = file.file;
    this.#file = file;
    this.#names = names;
    this.#headWidth = headWidth;
    for (const [name, { shape }] of file.tensors) {
      if (name === ROPE_FACTORS) continue;
      // A name that is not known stays, so that it can be named as not expected.
      const known = huggingFaceNameOf(names, name) ?? name;
      this.#nameInFile.set(known, name);
      this.shapes.set(known, shape);
    }
  }

  readFloat32(name: string): Float32Array {
    const inFile = this.#nameInFile.get(name)!;
    const { type, shape } = this.#file.tensors.get(inFile)!;
    if (!isRotated(this.#names, name)) return this.#file.readFloat32(inFile);
    const bytes = this.#rotatedBytes(name, inFile);
    return type === 'F32' ? new Float32Array(bytes.buffer) : dequantize(type, bytes, elementCount(shape));
  }

  /**
   * The weights as they are packed in the file, to be computed with as they are; undefined where they are stored in
   * another type. `dequantize` makes of them what `readFloat32` gives.
   */
  quantizedTensor(name: string): QuantizedTensor | undefined {
    const inFile = this.#nameInFile.get(name);
    const tensor = inFile === undefined ? undefined : this.#file.tensors.get(inFile);
    if (inFile === undefined || (tensor?.type !== 'Q4_0' && tensor?.type !== 'Q8_0')) return undefined;
    const { type, shape } = tensor;
    const bytes = isRotated(this.#names, name) ? this.#rotatedBytes(name, inFile) : this.#file.read(inFile);
    return { type, bytes, shape };
  }

  packed(name: string): QuantizedWeight | undefined {
    const tensor = this.quantizedTensor(name);
    return tensor && packedWeight(name, tensor);
  }

  close(): void {
    this.#file.close();
  }

  #rotatedBytes(name: string, inFile: string): Uint8Array {
    const bytes = this.#file.read(inFile);
    const [rows] = this.shapes.get(name) as readonly [number];
    halvesFromPairs(bytes, (bytes.length / rows) * this.#headWidth, this.#headWidth);
    return bytes;
  }
}

const elementCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** An architecture's table for matrices that are `[outputs, inputs]` in the file, as all are in GGUF. */
export function ggufPlaces(places: readonly TensorPlace[]): TensorPlace[] {
  return places.map((place) => ({ ...place, transposed: false }));
}
