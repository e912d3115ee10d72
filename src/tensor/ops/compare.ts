import { DTypeError } from '../dtype.js';
import { defineSingleOutputOp, type ReferenceArray } from '../op.js';
import { broadcastShapes } from '../shape.js';
import { sameDType, type Tensor } from '../tensor.js';
import { broadcastMap } from './binary.js';
import { lift, type TensorLike } from './create.js';
import { sumTo } from './layout.js';

/** Comparison with broadcasting: two tensors of one type → bool. No gradient. */
function defineComparison(
  name: string,
  onnx: string,
  compare: (x: number, y: number) => boolean,
): (a: Tensor, b: TensorLike) => Tensor {
  const apply = defineSingleOutputOp<null>({
    name,
    infer: ([a, b]) => {
      sameDType(name, [a!, b!]);
      return [{ dtype: 'bool', shape: broadcastShapes(a!.shape, b!.shape, name) }];
    },
    isElementwise: true,
    reference: ([a, b], _, [output]) => [broadcastMap(a!, b!, output!.shape, (x, y) => Number(compare(x, y)))],
    onnx: (emit, [a, b]) => emit.node(onnx, [a!, b!]),
    samples: () => [
      {
        inputs: [
          { shape: [2, 4], values: [1, 2, 3, 4, 1, 2, 3, 4] },
          { shape: [4], values: [1, 3, 2, 4] },
        ],
        attributes: null,
      },
      {
        inputs: [
          { shape: [6], dtype: 'int64', low: 0, high: 3 },
          { shape: [6], dtype: 'int64', low: 0, high: 3 },
        ],
        attributes: null,
      },
    ],
  });
  return (a, b) => apply([a, lift(b, a.dtype)], null);
}

/** `a = b`. */
export const equal: (a: Tensor, b: TensorLike) => Tensor = defineComparison('equal', 'Equal', (x, y) => x === y);
/** `a < b`. */
export const less: (a: Tensor, b: TensorLike) => Tensor = defineComparison('less', 'Less', (x, y) => x < y);
/** `a ≤ b`. */
export const lessEqual: (a: Tensor, b: TensorLike) => Tensor = defineComparison(
  'lessEqual',
  'LessOrEqual',
  (x, y) => x <= y,
);
/** `a > b`. */
export const greater: (a: Tensor, b: TensorLike) => Tensor = defineComparison('greater', 'Greater', (x, y) => x > y);
/** `a ≥ b`. */
export const greaterEqual: (a: Tensor, b: TensorLike) => Tensor = defineComparison(
  'greaterEqual',
  'GreaterOrEqual',
  (x, y) => x >= y,
);

/** Boolean connective with broadcasting. No gradient. */
function defineLogical(name: string, onnx: string, f: (x: number, y: number) => number) {
  const apply = defineSingleOutputOp<null>({
    name,
    infer: ([a, b]) => {
      for (const input of [a!, b!]) {
        if (input.dtype !== 'bool') throw new DTypeError('needs booleans', { where: name, got: input.dtype });
      }
      return [{ dtype: 'bool', shape: broadcastShapes(a!.shape, b!.shape, name) }];
    },
    isElementwise: true,
    reference: ([a, b], _, [output]) => [broadcastMap(a!, b!, output!.shape, f)],
    onnx: (emit, [a, b]) => emit.node(onnx, [a!, b!]),
    samples: () => [
      {
        inputs: [
          { shape: [4], dtype: 'bool', values: [0, 0, 1, 1] },
          { shape: [4], dtype: 'bool', values: [0, 1, 0, 1] },
        ],
        attributes: null,
      },
    ],
  });
  return (a: Tensor, b: Tensor): Tensor => apply([a, b], null);
}

/** Both. */
export const and: (a: Tensor, b: Tensor) => Tensor = defineLogical('and', 'And', (x, y) => x & y);
/** One of them or both. */
export const or: (a: Tensor, b: Tensor) => Tensor = defineLogical('or', 'Or', (x, y) => x | y);

const notOp = defineSingleOutputOp<null>({
  name: 'not',
  infer: ([x]) => {
    if (x!.dtype !== 'bool') throw new DTypeError('needs booleans', { where: 'not', got: x!.dtype });
    return [x!];
  },
  isElementwise: true,
  reference: ([x]) => [x!.data.map((value) => 1 - value)],
  onnx: (emit, [x]) => emit.node('Not', [x!]),
  samples: () => [{ inputs: [{ shape: [3], dtype: 'bool', values: [0, 1, 1] }], attributes: null }],
});

/** The opposite. */
export function not(x: Tensor): Tensor {
  return notOp([x], null);
}

const whereOp = defineSingleOutputOp<null>({
  name: 'where',
  infer: ([condition, a, b]) => {
    if (condition!.dtype !== 'bool') {
      throw new DTypeError('the condition must be boolean', { where: 'where', got: condition!.dtype });
    }
    const dtype = sameDType('where', [a!, b!]);
    const shape = broadcastShapes(a!.shape, b!.shape, 'where');
    return [{ dtype, shape: broadcastShapes(condition!.shape, shape, 'where') }];
  },
  isElementwise: true,
  vjp: ({ outputs: [g], node }) => {
    const [condition, a, b] = node.inputs as [Tensor, Tensor, Tensor];
    if (!g) return [];
    return [undefined, sumTo(where(condition, g, 0), a.shape), sumTo(where(condition, 0, g), b.shape)];
  },
  reference: ([condition, a, b], _, [output]) => {
    const { shape } = output!;
    const ones: ReferenceArray = { dtype: 'float64', shape, data: new Float64Array(shape.reduce((p, n) => p * n, 1)) };
    const spread = (x: ReferenceArray) => broadcastMap(ones, x, shape, (_x, y) => y);
    const [chosen, left, right] = [spread(condition!), spread(a!), spread(b!)];
    return [chosen.map((value, i) => (value !== 0 ? left[i]! : right[i]!))];
  },
  onnx: (emit, [condition, a, b]) => emit.node('Where', [condition!, a!, b!]),
  samples: () => [
    {
      inputs: [{ shape: [4], dtype: 'bool', values: [0, 1, 1, 0] }, { shape: [2, 4] }, { shape: [] }],
      attributes: null,
    },
    {
      inputs: [{ shape: [2, 1], dtype: 'bool', values: [0, 1] }, { shape: [2, 3] }, { shape: [3] }],
      attributes: null,
    },
  ],
});

/** `condition ? a : b`, element by element, with broadcasting. Gradients: g where chosen, 0 elsewhere. */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'float32';
  return whereOp([condition, lift(a, dtype), lift(b, dtype)], null);
}
