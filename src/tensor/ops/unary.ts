import { DTypeError } from '../dtype.js';
import { defineSingleOutputOp, type SampleInput } from '../op.js';
import { requireFloating, type Tensor } from '../tensor.js';
import { div, mul, sub } from './binary.js';
import { greater } from './compare.js';
import { cast } from './create.js';

interface UnaryRule {
  readonly onnx: string;
  readonly reference: (x: number) => number;
  /** Local derivative times `g`, from the input x and the output y; absent where the derivative is zero. */
  readonly gradient?: (g: Tensor, x: Tensor, y: Tensor) => Tensor;
  readonly domain?: Pick<SampleInput, 'low' | 'high'>;
  /** Integers are taken as well. */
  readonly integers?: boolean;
  readonly tolerance?: number;
}

/** Element-wise op of one input: shape `[...S] → [...S]`, the type is kept. */
function defineUnary(name: string, rule: UnaryRule): (x: Tensor) => Tensor {
  const { gradient } = rule;
  const apply = defineSingleOutputOp<null>({
    name,
    infer: ([x]) => {
      if (rule.integers) {
        if (x!.dtype === 'bool') throw new DTypeError('needs numbers', { where: name, got: 'bool' });
      } else requireFloating(name, x!);
      return [x!];
    },
    isElementwise: true,
    vjp: ({ outputs: [g], node }) => [g && gradient?.(g, node.inputs[0]!, node.outputs[0]!)],
    reference: ([x]) => [x!.data.map(rule.reference)],
    onnx: (emit, [x]) => emit.node(rule.onnx, [x!]),
    samples: () => [
      {
        inputs: [{ shape: [3, 4], ...rule.domain }],
        attributes: null,
        ...(rule.tolerance === undefined ? {} : { tolerance: rule.tolerance }),
      },
    ],
  });
  return (x) => apply([x], null);
}

/** `−x`. Gradient: `−1`. */
export const neg: (x: Tensor) => Tensor = defineUnary('neg', {
  onnx: 'Neg',
  reference: (x) => -x,
  gradient: (g) => neg(g),
  integers: true,
});

/** `|x|`. Gradient: `sign(x)`. */
export const abs: (x: Tensor) => Tensor = defineUnary('abs', {
  onnx: 'Abs',
  reference: Math.abs,
  gradient: (g, x) => mul(g, sign(x)),
  integers: true,
});

/** −1, 0 or 1. No gradient. */
export const sign: (x: Tensor) => Tensor = defineUnary('sign', {
  onnx: 'Sign',
  reference: Math.sign,
  integers: true,
});

/** `eˣ`. Gradient: `eˣ`. */
export const exp: (x: Tensor) => Tensor = defineUnary('exp', {
  onnx: 'Exp',
  reference: Math.exp,
  gradient: (g, _, y) => mul(g, y),
});

/** Natural logarithm. Gradient: `1/x`. */
export const log: (x: Tensor) => Tensor = defineUnary('log', {
  onnx: 'Log',
  reference: Math.log,
  gradient: (g, x) => div(g, x),
  domain: { low: 0.1, high: 4 },
});

/** `√x`. Gradient: `1/(2√x)`. */
export const sqrt: (x: Tensor) => Tensor = defineUnary('sqrt', {
  onnx: 'Sqrt',
  reference: Math.sqrt,
  gradient: (g, _, y) => div(mul(g, 0.5), y),
  domain: { low: 0.1, high: 4 },
});

/** `1/x`. Gradient: `−1/x²`. */
export const reciprocal: (x: Tensor) => Tensor = defineUnary('reciprocal', {
  onnx: 'Reciprocal',
  reference: (x) => 1 / x,
  gradient: (g, _, y) => neg(mul(g, mul(y, y))),
  domain: { low: 0.2, high: 3 },
});

/** Sine, radians. Gradient: `cos x`. */
export const sin: (x: Tensor) => Tensor = defineUnary('sin', {
  onnx: 'Sin',
  reference: Math.sin,
  gradient: (g, x) => mul(g, cos(x)),
});

/** Cosine, radians. Gradient: `−sin x`. */
export const cos: (x: Tensor) => Tensor = defineUnary('cos', {
  onnx: 'Cos',
  reference: Math.cos,
  gradient: (g, x) => neg(mul(g, sin(x))),
});

/** Hyperbolic tangent. Gradient: `1 − tanh² x`. */
export const tanh: (x: Tensor) => Tensor = defineUnary('tanh', {
  onnx: 'Tanh',
  reference: Math.tanh,
  gradient: (g, _, y) => mul(g, sub(1, mul(y, y))),
});

/** `1/(1 + e⁻ˣ)`. Gradient: `y(1 − y)`. */
export const sigmoid: (x: Tensor) => Tensor = defineUnary('sigmoid', {
  onnx: 'Sigmoid',
  reference: (x) => 1 / (1 + Math.exp(-x)),
  gradient: (g, _, y) => mul(g, mul(y, sub(1, y))),
});

/**
 * Gauss error function, `2/√π · ∫₀ˣ exp(−t²) dt`. Gradient: `2/√π · exp(−x²)`. The reference sums the Maclaurin series
 * for small |x| and the continued fraction of the complement for large |x|.
 */
export const erf: (x: Tensor) => Tensor = defineUnary('erf', {
  onnx: 'Erf',
  reference: referenceErf,
  gradient: (g, x) => mul(g, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
});

function referenceErf(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 100; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (magnitude + fraction);
  return Math.sign(x) * (1 - Math.exp(-magnitude * magnitude) / (magnitude + fraction) / Math.sqrt(Math.PI));
}

/** `max(x, 0)`. Gradient: 1 where x > 0. */
export const relu: (x: Tensor) => Tensor = defineUnary('relu', {
  onnx: 'Relu',
  reference: (x) => Math.max(x, 0),
  gradient: (g, x) => mul(g, cast(greater(x, 0), x.dtype)),
});

/** The largest integer not above x. No gradient. */
export const floor: (x: Tensor) => Tensor = defineUnary('floor', { onnx: 'Floor', reference: Math.floor });

/** The smallest integer not below x. No gradient. */
export const ceil: (x: Tensor) => Tensor = defineUnary('ceil', { onnx: 'Ceil', reference: Math.ceil });

/** The nearest integer, ties to the even one. No gradient. */
export const round: (x: Tensor) => Tensor = defineUnary('round', {
  onnx: 'Round',
  reference: (x) => {
    const nearest = Math.round(x);
    return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
  },
});

/** `x²`. */
export function square(x: Tensor): Tensor {
  return mul(x, x);
}

/** `1/√x`. */
export function rsqrt(x: Tensor): Tensor {
  return reciprocal(sqrt(x));
}
