import { defineOp, defineSingleOutputOp } from '../op.js';
import { normalizeAxis, ShapeError } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { zeros } from './create.js';
import { scatterAddElements } from './gather.js';

const topKOp = defineOp<{ readonly k: number }>({
  name: 'topK',
  infer: ([x], { k }) => {
    const size = x!.shape.at(-1);
    if (size === undefined || (typeof size === 'number' && (k < 1 || k > size))) {
      throw new ShapeError('k is out of range', { where: 'topK', expected: `1 to ${size}`, got: `${k}` });
    }
    const shape = x!.shape.with(-1, k);
    return [
      { dtype: x!.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  vjp: ({ outputs: [g], node }) => {
    const x = node.inputs[0]!;
    return [g && scatterAddElements(zeros(x.shape, x.dtype), node.outputs[1]!, g)];
  },
  reference: ([x], { k }) => {
    const width = x!.shape.at(-1)!;
    const rows = x!.data.length / width;
    const values = new Float64Array(rows * k);
    const indices = new Float64Array(rows * k);
    for (let row = 0; row < rows; row++) {
      const elements = [...x!.data.subarray(row * width, (row + 1) * width).entries()];
      elements.sort(([i, a], [j, b]) => b - a || i - j);
      elements.slice(0, k).forEach(([index, value], i) => {
        values[row * k + i] = value;
        indices[row * k + i] = index;
      });
    }
    return [values, indices];
  },
  onnx: (emit, [x], { attributes: { k } }) =>
    emit.node('TopK', [x!, emit.ints([k])], { axis: -1, largest: 1, sorted: 1 }, { outputs: 2 }),
  samples: () => [{ inputs: [{ shape: [3, 6] }], attributes: { k: 2 } }],
});

/** The k largest along the last axis, largest first, with their indices (int64); ties: the lower index first. */
export function topK(x: Tensor, k: number): { readonly values: Tensor; readonly indices: Tensor } {
  const [values, indices] = topKOp([x], { k });
  return { values: values!, indices: indices! };
}

const cumulativeSumOp = defineSingleOutputOp<{ readonly axis: number; readonly reverse: boolean }>({
  name: 'cumulativeSum',
  infer: ([x]) => [x!],
  vjp: ({ outputs: [g], attributes: { axis, reverse } }) => [g && cumulativeSum(g, axis, { reverse: !reverse })],
  reference: ([x], { axis, reverse }) => {
    const out = x!.data.slice();
    const inner = x!.shape.slice(axis + 1).reduce((p, n) => p * n, 1);
    const size = x!.shape[axis]!;
    for (let i = 0; i < out.length; i++) {
      const at = reverse ? out.length - 1 - i : i;
      const position = Math.floor(at / inner) % size;
      const previous = reverse ? position + 1 : position - 1;
      if (previous >= 0 && previous < size) out[at]! += out[at + (reverse ? inner : -inner)]!;
    }
    return [out];
  },
  onnx: (emit, [x], { attributes: { axis, reverse } }) =>
    emit.node('CumSum', [x!, emit.scalar('int64', axis)], { reverse: reverse ? 1 : 0 }),
  samples: () => [
    { inputs: [{ shape: [2, 5] }], attributes: { axis: 1, reverse: false } },
    { inputs: [{ shape: [3, 2] }], attributes: { axis: 0, reverse: true } },
  ],
});

/** Running sum along an axis, the element itself included. Gradient: the running sum from the other end. */
export function cumulativeSum(x: Tensor, axis = -1, options: { readonly reverse?: boolean } = {}): Tensor {
  const at = normalizeAxis(axis, x.rank, 'cumulativeSum');
  return cumulativeSumOp([x], { axis: at, reverse: options.reverse ?? false });
}
