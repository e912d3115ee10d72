import { type DType, DTypeError, fromNumbers, isFloating, type TypedArray, toNumbers } from '../dtype.js';
import { defineSingleOutputOp, type Emitter } from '../op.js';
import { type Dim, type Shape, ShapeError, staticSize } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { expand } from './layout.js';

interface ConstantAttributes {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

const constantOp = defineSingleOutputOp<ConstantAttributes>({
  name: 'constant',
  infer: (_, { dtype, shape, data }) => {
    if (staticSize(shape) !== data.length) {
      throw new ShapeError('the data does not fill the shape', {
        where: 'constant',
        expected: `${staticSize(shape)} elements for [${shape.join(', ')}]`,
        got: `${data.length}`,
      });
    }
    return [{ dtype, shape }];
  },
  reference: (_, { dtype, data }) => [toNumbers(dtype, data)],
  onnx: (emit, _, { attributes: { dtype, shape, data } }) => [emit.constant(dtype, shape, data)],
  samples: () => [
    { inputs: [], attributes: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } },
    { inputs: [], attributes: { dtype: 'int64', shape: [2], data: BigInt64Array.of(-1n, 5n) } },
  ],
});

/** A constant part of the program, from typed data. It is stored inside the compiled program: keep it small. */
export function constant(data: TypedArray, shape: readonly number[], dtype: DType): Tensor {
  return constantOp([], { dtype, shape, data });
}

type Nested = number | boolean | readonly Nested[];

function flatten(values: Nested): number[] {
  return typeof values === 'object' ? values.flatMap(flatten) : [Number(values)];
}

/** A constant from nested numbers, `tensor([[1, 2], [3, 4]])`. */
export function tensor(values: Nested, dtype: DType = 'float32'): Tensor {
  const shape: number[] = [];
  for (let level: Nested = values; Array.isArray(level); level = level[0] as Nested) shape.push(level.length);
  return constant(fromNumbers(dtype, flatten(values)), shape, dtype);
}

/** A constant of rank 0. */
export function scalar(value: number, dtype: DType = 'float32'): Tensor {
  return constant(fromNumbers(dtype, [value]), [], dtype);
}

/** A tensor, or a number that takes the type of the tensor it is combined with. */
export type TensorLike = Tensor | number;

export function lift(value: TensorLike, dtype: DType): Tensor {
  return typeof value === 'number' ? scalar(value, dtype) : value;
}

/** `value` everywhere; the shape may be symbolic. */
export function full(shape: Shape, value: number, dtype: DType = 'float32'): Tensor {
  return expand(scalar(value, dtype), shape);
}

export function zeros(shape: Shape, dtype: DType = 'float32'): Tensor {
  return full(shape, 0, dtype);
}

const iotaOp = defineSingleOutputOp<{ readonly length: Dim; readonly dtype: 'int64' | 'int32' }>({
  name: 'iota',
  infer: (_, { length, dtype }) => [{ dtype, shape: [length] }],
  reference: (_i, _a, [output]) => [Float64Array.from({ length: output!.shape[0]! }, (_, i) => i)],
  onnx: (emit, _, { attributes: { length, dtype } }) => {
    const [end] = emit.node('Squeeze', [emit.shape([length])]);
    const [range] = emit.node('Range', [emit.scalar('int64', 0), end!, emit.scalar('int64', 1)]);
    return dtype === 'int64' ? [range!] : emit.node('Cast', [range!], { to: 6 });
  },
  samples: () => [{ inputs: [], attributes: { length: 5, dtype: 'int64' } }],
});

/** `0, 1, …, length − 1`; shape `[length]`. */
export function iota(length: Dim, dtype: 'int64' | 'int32' = 'int64'): Tensor {
  return iotaOp([], { length, dtype });
}

/** Element type codes of ONNX's TensorProto. */
export const ONNX_TYPE_CODE: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
};

export function emitCast(emit: Emitter, value: string, dtype: DType): string {
  return emit.node('Cast', [value], { to: ONNX_TYPE_CODE[dtype] })[0]!;
}

const castOp = defineSingleOutputOp<{ readonly dtype: DType }>({
  name: 'cast',
  infer: ([x], { dtype }) => [{ dtype, shape: x!.shape }],
  isElementwise: true,
  vjp: ({ outputs: [g], node }) => {
    const from = node.inputs[0]!.dtype;
    return [g && isFloating(from) && isFloating(g.dtype) ? cast(g, from) : undefined];
  },
  reference: ([x], { dtype }) => [toNumbers(dtype, fromNumbers(dtype, x!.data))],
  onnx: (emit, [x], { attributes: { dtype } }) => [emitCast(emit, x!, dtype)],
  samples: () => [
    { inputs: [{ shape: [3, 2] }], attributes: { dtype: 'int32' } },
    { inputs: [{ shape: [4], values: [0, 1, -2.5, 0] }], attributes: { dtype: 'bool' } },
    { inputs: [{ shape: [4], dtype: 'int64', low: -9, high: 9 }], attributes: { dtype: 'float32' } },
    { inputs: [{ shape: [4] }], attributes: { dtype: 'float16' }, tolerance: 1e-3 },
  ],
});

/** Converts the element type: floats round, floats to integers truncate, non-zero is true. Gradient: cast back. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : castOp([x], { dtype });
}

/** @throws {DTypeError} unless the type is an integer one. */
export function requireInteger(where: string, type: { readonly dtype: DType }): void {
  if (type.dtype !== 'int32' && type.dtype !== 'int64') {
    throw new DTypeError('needs integers', { where, expected: 'int32 or int64', got: type.dtype });
  }
}
