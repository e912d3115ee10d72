import { defineSingleOutputOp, type ReferenceArray } from '../op.js';
import { multiplyDims, normalizeAxis, type Shape, stridesOf } from '../shape.js';
import { requireFloating, type Tensor, type TensorType } from '../tensor.js';
import { div, mul, sub } from './binary.js';
import { equal } from './compare.js';
import { cast, full } from './create.js';
import { expand, reshape } from './layout.js';

interface ReduceAttributes {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

export interface ReduceOptions {
  /** Axes to reduce; all of them by default. Negative ones count from the end. */
  readonly axes?: readonly number[];
  /** Keep reduced axes with size 1. Default false. */
  readonly keepDims?: boolean;
}

function reducedShape(x: TensorType, { axes, keepDims }: ReduceAttributes): Shape {
  return keepDims
    ? x.shape.map((size, i) => (axes.includes(i) ? 1 : size))
    : x.shape.filter((_, i) => !axes.includes(i));
}

/** Calls `visit(outputIndex, value)` for every element. */
function visitReduced(x: ReferenceArray, axes: readonly number[], visit: (to: number, value: number) => void): void {
  const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
  const from = stridesOf(x.shape);
  const to = stridesOf(kept);
  x.data.forEach((value, i) => {
    let index = 0;
    for (let axis = 0; axis < kept.length; axis++) {
      if (kept[axis] !== 1) index += (Math.floor(i / from[axis]!) % kept[axis]!) * to[axis]!;
    }
    visit(index, value);
  });
}

function defineReduction(
  name: string,
  onnx: string,
  initial: number,
  step: (accumulated: number, value: number) => number,
  gradient: (g: Tensor, x: Tensor, y: Tensor) => Tensor,
): (x: Tensor, options?: ReduceOptions) => Tensor {
  const apply = defineSingleOutputOp<ReduceAttributes>({
    name,
    infer: ([x], attributes) => [{ dtype: x!.dtype, shape: reducedShape(x!, attributes) }],
    vjp: ({ outputs: [g], node, attributes }) => {
      const x = node.inputs[0]!;
      const kept = reducedShape(x, { ...attributes, keepDims: true });
      return [g && gradient(reshape(g, kept), x, reshape(node.outputs[0]!, kept))];
    },
    reference: ([x], { axes }, [output]) => {
      const out = new Float64Array(output!.shape.reduce((p, n) => p * n, 1)).fill(initial);
      visitReduced(x!, axes, (to, value) => {
        out[to] = step(out[to]!, value);
      });
      return [out];
    },
    onnx: (emit, [x], { attributes: { axes, keepDims } }) =>
      emit.node(onnx, [x!, emit.ints(axes)], { keepdims: keepDims ? 1 : 0 }),
    samples: () => [
      { inputs: [{ shape: [2, 3, 4] }], attributes: { axes: [1], keepDims: false } },
      { inputs: [{ shape: [2, 3, 4] }], attributes: { axes: [0, 2], keepDims: true } },
      { inputs: [{ shape: [3] }], attributes: { axes: [0], keepDims: false } },
    ],
  });
  return (x, { axes, keepDims = false } = {}) => {
    const chosen = (axes ?? x.shape.map((_, i) => i)).map((axis) => normalizeAxis(axis, x.rank, name));
    return chosen.length === 0 ? x : apply([x], { axes: chosen.sort((a, b) => a - b), keepDims });
  };
}

/** Sum over axes. Gradient: repeated along them. */
export const sum: (x: Tensor, options?: ReduceOptions) => Tensor = defineReduction(
  'sum',
  'ReduceSum',
  0,
  (a, b) => a + b,
  (g, x) => expand(g, x.shape),
);

/** The gradient of an extremum goes to where it is, shared equally among ties. */
function extremumGradient(g: Tensor, x: Tensor, y: Tensor): Tensor {
  const hit = cast(equal(x, y), x.dtype);
  const axes = x.shape.flatMap((_, i) => (y.shape[i] === 1 ? [i] : []));
  return mul(hit, div(g, sum(hit, { axes, keepDims: true })));
}

/** Largest element over axes. Gradient: to the largest, shared equally among ties. */
export const max: (x: Tensor, options?: ReduceOptions) => Tensor = defineReduction(
  'max',
  'ReduceMax',
  Number.NEGATIVE_INFINITY,
  Math.max,
  extremumGradient,
);

/** Smallest element over axes. Gradient: to the smallest, shared equally among ties. */
export const min: (x: Tensor, options?: ReduceOptions) => Tensor = defineReduction(
  'min',
  'ReduceMin',
  Number.POSITIVE_INFINITY,
  Math.min,
  extremumGradient,
);

const sumOfSquaresOp = defineSingleOutputOp<null>({
  name: 'sumOfSquares',
  infer: ([x]) => {
    requireFloating('sumOfSquares', x!);
    return [{ dtype: x!.dtype, shape: [] }];
  },
  decompose: ([x]) => [sum(mul(x!, x!))],
  onnx: (emit, [x]) => emit.node('ReduceSumSquare', [x!], { keepdims: 0 }),
  samples: () => [{ inputs: [{ shape: [3, 4] }], attributes: null }],
});

/** `Σ x²` over all elements, in one pass. */
export function sumOfSquares(x: Tensor): Tensor {
  return sumOfSquaresOp([x], null);
}

/** Arithmetic mean over axes. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  requireFloating('mean', x);
  const total = sum(x, options);
  const axes = (options.axes ?? x.shape.map((_, i) => i)).map((axis) => normalizeAxis(axis, x.rank, 'mean'));
  const count = axes.map((axis) => x.shape[axis]!).reduce(multiplyDims, 1);
  if (typeof count === 'number') return mul(total, 1 / count);
  return div(total, sum(full(x.shape, 1, x.dtype), options));
}

/** Population variance over axes: the mean of squared differences from the mean. */
export function variance(x: Tensor, options: ReduceOptions = {}): Tensor {
  const difference = sub(x, mean(x, { ...options, keepDims: true }));
  return mean(mul(difference, difference), options);
}

const argMaxOp = defineSingleOutputOp<{ readonly axis: number }>({
  name: 'argMax',
  infer: ([x], { axis }) => [{ dtype: 'int64', shape: x!.shape.filter((_, i) => i !== axis) }],
  reference: ([x], { axis }, [output]) => {
    const size = output!.shape.reduce((p, n) => p * n, 1);
    const best = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
    const at = new Float64Array(size);
    const seen = new Float64Array(size);
    visitReduced(x!, [axis], (to, value) => {
      if (value > best[to]!) {
        best[to] = value;
        at[to] = seen[to]!;
      }
      seen[to]!++;
    });
    return [at];
  },
  onnx: (emit, [x], { attributes: { axis } }) => emit.node('ArgMax', [x!], { axis, keepdims: 0 }),
  samples: () => [
    { inputs: [{ shape: [3, 5] }], attributes: { axis: 1 } },
    { inputs: [{ shape: [4, 2], values: [1, 2, 1, 2, 0, 1, 1, 0] }], attributes: { axis: 0 } },
  ],
});

/** Index of the first largest element along an axis, int64. */
export function argMax(x: Tensor, axis = -1): Tensor {
  return argMaxOp([x], { axis: normalizeAxis(axis, x.rank, 'argMax') });
}
