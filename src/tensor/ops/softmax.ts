import { defineSingleOutputOp } from '../op.js';
import { normalizeAxis } from '../shape.js';
import { requireFloating, type Tensor } from '../tensor.js';
import { div, mul, sub } from './binary.js';
import { stopGradient } from './control.js';
import { max, sum } from './reduce.js';
import { exp, log } from './unary.js';

interface AxisAttributes {
  readonly axis: number;
}

const samples = () => [
  { inputs: [{ shape: [3, 5] }], attributes: { axis: 1 } },
  { inputs: [{ shape: [2, 3, 4] }], attributes: { axis: 2 } },
];

function shifted(x: Tensor, axis: number): Tensor {
  return sub(x, stopGradient(max(x, { axes: [axis], keepDims: true })));
}

const softmaxOp = defineSingleOutputOp<AxisAttributes>({
  name: 'softmax',
  infer: ([x]) => {
    requireFloating('softmax', x!);
    return [x!];
  },
  vjp: ({ outputs: [g], node, attributes: { axis } }) => {
    const y = node.outputs[0]!;
    return [g && mul(y, sub(g, sum(mul(g, y), { axes: [axis], keepDims: true })))];
  },
  decompose: ([x], { axis }) => {
    const powers = exp(shifted(x!, axis));
    return [div(powers, sum(powers, { axes: [axis], keepDims: true }))];
  },
  onnx: (emit, [x], { attributes: { axis } }) => emit.node('Softmax', [x!], { axis }),
  samples,
});

/** `exp(xᵢ) / Σⱼ exp(xⱼ)` along an axis. Gradient: `y · (g − Σ g·y)`. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return softmaxOp([x], { axis: normalizeAxis(axis, x.rank, 'softmax') });
}

const logSoftmaxOp = defineSingleOutputOp<AxisAttributes>({
  name: 'logSoftmax',
  infer: ([x]) => {
    requireFloating('logSoftmax', x!);
    return [x!];
  },
  vjp: ({ outputs: [g], node, attributes: { axis } }) => {
    const y = node.outputs[0]!;
    return [g && sub(g, mul(exp(y), sum(g, { axes: [axis], keepDims: true })))];
  },
  decompose: ([x], { axis }) => {
    const centred = shifted(x!, axis);
    return [sub(centred, log(sum(exp(centred), { axes: [axis], keepDims: true })))];
  },
  onnx: (emit, [x], { attributes: { axis } }) => emit.node('LogSoftmax', [x!], { axis }),
  samples,
});

/** `xᵢ − log Σⱼ exp(xⱼ)` along an axis. Gradient: `g − softmax(x) · Σ g`. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return logSoftmaxOp([x], { axis: normalizeAxis(axis, x.rank, 'logSoftmax') });
}
