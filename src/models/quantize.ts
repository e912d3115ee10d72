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
  for (const [path, parameter, kind] of matrices(model)) {
    if (parameter.quantized) continue;
    const [rows, columns] = parameter.shape as readonly [number, number];
    if (kind === 'table' && rows < FEWEST_ROWS) continue;
    if (columns % QUANTIZED_BLOCK !== 0) {
      kept.push(path);
      continue;
    }
    const isHead = kind === 'table' || path === 'head';
    const values = (parameter.value as HostArray).data as Float32Array;
    const weight = quantizeWeight(path, values, [rows, columns], isHead ? 8 : bits);
    parameter.quantize(weight);
    packed++;
    packedBytes += weight.byteLength;
  }
  return { packed, packedBytes, kept };
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
