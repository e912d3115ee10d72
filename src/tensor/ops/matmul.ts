import { defineSingleOutputOp, type ReferenceArray } from '../op.js';
import { broadcastShapes, equalDims, formatShape, multiplyDims, type Shape, ShapeError, stridesOf } from '../shape.js';
import { requireFloating, sameDType, type Tensor, type TensorType } from '../tensor.js';
import { mul } from './binary.js';
import { matrixTranspose, reshape, sumTo } from './layout.js';

interface MatmulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Factor on the product; it is free, where a multiplication afterwards is not. */
  readonly alpha: number;
}

function matrixShape({ shape }: TensorType, transposed: boolean): readonly [Shape[number], Shape[number]] {
  const [rows, columns] = [shape[shape.length - 2]!, shape[shape.length - 1]!];
  return transposed ? [columns, rows] : [rows, columns];
}

function infer([a, b]: readonly TensorType[], { transposeA, transposeB }: MatmulAttributes): readonly TensorType[] {
  const dtype = sameDType('matmul', [a!, b!]);
  requireFloating('matmul', a!);
  if (a!.shape.length < 2 || b!.shape.length < 2) {
    throw new ShapeError('needs matrices', {
      where: 'matmul',
      expected: 'two tensors of rank 2 or more',
      got: `${formatShape(a!.shape)} and ${formatShape(b!.shape)}`,
    });
  }
  const [rows, inner] = matrixShape(a!, transposeA);
  const [innerB, columns] = matrixShape(b!, transposeB);
  if (!equalDims(inner, innerB)) {
    throw new ShapeError('the inner sizes differ', {
      where: 'matmul',
      expected: `[…, n, k] times […, k, m]`,
      got: `${formatShape(a!.shape)}${transposeA ? 'ᵀ' : ''} times ${formatShape(b!.shape)}${transposeB ? 'ᵀ' : ''}`,
    });
  }
  const batch = broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2), 'matmul');
  return [{ dtype, shape: [...batch, rows, columns] }];
}

function referenceMatmul(
  a: ReferenceArray,
  b: ReferenceArray,
  { transposeA, transposeB, alpha }: MatmulAttributes,
  shape: readonly number[],
): Float64Array {
  const [rows, columns] = [shape[shape.length - 2]!, shape[shape.length - 1]!];
  const inner = a.shape[a.shape.length - (transposeA ? 2 : 1)]!;
  const batch = shape.slice(0, -2);
  const batchStrides = stridesOf(batch);
  const batchSize = batch.reduce((p, n) => p * n, 1);
  const offsetOf = (array: ReferenceArray, index: number): number => {
    const own = array.shape.slice(0, -2);
    const strides = stridesOf(own);
    const matrix = array.shape[array.shape.length - 2]! * array.shape[array.shape.length - 1]!;
    return own.reduce((offset, size, k) => {
      const axis = k + batch.length - own.length;
      const coordinate = Math.floor(index / batchStrides[axis]!) % batch[axis]!;
      return offset + (size === 1 ? 0 : coordinate * strides[k]! * matrix);
    }, 0);
  };
  const out = new Float64Array(batchSize * rows * columns);
  for (let n = 0; n < batchSize; n++) {
    const aOffset = offsetOf(a, n);
    const bOffset = offsetOf(b, n);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let total = 0;
        for (let k = 0; k < inner; k++) {
          const left = a.data[aOffset + (transposeA ? k * rows + i : i * inner + k)]!;
          const right = b.data[bOffset + (transposeB ? j * inner + k : k * columns + j)]!;
          total += left * right;
        }
        out[(n * rows + i) * columns + j] = alpha * total;
      }
    }
  }
  return out;
}

const NONE: MatmulAttributes = { transposeA: false, transposeB: false, alpha: 1 };

const matmulOp = defineSingleOutputOp<MatmulAttributes>({
  name: 'matmul',
  infer,
  vjp: ({ outputs: [g], node, attributes }) => {
    if (!g) return [];
    const [a, b] = node.inputs as [Tensor, Tensor];
    const { transposeA, transposeB, alpha } = attributes;
    if (b.rank === 2 && a.rank > 2 && !transposeA) {
      // One weight matrix for a whole batch: fold the batch into the rows, so that each gradient is one product.
      const rows = a.shape.slice(0, -1).reduce(multiplyDims, 1);
      const flatA = reshape(a, [rows, a.shape[a.rank - 1]!]);
      const flatG = reshape(g, [rows, g.shape[g.rank - 1]!]);
      const ga = matmul(flatG, b, { transposeB: !transposeB, alpha });
      const gb = transposeB
        ? matmul(flatG, flatA, { transposeA: true, alpha })
        : matmul(flatA, flatG, { transposeA: true, alpha });
      return [reshape(ga, a.shape), gb];
    }
    const ga = transposeA
      ? matmul(b, g, { transposeA: transposeB, transposeB: true, alpha })
      : matmul(g, b, { transposeB: !transposeB, alpha });
    const gb = transposeB
      ? matmul(g, a, { transposeA: true, transposeB: transposeA, alpha })
      : matmul(a, g, { transposeA: !transposeA, alpha });
    return [sumTo(ga, a.shape), sumTo(gb, b.shape)];
  },
  reference: ([a, b], attributes, [output]) => [referenceMatmul(a!, b!, attributes, output!.shape)],
  onnx: (emit, [a, b], { inputs, attributes: { transposeA, transposeB, alpha } }) => {
    if (!transposeA && !transposeB && alpha === 1) return emit.node('MatMul', [a!, b!]);
    if (inputs[0]!.dtype === 'float64' || emit.device === 'portable') return undefined;
    return emit.node(
      'FusedMatMul',
      [a!, b!],
      { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0, alpha: { float: alpha } },
      { domain: 'com.microsoft' },
    );
  },
  decompose: ([a, b], { transposeA, transposeB, alpha }) => {
    const product: Tensor = matmul(transposeA ? matrixTranspose(a!) : a!, transposeB ? matrixTranspose(b!) : b!);
    return [alpha === 1 ? product : mul(product, alpha)];
  },
  samples: () => [
    { inputs: [{ shape: [3, 4] }, { shape: [4, 2] }], attributes: NONE },
    { inputs: [{ shape: [2, 3, 4] }, { shape: [5, 4] }], attributes: { ...NONE, transposeB: true, alpha: 0.5 } },
    { inputs: [{ shape: [2, 3, 4] }, { shape: [4, 2] }], attributes: NONE },
    { inputs: [{ shape: [2, 4, 3] }, { shape: [2, 4, 5] }], attributes: { ...NONE, transposeA: true } },
    {
      inputs: [{ shape: [2, 4, 3] }, { shape: [2, 5, 4] }],
      attributes: { transposeA: true, transposeB: true, alpha: 2 },
    },
    { inputs: [{ shape: [2, 1, 3, 4] }, { shape: [3, 4, 2] }], attributes: NONE },
  ],
});

/**
 * Matrix product, `alpha · op(a) · op(b)` over the last two axes, where `op` transposes if asked; earlier axes
 * broadcast. `[…, n, k] × […, k, m] → […, n, m]`. A transposition costs nothing here.
 */
export function matmul(a: Tensor, b: Tensor, options: Partial<MatmulAttributes> = {}): Tensor {
  return matmulOp([a, b], { ...NONE, ...options });
}
