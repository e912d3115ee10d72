import { defineOp } from '../op.js';
import { type Dim, equalDims, formatShape, ShapeError } from '../shape.js';
import { requireFloating, sameDType, type Tensor } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { requireInteger } from './create.js';
import { gatherElements, scatterAddElements } from './gather.js';
import { reshape } from './layout.js';
import { matmul } from './matmul.js';
import { softmax } from './softmax.js';
import { log, neg } from './unary.js';

/** Keeps the logarithm finite; a loss above 87 nats reads as 87. */
const TINY = 1e-38;

const linearCrossEntropyOp = defineOp<null>({
  name: 'linearCrossEntropy',
  infer: ([hidden, weight, targets]) => {
    requireFloating('linearCrossEntropy', hidden!);
    sameDType('linearCrossEntropy', [hidden!, weight!]);
    requireInteger('linearCrossEntropy', targets!);
    const [rows, width] = hidden!.shape as readonly [Dim, Dim];
    const [classes, inner] = weight!.shape as readonly [Dim, Dim];
    const fits =
      [hidden!, weight!].every(({ shape }) => shape.length === 2) &&
      targets!.shape.length === 1 &&
      equalDims(width, inner) &&
      equalDims(rows, targets!.shape[0]!);
    if (!fits) {
      throw new ShapeError('the inputs do not fit', {
        where: 'linearCrossEntropy',
        expected: 'hidden [N, D], weight [V, D], targets [N]',
        got: [hidden!, weight!, targets!].map(({ shape }) => formatShape(shape)).join(', '),
      });
    }
    const { dtype } = hidden!;
    return [
      { dtype, shape: [rows] },
      { dtype, shape: [rows, classes] },
      { dtype, shape: [rows, 1] },
    ];
  },
  vjp: ({ outputs: [g], node }) => {
    if (!g) return [];
    const [hidden, weight, targets] = node.inputs as [Tensor, Tensor, Tensor];
    const [, probabilities, chosen] = node.outputs as [Tensor, Tensor, Tensor];
    const [rows] = hidden.shape as readonly [Dim, Dim];
    // p − 1 at the target. The update is made from `chosen` so that it comes after the last other use of p, and the
    // runtime can write it over p. Weights of rows go onto the narrow side of each product, never onto [N, V].
    const minusOne = sub(mul(chosen, 0), 1);
    const delta = scatterAddElements(probabilities, reshape(targets, [rows, 1]), minusOne, 1);
    const column = reshape(g, [rows, 1]);
    return [mul(matmul(delta, weight), column), matmul(delta, mul(hidden, column), { transposeA: true }), undefined];
  },
  decompose: ([hidden, weight, targets]) => {
    const probabilities = softmax(matmul(hidden!, weight!, { transposeB: true }));
    const chosen = gatherElements(probabilities, reshape(targets!, [targets!.shape[0]!, 1]), 1);
    return [neg(log(add(reshape(chosen, targets!.shape), TINY))), probabilities, chosen];
  },
  samples: () => [
    {
      inputs: [{ shape: [4, 3] }, { shape: [5, 3] }, { shape: [4], dtype: 'int32', values: [0, 4, 2, 2] }],
      attributes: null,
    },
  ],
});

/**
 * Cross-entropy of a linear classifier, row by row, in nats: `−log softmax(hidden · weightᵀ)[target]`. `[N, D]`,
 * `[V, D]`, integers `[N]` → `[N]`. The gradient needs no array of the logits' size besides the probabilities. Losses
 * above 87 nats read as 87 (their gradients are right).
 */
export function linearCrossEntropy(hidden: Tensor, weight: Tensor, targets: Tensor): Tensor {
  return linearCrossEntropyOp([hidden, weight, targets], null)[0]!;
}
