import { type DType, DTypeError, isFloating } from '../dtype.js';
import { defineSingleOutputOp, type ReferenceArray, type SampleInput } from '../op.js';
import { broadcastShapes, stridesOf } from '../shape.js';
import { sameDType, type Tensor } from '../tensor.js';
import { greater, where } from './compare.js';
import { lift, type TensorLike } from './create.js';
import { sumTo } from './layout.js';
import { log, neg } from './unary.js';

/** Applies a function of two numbers with broadcasting: the plain loop behind every binary op's reference. */
export function broadcastMap(
  a: ReferenceArray,
  b: ReferenceArray,
  shape: readonly number[],
  f: (x: number, y: number) => number,
): Float64Array {
  const size = shape.reduce((product, n) => product * n, 1);
  const out = new Float64Array(size);
  const strides = stridesOf(shape);
  const aligned = (array: ReferenceArray): number[] => {
    const own = stridesOf(array.shape);
    const offset = shape.length - array.shape.length;
    return shape.map((_, i) => (i < offset || array.shape[i - offset] === 1 ? 0 : own[i - offset]!));
  };
  const aStrides = aligned(a);
  const bStrides = aligned(b);
  for (let i = 0; i < size; i++) {
    let aIndex = 0;
    let bIndex = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      const coordinate = Math.floor(i / strides[axis]!) % shape[axis]!;
      aIndex += coordinate * aStrides[axis]!;
      bIndex += coordinate * bStrides[axis]!;
    }
    out[i] = f(a.data[aIndex]!, b.data[bIndex]!);
  }
  return out;
}

interface BinaryRule {
  readonly onnx: string;
  readonly reference: (x: number, y: number) => number;
  /** Gradients by a and b before they are summed to the inputs' shapes. */
  readonly gradient?: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [Tensor, Tensor];
  readonly right?: Pick<SampleInput, 'low' | 'high'>;
  readonly left?: Pick<SampleInput, 'low' | 'high'>;
}

/** Element-wise op of two inputs with broadcasting; a number takes the other's type. */
function defineBinary(name: string, rule: BinaryRule): (a: TensorLike, b: TensorLike) => Tensor {
  const { gradient } = rule;
  const apply = defineSingleOutputOp<null>({
    name,
    infer: ([a, b]) => {
      const dtype: DType = sameDType(name, [a!, b!]);
      if (dtype === 'bool') throw new DTypeError('needs numbers', { where: name, got: 'bool' });
      return [{ dtype, shape: broadcastShapes(a!.shape, b!.shape, name) }];
    },
    isElementwise: true,
    vjp: ({ outputs: [g], node }) => {
      const [a, b] = node.inputs as [Tensor, Tensor];
      if (!g || !gradient) return [undefined, undefined];
      const [ga, gb] = gradient(g, a, b, node.outputs[0]!);
      return [sumTo(ga, a.shape), sumTo(gb, b.shape)];
    },
    reference: ([a, b], _, [output]) => {
      const exact = rule.reference;
      const f = isFloating(output!.dtype) ? exact : (x: number, y: number) => Math.trunc(exact(x, y));
      return [broadcastMap(a!, b!, output!.shape, f)];
    },
    onnx: (emit, [a, b]) => emit.node(rule.onnx, [a!, b!]),
    samples: () => [
      {
        inputs: [
          { shape: [2, 3], ...rule.left },
          { shape: [2, 3], ...rule.right },
        ],
        attributes: null,
      },
      {
        inputs: [
          { shape: [4, 2, 3], ...rule.left },
          { shape: [2, 1], ...rule.right },
        ],
        attributes: null,
      },
      {
        inputs: [
          { shape: [], ...rule.left },
          { shape: [5], ...rule.right },
        ],
        attributes: null,
      },
      {
        inputs: [
          { shape: [5], dtype: 'int64', low: 1, high: 12 },
          { shape: [5], dtype: 'int64', low: 1, high: 4 },
        ],
        attributes: null,
      },
    ],
  });
  return (a, b) => {
    const dtype = typeof a === 'number' ? (b as Tensor).dtype : a.dtype;
    return apply([lift(a, dtype), lift(b, dtype)], null);
  };
}

/** `a + b` with broadcasting. Gradients: 1 and 1. */
export const add: (a: TensorLike, b: TensorLike) => Tensor = defineBinary('add', {
  onnx: 'Add',
  reference: (x, y) => x + y,
  gradient: (g) => [g, g],
});

/** `a − b` with broadcasting. Gradients: 1 and −1. */
export const sub: (a: TensorLike, b: TensorLike) => Tensor = defineBinary('sub', {
  onnx: 'Sub',
  reference: (x, y) => x - y,
  gradient: (g) => [g, neg(g)],
});

/** `a · b`, element by element, with broadcasting. Gradients: b and a. */
export const mul: (a: TensorLike, b: TensorLike) => Tensor = defineBinary('mul', {
  onnx: 'Mul',
  reference: (x, y) => x * y,
  gradient: (g, a, b) => [mul(g, b), mul(g, a)],
});

/** `a / b` with broadcasting; integers truncate. Gradients: `1/b` and `−y/b`. */
export const div: (a: TensorLike, b: TensorLike) => Tensor = defineBinary('div', {
  onnx: 'Div',
  reference: (x, y) => x / y,
  gradient: (g, _, b, y) => {
    const ga = div(g, b);
    return [ga, neg(mul(ga, y))];
  },
  right: { low: 0.5, high: 3 },
});

/** `aᵇ` with broadcasting. Gradients: `b·aᵇ⁻¹` and `aᵇ·log a` (for a > 0; 0 elsewhere). */
export const pow: (a: TensorLike, b: TensorLike) => Tensor = defineBinary('pow', {
  onnx: 'Pow',
  reference: (x, y) => x ** y,
  gradient: (g, a, b, y) => {
    const positive = greater(a, 0);
    return [mul(g, mul(b, pow(a, sub(b, 1)))), mul(g, where(positive, mul(y, log(where(positive, a, 1))), 0))];
  },
  left: { low: 0.2, high: 3 },
});

/** The larger one. Gradient: to a where a > b, else to b. */
export const maximum: (a: TensorLike, b: TensorLike) => Tensor = defineBinary('maximum', {
  onnx: 'Max',
  reference: Math.max,
  gradient: (g, a, b) => [where(greater(a, b), g, 0), where(greater(a, b), 0, g)],
});

/** The smaller one. Gradient: to b where a > b, else to a. */
export const minimum: (a: TensorLike, b: TensorLike) => Tensor = defineBinary('minimum', {
  onnx: 'Min',
  reference: Math.min,
  gradient: (g, a, b) => [where(greater(a, b), 0, g), where(greater(a, b), g, 0)],
});

/** The sum of several tensors of one shape. */
export function addAll(tensors: readonly Tensor[]): Tensor {
  return tensors.reduce((sum, term) => add(sum, term));
}
