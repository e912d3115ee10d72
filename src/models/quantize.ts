import { Embedding } from '../nn/embedding.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import type { Parameter } from '../nn/parameter.js';
import { QUANTIZED_BLOCK, quantizeWeight } from '../nn/quantized-weight.js';
import type { HostArray } from '../tensor/variable.js';

/** Bits of a packed weight. */
export type WeightBits = 4 | 8;

/** What became of a model's weights. */
export interface QuantizedModel {
  /** Matrices that were packed, and their bytes now. */
  readonly packed: number;
  readonly packedBytes: number;
  /** Paths of the matrices that stay as they are: their rows are not whole blocks. */
  readonly kept: readonly string[];
}

/** Tables with fewer rows are not worth packing. */
const FEWEST_ROWS = 512;

/**
 * Packs the matrices of a model into 4 or 8 bits, block by block, in place: what is left in memory is a quarter or an
 * eighth of the weights. Norms, biases and small tables stay float32. The table of words, which often is the head too,
 * is kept at 8 bits: it decides every token.
 *
 * A packed model generates and can be measured; its packed weights are frozen.
 */
export function quantizeModel(model: Module, bits: WeightBits): QuantizedModel {
  let [packed, packedBytes] = [0, 0];
  const kept: string[] = [];
  const pack = packerOf(model, bits);
  for (const [path, parameter] of matrices(model)) {
    const before = parameter.quantized;
    const packable = pack(parameter);
    if (!packable) kept.push(path);
    else if (before === undefined && parameter.quantized !== undefined) {
      packed++;
      packedBytes += parameter.quantized.byteLength;
    }
  }
  return { packed, packedBytes, kept };
}

/**
 * What packs a model's matrices one by one, as they are read, so that a large model is never in memory whole.
 *
 * @returns a function that packs a parameter where it is a matrix worth it; false where its rows are not whole blocks.
 */
export function packerOf(model: Module, bits: WeightBits): (parameter: Parameter) => boolean {
  const known = new Map([...matrices(model)].map(([path, parameter, kind]) => [parameter, { path, kind }]));
  return (parameter) => {
    const matrix = known.get(parameter);
    if (matrix === undefined || parameter.quantized) return true;
    const { path, kind } = matrix;
    const [rows, columns] = parameter.shape as readonly [number, number];
    if (kind === 'table' && rows < FEWEST_ROWS) return true;
    if (columns % QUANTIZED_BLOCK !== 0) return false;
    const isHead = kind === 'table' || path === 'head';
    const values = (parameter.value as HostArray).data as Float32Array;
    parameter.quantize(quantizeWeight(path, values, [rows, columns], isHead ? 8 : bits));
    return true;
  };
}

/** Weights of linear layers and tables, each once, with the path of their module. */
function* matrices(
  module: Module,
  prefix = '',
  seen: Set<Parameter> = new Set(),
): Generator<[path: string, weight: Parameter, kind: 'matrix' | 'table']> {
  for (const [field, value] of Object.entries(module)) {
    const path = prefix === '' ? field : `${prefix}.${field}`;
    for (const [at, item] of Array.isArray(value) ? value.entries() : [[undefined, value] as const]) {
      if (!(item instanceof Module)) continue;
      const place = at === undefined ? path : `${path}.${at}`;
      if (item instanceof Linear || item instanceof Embedding) {
        if (seen.has(item.weight)) continue;
        seen.add(item.weight);
        yield [place, item.weight, item instanceof Linear ? 'matrix' : 'table'];
      } else yield* matrices(item, place, seen);
    }
  }
}
