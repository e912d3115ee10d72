import { defineSingleOutputOp } from '../op.js';
import {
  broadcastShapes,
  type Dim,
  divideDims,
  equalDims,
  equalShapes,
  formatShape,
  multiplyDims,
  type Shape,
  ShapeError,
  sizeOf,
  stridesOf,
} from '../shape.js';
import type { Tensor } from '../tensor.js';
import { broadcastMap } from './binary.js';
import { sum } from './reduce.js';

const reshapeOp = defineSingleOutputOp<{ readonly shape: Shape }>({
  name: 'reshape',
  infer: ([x], { shape }) => {
    if (!equalDims(sizeOf(x!.shape), sizeOf(shape))) {
      throw new ShapeError('the number of elements changes', {
        where: 'reshape',
        expected: `a shape with the elements of ${formatShape(x!.shape)}`,
        got: formatShape(shape),
      });
    }
    return [{ dtype: x!.dtype, shape }];
  },
  isView: true,
  vjp: ({ outputs: [g], node }) => [g && reshape(g, node.inputs[0]!.shape)],
  reference: ([x]) => [x!.data],
  onnx: (emit, [x], { attributes: { shape } }) => {
    const unknown = shape.filter((size) => typeof size !== 'number').length;
    const target =
      unknown <= 1 && !shape.includes(0)
        ? emit.ints(shape.map((size) => (typeof size === 'number' ? size : -1)))
        : emit.shape(shape);
    return emit.node('Reshape', [x!, target]);
  },
  samples: () => [{ inputs: [{ shape: [2, 6] }], attributes: { shape: [3, 1, 4] } }],
});

/** The same elements in another shape; one size may be −1, "what remains". Gradient: reshaped back. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  let target = shape;
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = shape.filter((_, i) => i !== open).reduce<Dim>(multiplyDims, 1);
    const remaining = divideDims(sizeOf(x.shape), rest);
    if (remaining === undefined) {
      throw new ShapeError('−1 cannot be filled in', {
        where: 'reshape',
        got: `${formatShape(x.shape)} to ${formatShape(shape)}`,
      });
    }
    target = shape.map((size, i) => (i === open ? remaining : size));
  }
  return equalShapes(x.shape, target) ? x : reshapeOp([x], { shape: target });
}

const transposeOp = defineSingleOutputOp<{ readonly permutation: readonly number[] }>({
  name: 'transpose',
  infer: ([x], { permutation }) => {
    const sorted = [...permutation].sort((a, b) => a - b);
    if (permutation.length !== x!.shape.length || sorted.some((axis, i) => axis !== i)) {
      throw new ShapeError('not a permutation of the axes', {
        where: 'transpose',
        expected: `each of 0 to ${x!.shape.length - 1} once`,
        got: `[${permutation.join(', ')}]`,
      });
    }
    return [{ dtype: x!.dtype, shape: permutation.map((axis) => x!.shape[axis]!) }];
  },
  vjp: ({ outputs: [g], attributes: { permutation } }) => {
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [g && transpose(g, inverse)];
  },
  reference: ([x], { permutation }, [output]) => {
    const from = stridesOf(x!.shape);
    const to = stridesOf(output!.shape);
    return [
      x!.data.map((_, i) => {
        let index = 0;
        permutation.forEach((axis, k) => {
          index += (Math.floor(i / to[k]!) % output!.shape[k]!) * from[axis]!;
        });
        return x!.data[index]!;
      }),
    ];
  },
  onnx: (emit, [x], { attributes: { permutation } }) => emit.node('Transpose', [x!], { perm: permutation }),
  samples: () => [
    { inputs: [{ shape: [2, 3, 4] }], attributes: { permutation: [2, 0, 1] } },
    { inputs: [{ shape: [2, 3] }], attributes: { permutation: [1, 0] } },
  ],
});

/** The axes in another order; by default reversed. Gradient: the inverse permutation. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const axes = permutation ?? x.shape.map((_, i) => x.rank - 1 - i);
  return axes.every((axis, i) => axis === i) && axes.length === x.rank ? x : transposeOp([x], { permutation: axes });
}

const expandOp = defineSingleOutputOp<{ readonly shape: Shape }>({
  name: 'expand',
  infer: ([x], { shape }) => {
    if (!equalShapes(broadcastShapes(x!.shape, shape, 'expand'), shape)) {
      throw new ShapeError('the shape does not broadcast to the target', {
        where: 'expand',
        expected: `a shape that ${formatShape(x!.shape)} broadcasts to`,
        got: formatShape(shape),
      });
    }
    return [{ dtype: x!.dtype, shape }];
  },
  vjp: ({ outputs: [g], node }) => [g && sumTo(g, node.inputs[0]!.shape)],
  reference: ([x], _, [output]) => {
    const empty = { dtype: x!.dtype, shape: [1], data: new Float64Array(1) };
    return [broadcastMap(empty, x!, output!.shape, (_e, value) => value)];
  },
  onnx: (emit, [x], { attributes: { shape } }) => emit.node('Expand', [x!, emit.shape(shape)]),
  samples: () => [
    { inputs: [{ shape: [3, 1] }], attributes: { shape: [2, 3, 4] } },
    { inputs: [{ shape: [] }], attributes: { shape: [3] } },
  ],
});

/** Repeats along new axes and axes of size 1 until the shape is reached. Gradient: summed over the repeats. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return equalShapes(x.shape, shape) ? x : expandOp([x], { shape });
}

/** The inverse of broadcasting: sums over the axes that were added or repeated to reach `x.shape` from `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (equalShapes(x.shape, shape)) return x;
  const offset = x.rank - shape.length;
  const axes = x.shape.flatMap((size, i) => (i < offset || (shape[i - offset] === 1 && size !== 1) ? [i] : []));
  return reshape(sum(x, { axes }), shape);
}

/** The last two axes exchanged. */
export function matrixTranspose(x: Tensor): Tensor {
  const axes = x.shape.map((_, i) => i);
  [axes[x.rank - 2], axes[x.rank - 1]] = [x.rank - 1, x.rank - 2];
  return transpose(x, axes);
}
