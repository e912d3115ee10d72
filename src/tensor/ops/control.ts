import { gradientsOf } from '../grad.js';
import { defineOp, defineSingleOutputOp } from '../op.js';
import { nodesOf, type Tensor } from '../tensor.js';
import { emitCast, zeros } from './create.js';

const stopGradientOp = defineSingleOutputOp<null>({
  name: 'stopGradient',
  infer: ([x]) => [x!],
  isView: true,
  reference: ([x]) => [x!.data],
  onnx: (_, [x]) => [x!],
});

/** The value itself, which no gradient passes. */
export function stopGradient(x: Tensor): Tensor {
  return stopGradientOp([x], null);
}

const barrierOp = defineSingleOutputOp<null>({
  name: 'barrier',
  infer: ([x]) => [x!],
  isView: true,
  vjp: ({ outputs: [g] }) => [g],
  reference: ([x]) => [x!.data],
  onnx: (emit, [x, after], { inputs }) => {
    // Reshape to the shape that it has, where the shape is made to depend on one element of `after`: no copy, and no
    // optimizer can see through it.
    const [flat] = emit.node('Reshape', [after!, emit.ints([-1])]);
    const [first] = emit.node('Slice', [flat!, emit.ints([0]), emit.ints([1]), emit.ints([0])]);
    const [zero] = emit.node('Mul', [emitCast(emit, first!, 'int64'), emit.ints([0])]);
    const [shape] = emit.node('Add', [emit.shape(inputs[0]!.shape), zero!]);
    return emit.node('Reshape', [x!, shape!]);
  },
  samples: () => [{ inputs: [{ shape: [2, 3] }, { shape: [4] }], attributes: null }],
});

/** `x`, available only once `after` has been computed: it orders a program where the data flow does not. */
export function barrier(x: Tensor, after: Tensor): Tensor {
  return barrierOp([x, after], null);
}

interface CheckpointAttributes {
  readonly count: number;
  readonly fn: (...inputs: Tensor[]) => readonly Tensor[];
  readonly inputs: readonly Tensor[];
  readonly captured: readonly Tensor[];
}

/** Inputs: the outputs of the region, then its inputs, then what it captured; outputs: the outputs again. */
const checkpointOp = defineOp<CheckpointAttributes>({
  name: 'checkpoint',
  infer: (inputs, { count }) => inputs.slice(0, count),
  isView: true,
  vjp: ({ outputs, node, attributes: { count, fn, inputs, captured } }) => {
    const arrived = outputs.find((g) => g !== undefined);
    if (!arrived) return [];
    const again = inputs.map((x) => barrier(x, arrived));
    const results = fn(...again);
    const cotangents = outputs.map((g, i) => g ?? zeros(node.outputs[i]!.shape, node.outputs[i]!.dtype));
    const gradients = gradientsOf(results, cotangents, [...again, ...captured], { independent: true });
    return [...Array.from({ length: count }, () => undefined), ...gradients];
  },
  reference: (inputs, { count }) => inputs.slice(0, count).map((x) => x.data),
  onnx: (_, inputs, { attributes: { count } }) => inputs.slice(0, count),
});

/**
 * Recomputation (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): the function's intermediate
 * values are not kept for the backward pass but computed again from its inputs when the gradient arrives. The result
 * and the gradients are the same; memory falls and the forward work of the region is done twice.
 */
export function checkpoint<R extends Tensor | readonly Tensor[]>(
  fn: (...inputs: Tensor[]) => R,
): (...inputs: Tensor[]) => R {
  const list = (...inputs: Tensor[]): readonly Tensor[] => {
    const result: Tensor | readonly Tensor[] = fn(...inputs);
    return Array.isArray(result) ? result : [result as Tensor];
  };
  return (...inputs) => {
    const results = list(...inputs);
    const captured = capturedBy(results, list, inputs);
    const outputs = checkpointOp([...results, ...inputs, ...captured], {
      count: results.length,
      fn: list,
      inputs,
      captured,
    });
    return (outputs.length === 1 ? outputs[0] : outputs) as R;
  };
}

/**
 * The tensors made outside of the region that it uses without getting them as inputs: weights, mostly. Inputs are
 * among them, since the region may use one in both ways.
 */
function capturedBy(
  results: readonly Tensor[],
  fn: (...inputs: Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
): Tensor[] {
  // What a second application does not make again was there before the first one.
  const second = new Set(nodesOf(fn(...inputs)));
  const captured = new Set<Tensor>();
  for (const node of nodesOf(results)) {
    if (second.has(node)) continue;
    for (const input of node.inputs) if (second.has(input.node)) captured.add(input);
  }
  return [...captured];
}
