import { gather } from '../tensor/ops/gather.js';
import { matmul } from '../tensor/ops/matmul.js';
import { quantizedMatmul, quantizedRows } from '../tensor/ops/quantized-matmul.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Parameter } from './parameter.js';

/** `x · Wᵀ` with a weight `[outputs, inputs]`, packed or not: `[…, inputs] → […, outputs]`. */
export function project(x: Tensor, weight: Parameter): Tensor {
  const { quantized } = weight;
  if (!quantized) return matmul(x, weight.tensor, { transposeB: true });
  return quantizedMatmul(x, quantized.packed.tensor, quantized.scales.tensor, quantized.format);
}

/** Rows of a table `[count, width]`, packed or not, by index: integers `[…S]` → `[…S, width]`. */
export function lookUp(ids: Tensor, table: Parameter): Tensor {
  const { quantized } = table;
  if (!quantized) return gather(table.tensor, ids);
  return quantizedRows(ids, quantized.packed.tensor, quantized.scales.tensor, quantized.format);
}
