import { AthanorError } from '../util/errors.js';
import { fromNumbers, toNumbers } from './dtype.js';
import type { ReferenceArray } from './op.js';
import { evaluateShape, ShapeError } from './shape.js';
import { type Node, nodesOf, type Tensor } from './tensor.js';
import { type HostArray, isHostArray, variableOf } from './variable.js';

/**
 * The reference interpreter: computes tensors in plain float64 loops, one op at a time. It is slow, and it is the
 * yardstick: what ONNX Runtime returns is held against it, and finite differences of it against the gradients.
 *
 * @param feeds values for placeholders; variables without one take their own value, which must be in memory.
 */
export function interpret(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, ReferenceArray> = new Map(),
  bindings: ReadonlyMap<string, number> = new Map(),
): ReferenceArray[] {
  const values = new Map<Tensor, ReferenceArray>(feeds);
  const run = (wanted: readonly Tensor[]): void => {
    for (const node of nodesOf(wanted)) {
      if (node.outputs.every((output) => values.has(output))) continue;
      apply(node);
    }
  };
  const apply = (node: Node): void => {
    const variable = variableOf(node.outputs[0]!);
    if (variable) {
      if (!isHostArray(variable.value)) throw new AthanorError('the value is not in memory', { where: variable.name });
      values.set(node.outputs[0]!, referenceArray(variable.value));
      return;
    }
    const { op } = node;
    if (op.reference) {
      const types = node.outputs.map(({ dtype, shape }) => ({ dtype, shape: evaluateShape(shape, bindings) }));
      const inputs = node.inputs.map((input) => values.get(input)!);
      op.reference(inputs, node.attributes, types).forEach((data, i) => {
        values.set(node.outputs[i]!, { ...types[i]!, data });
      });
    } else if (op.decompose) {
      const parts = op.decompose(node.inputs, node.attributes);
      run(parts);
      parts.forEach((part, i) => {
        values.set(node.outputs[i]!, values.get(part)!);
      });
    } else {
      throw new ShapeError('a placeholder has no value', { where: node.outputs[0]!.toString() });
    }
  };
  run(outputs);
  return outputs.map((output) => values.get(output)!);
}

export function referenceArray({ dtype, shape, data }: HostArray): ReferenceArray {
  return { dtype, shape, data: toNumbers(dtype, data) };
}

export function hostArray({ dtype, shape, data }: ReferenceArray): HostArray {
  return { dtype, shape, data: fromNumbers(dtype, data) };
}
