import { add, mul } from '../tensor/ops/binary.js';
import { erf, relu, sigmoid, square, tanh } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';

/** `x · σ(x)` (Elfwing et al. 2017), also called swish. */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x));
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

/** `max(x, 0)²` (So et al. 2021, "Primer"). */
export function reluSquared(x: Tensor): Tensor {
  return square(relu(x));
}
