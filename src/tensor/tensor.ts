import { type DType, DTypeError, isFloating } from './dtype.js';
import type { Op } from './op.js';
import { formatShape, type Shape } from './shape.js';

/** Element type and shape: all that is known of a value before it exists. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One recorded application of an operation. */
export interface Node {
  /** Counts up, so that a node's inputs always have smaller ids: a topological order. */
  readonly id: number;
  readonly op: Op<unknown>;
  readonly inputs: readonly Tensor[];
  readonly attributes: unknown;
  readonly outputs: readonly Tensor[];
}

/**
 * A value of a computation that has been recorded, not run: output `index` of `node`. Operations are functions over
 * tensors (`add`, `matmul` …); values appear when a program is compiled and run, or when `evaluate` asks for them.
 */
export class Tensor implements TensorType {
  readonly node: Node;
  readonly index: number;
  readonly dtype: DType;
  readonly shape: Shape;

  constructor(node: Node, index: number, type: TensorType) {
    this.node = node;
    this.index = index;
    this.dtype = type.dtype;
    this.shape = type.shape;
  }

  get rank(): number {
    return this.shape.length;
  }

  toString(): string {
    return `${this.node.op.name}:${this.dtype}${formatShape(this.shape)}`;
  }
}

let nextId = 0;

/** Records a node; the op's `infer` says what comes out, or why the inputs do not fit. */
export function record<A>(op: Op<A>, inputs: readonly Tensor[], attributes: A): readonly Tensor[] {
  const types = op.infer(inputs, attributes);
  const outputs: Tensor[] = [];
  const node: Node = { id: nextId++, op: op as Op<unknown>, inputs, attributes, outputs };
  types.forEach((type, index) => {
    outputs.push(new Tensor(node, index, type));
  });
  return outputs;
}

/** All nodes that the tensors depend on, inputs before users. */
export function nodesOf(tensors: Iterable<Tensor>): Node[] {
  const seen = new Set<Node>();
  const stack = [...tensors].map((tensor) => tensor.node);
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) stack.push(input.node);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** @throws {DTypeError} unless all element types are equal. */
export function sameDType(where: string, inputs: readonly TensorType[]): DType {
  const dtype = inputs[0]!.dtype;
  if (inputs.some((input) => input.dtype !== dtype)) {
    throw new DTypeError('element types differ', {
      where,
      expected: 'one element type',
      got: inputs.map((input) => input.dtype).join(', '),
      hint: 'Convert with cast().',
    });
  }
  return dtype;
}

/** @throws {DTypeError} unless the type is floating. */
export function requireFloating(where: string, type: TensorType): void {
  if (!isFloating(type.dtype)) {
    throw new DTypeError('needs a floating type', { where, expected: 'float32, float64 or float16', got: type.dtype });
  }
}
