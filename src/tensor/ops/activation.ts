import { defineSingleOutputOp } from '../op.js';
import { requireFloating, type Tensor } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { erf, relu, sigmoid, square, tanh } from './unary.js';

/*
 * Activations are passes over the widest arrays of a model, so their gradients are written with as few passes as they
 * need. Values inside are named by the same ops as in the forward pass and are computed once.
 */

const siluOp = defineSingleOutputOp<null>({
  name: 'silu',
  infer: ([x]) => {
    requireFloating('silu', x!);
    return [x!];
  },
  // With s = σ(x) and y = x·s: y′ = s + y − y·s.
  vjp: ({ outputs: [g], node }) => {
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    const s = sigmoid(x);
    return [g && mul(g, add(s, sub(y, mul(y, s))))];
  },
  decompose: ([x]) => [mul(x!, sigmoid(x!))],
  samples: () => [{ inputs: [{ shape: [3, 4] }], attributes: null }],
});

/** `x · σ(x)` (Elfwing et al. 2017), also called swish. Gradient: `σ(x) + y·(1 − σ(x))`. */
export function silu(x: Tensor): Tensor {
  return siluOp([x], null);
}

const reluSquaredOp = defineSingleOutputOp<null>({
  name: 'reluSquared',
  infer: ([x]) => {
    requireFloating('reluSquared', x!);
    return [x!];
  },
  vjp: ({ outputs: [g], node }) => [g && mul(mul(g, 2), relu(node.inputs[0]!))],
  decompose: ([x]) => [square(relu(x!))],
  samples: () => [{ inputs: [{ shape: [3, 4] }], attributes: null }],
});

/** `max(x, 0)²` (So et al. 2021, "Primer"). Gradient: `2·max(x, 0)`. */
export function reluSquared(x: Tensor): Tensor {
  return reluSquaredOp([x], null);
}

/** `x · Φ(x) = x/2 · (1 + erf(x/√2))` (Hendrycks and Gimpel 2016). */
export function gelu(x: Tensor): Tensor {
  return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
}

/** The tanh approximation of GELU that GPT-2 uses. */
export function geluTanh(x: Tensor): Tensor {
  const inner = mul(add(x, mul(mul(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}
