import { defineOp } from '../op.js';
import { equalDims, formatShape, multiplyDims, ShapeError } from '../shape.js';
import { requireFloating, sameDType, type Tensor, type TensorType } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { reshape } from './layout.js';
import { mean, sum } from './reduce.js';
import { rsqrt, square } from './unary.js';

interface NormAttributes {
  readonly epsilon: number;
}

function inferNorm(where: string, [x, ...weights]: readonly TensorType[], statistics: number): TensorType[] {
  requireFloating(where, x!);
  sameDType(where, [x!, ...weights]);
  const width = x!.shape.at(-1)!;
  for (const weight of weights) {
    if (weight.shape.length !== 1 || !equalDims(weight.shape[0]!, width)) {
      throw new ShapeError('the weight does not fit the last axis', {
        where,
        expected: `[${width}]`,
        got: formatShape(weight.shape),
      });
    }
  }
  const statistic = { dtype: x!.dtype, shape: x!.shape.with(-1, 1) };
  return [{ dtype: x!.dtype, shape: x!.shape }, ...Array.from({ length: statistics }, () => statistic)];
}

/** Sums everything but the last axis: the gradient of a weight that all rows share. */
function sumRows(x: Tensor): Tensor {
  const rows = x.shape.slice(0, -1).reduce(multiplyDims, 1);
  return sum(reshape(x, [rows, x.shape.at(-1)!]), { axes: [0] });
}

const LAST = { axes: [-1], keepDims: true } as const;

const layerNormOp = defineOp<NormAttributes>({
  name: 'layerNorm',
  infer: (inputs) => inferNorm('layerNorm', inputs, 2),
  vjp: ({ outputs: [g], node }) => {
    if (!g) return [];
    const [x, weight] = node.inputs as [Tensor, Tensor];
    const [, centre, inverse] = node.outputs as [Tensor, Tensor, Tensor];
    const normal = mul(sub(x, centre), inverse);
    const weighted = mul(g, weight);
    const inner = sub(sub(weighted, mean(weighted, LAST)), mul(normal, mean(mul(weighted, normal), LAST)));
    return [mul(inner, inverse), sumRows(mul(g, normal)), node.inputs[2] && sumRows(g)];
  },
  decompose: ([x, weight, bias], { epsilon }) => {
    const centre = mean(x!, LAST);
    const difference = sub(x!, centre);
    const inverse = rsqrt(add(mean(square(difference), LAST), epsilon));
    const scaled = mul(mul(difference, inverse), weight!);
    return [bias ? add(scaled, bias) : scaled, centre, inverse];
  },
  onnx: (emit, inputs, { inputs: [x], attributes: { epsilon } }) =>
    x!.dtype === 'float64'
      ? undefined
      : emit.node('LayerNormalization', inputs, { axis: -1, epsilon: { float: epsilon } }, { outputs: 3 }),
  samples: () => [
    { inputs: [{ shape: [2, 3, 8] }, { shape: [8] }, { shape: [8] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [4, 6] }, { shape: [6] }], attributes: { epsilon: 1e-5 } },
  ],
});

/**
 * Layer normalisation (Ba et al. 2016): `(x − mean) / √(variance + ε) · weight + bias` over the last axis. The bias may
 * be left out. `[...S, D]`, `[D]`, `[D]` → `[...S, D]`.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor | undefined, epsilon = 1e-5): Tensor {
  return layerNormOp(bias ? [x, weight, bias] : [x, weight], { epsilon })[0]!;
}

const rmsNormOp = defineOp<NormAttributes>({
  name: 'rmsNorm',
  infer: (inputs) => inferNorm('rmsNorm', inputs, 1),
  vjp: ({ outputs: [g], node }) => {
    if (!g) return [];
    const [x, weight] = node.inputs as [Tensor, Tensor];
    const inverse = node.outputs[1]!;
    const normal = mul(x, inverse);
    const product = mul(g, normal);
    const inner = sub(mul(g, weight), mul(normal, mean(mul(product, weight), LAST)));
    return [mul(inner, inverse), sumRows(product)];
  },
  decompose: ([x, weight], { epsilon }) => {
    const inverse = rsqrt(add(mean(square(x!), LAST), epsilon));
    return [mul(mul(x!, inverse), weight!), inverse];
  },
  onnx: (emit, [x, weight], { inputs, attributes: { epsilon } }) => {
    const { dtype } = inputs[0]!;
    if (dtype === 'float64') return undefined;
    const one = (op: string, ...operands: string[]): string => emit.node(op, operands)[0]!;
    const last = { keepdims: 1 } as const;
    if (emit.device === 'portable') {
      // Just these nodes are what ONNX Runtime takes together into its fused one when it opens the file.
      const meanSquare = emit.node('ReduceMean', [one('Pow', x!, emit.scalar(dtype, 2)), emit.ints([-1])], last)[0]!;
      const root = one('Sqrt', one('Add', meanSquare, emit.scalar(dtype, epsilon)));
      return [one('Mul', one('Div', x!, root), weight!), one('Reciprocal', root)];
    }
    const attributes = { axis: -1, epsilon: { float: epsilon } };
    const fused = (outputs: number): string[] =>
      emit.node('SimplifiedLayerNormalization', [x!, weight!], attributes, { outputs });
    if (emit.device === 'cpu') return fused(2);
    // On WebGPU the node leaves the mean where the inverse should be (ONNX Runtime 1.30): computed beside it.
    const [meanSquare] = emit.node('ReduceMean', [one('Mul', x!, x!), emit.ints([-1])], last);
    const root = one('Sqrt', one('Add', meanSquare!, emit.scalar(dtype, epsilon)));
    return [fused(1)[0]!, one('Reciprocal', root)];
  },
  samples: () => [{ inputs: [{ shape: [2, 3, 8] }, { shape: [8] }], attributes: { epsilon: 1e-5 } }],
});

/**
 * Root-mean-square normalisation (Zhang and Sennrich 2019): `x / √(mean(x²) + ε) · weight` over the last axis.
 * `[...S, D]`, `[D]` → `[...S, D]`.
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon = 1e-5): Tensor {
  return rmsNormOp([x, weight], { epsilon })[0]!;
}
