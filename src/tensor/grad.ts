import { isFloating } from './dtype.js';
import { add } from './ops/binary.js';
import { scalar } from './ops/create.js';
import { equalShapes, formatShape, ShapeError } from './shape.js';
import { type Node, nodesOf, type Tensor } from './tensor.js';

/**
 * Reverse-mode differentiation, graph to graph: the gradients of `Σ cotangents[i] · outputs[i]` by each of `by`. They
 * are ordinary tensors, so they can be differentiated again. A tensor of `by` that does not matter gets undefined.
 *
 * @param independent takes the tensors of `by` as independent of each other: where one was computed from another,
 * nothing flows through it. Total derivatives need false, the rule of a single op needs true.
 */
export function gradientsOf(
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  by: readonly Tensor[],
  { independent = false }: { readonly independent?: boolean } = {},
): (Tensor | undefined)[] {
  const gradients = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, gradient: Tensor): void => {
    if (!equalShapes(tensor.shape, gradient.shape)) {
      throw new ShapeError('a gradient has another shape than its tensor', {
        where: `gradient of ${tensor}`,
        got: formatShape(gradient.shape),
      });
    }
    const known = gradients.get(tensor);
    gradients.set(tensor, known ? add(known, gradient) : gradient);
  };
  outputs.forEach((output, i) => {
    accumulate(output, cotangents[i]!);
  });

  const nodes = nodesOf(outputs);
  const matters = dependentsOf(nodes, by);
  const targets = new Set(by);
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!matters.has(node)) continue;
    const arrived = node.outputs.map((output) =>
      independent && targets.has(output) ? undefined : gradients.get(output),
    );
    if (arrived.every((gradient) => gradient === undefined)) continue;
    const parts = vectorJacobianProduct(node, arrived);
    node.inputs.forEach((input, k) => {
      const part = parts[k];
      if (part && (matters.has(input.node) || targets.has(input))) accumulate(input, part);
    });
  }
  return by.map((tensor) => gradients.get(tensor));
}

/** The nodes through which some tensor of `by` reaches the end. */
function dependentsOf(nodes: readonly Node[], by: readonly Tensor[]): Set<Node> {
  const sources = new Set(by.map((tensor) => tensor.node));
  const reached = new Set<Node>();
  for (const node of nodes) {
    if (sources.has(node) || node.inputs.some((input) => reached.has(input.node))) reached.add(node);
  }
  return reached;
}

function vectorJacobianProduct(node: Node, arrived: readonly (Tensor | undefined)[]): readonly (Tensor | undefined)[] {
  const { op } = node;
  // The rule of a fused op is that of its first output. The others, statistics that the rule reads, are differentiated
  // where a gradient is itself differentiated; then the parts are.
  const byParts = op.decompose && (!op.vjp || arrived.slice(1).some((gradient) => gradient !== undefined));
  if (op.vjp && !byParts) return op.vjp({ outputs: arrived, node, attributes: node.attributes });
  if (!op.decompose) return [];
  const outputs = op.decompose(node.inputs, node.attributes);
  const chosen = outputs.flatMap((output, i) => (arrived[i] ? [[output, arrived[i]!] as const] : []));
  const gradients = gradientsOf(
    chosen.map(([output]) => output),
    chosen.map(([, gradient]) => gradient),
    node.inputs,
    { independent: true },
  );
  // A tensor that is two inputs at once has got the sum of both at either place.
  return gradients.map((gradient, i) => (node.inputs.indexOf(node.inputs[i]!) === i ? gradient : undefined));
}

/**
 * The gradients of a scalar loss by some tensors (weights, mostly).
 * @throws {ShapeError} if the loss is not a floating scalar, or does not depend on one of the tensors.
 */
export function grad(loss: Tensor, by: readonly Tensor[]): Tensor[] {
  if (loss.rank !== 0 || !isFloating(loss.dtype)) {
    throw new ShapeError('a loss is a floating scalar', { where: 'grad', expected: '[]', got: loss.toString() });
  }
  return gradientsOf([loss], [scalar(1, loss.dtype)], by).map((gradient, i) => {
    if (!gradient) {
      throw new ShapeError('the loss does not depend on a tensor that it should be differentiated by', {
        where: 'grad',
        got: String(by[i]),
        hint: 'Leave it out, or check for stopGradient on the way.',
      });
    }
    return gradient;
  });
}

/** `fn` together with its gradients: `valueAndGrad(f)(x, y)` gives `f(x, y)` and `[∂f/∂x, ∂f/∂y]`. */
export function valueAndGrad(
  fn: (...inputs: Tensor[]) => Tensor,
): (...inputs: Tensor[]) => { readonly value: Tensor; readonly gradients: Tensor[] } {
  return (...inputs) => {
    const value = fn(...inputs);
    return { value, gradients: grad(value, inputs) };
  };
}
