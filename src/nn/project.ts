import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js';
import { gather, gatherElements } from '../tensor/ops/gather.js';
import { reshape } from '../tensor/ops/layout.js';
import { matmul } from '../tensor/ops/matmul.js';
import { quantizedMatmul, quantizedRows } from '../tensor/ops/quantized-matmul.js';
import { logSoftmax } from '../tensor/ops/softmax.js';
import { neg } from '../tensor/ops/unary.js';
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

/**
 * Cross-entropy of the head's logits, in nats: `−log softmax(x · Wᵀ)[target]`; x `[N, D]`, weight `[V, D]`, packed or not,
 * targets int `[N]` → `[N]`.
 */
export function projectedCrossEntropy(x: Tensor, weight: Parameter, targets: Tensor): Tensor {
  if (!weight.quantized) return linearCrossEntropy(x, weight.tensor, targets);
  const logProbabilities = logSoftmax(project(x, weight));
  const [rows] = targets.shape;
  return neg(reshape(gatherElements(logProbabilities, reshape(targets, [rows!, 1])), [rows!]));
}
