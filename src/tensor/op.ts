import type { DType, TypedArray } from './dtype.js';
import type { Shape } from './shape.js';
import { type Node, record, type Tensor, type TensorType } from './tensor.js';

/** A value of the reference interpreter: whatever the element type, its elements are float64 numbers. */
export interface ReferenceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type EmitAttribute = number | string | readonly number[] | { readonly float: number };

/** What a lowering rule may ask of the ONNX graph under construction. Values are named by strings. */
export interface Emitter {
  /**
   * The kind of device that the graph is for; some fused nodes exist on one only. `portable` keeps to the operators of
   * ONNX itself, which every tool knows.
   */
  readonly device: 'cpu' | 'webgpu' | 'portable';
  /** Adds a node and returns its outputs' names; domain '' is ONNX itself. An empty input name means "absent". */
  node(
    op: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, EmitAttribute>>,
    options?: { readonly domain?: string; readonly outputs?: number },
  ): string[];
  constant(dtype: DType, shape: readonly number[], data: TypedArray): string;
  /** An int64 vector. */
  ints(values: readonly number[]): string;
  /** A scalar of the type. */
  scalar(dtype: DType, value: number): string;
  /** A shape as an int64 vector; symbolic dimensions are computed from the inputs that carry them. */
  shape(shape: Shape): string;
}

/** What the generic test feeds to an op: shapes, types, and how to draw the elements. */
export interface Sample<A> {
  readonly inputs: readonly SampleInput[];
  readonly attributes: A;
  /** Largest difference allowed between the reference and ONNX Runtime in float32, relative to the magnitude. */
  readonly tolerance?: number;
}

export interface SampleInput {
  readonly shape: readonly number[];
  readonly dtype?: DType;
  /** Elements are uniform in [low, high); integers when the type is integer. Default [-2, 2). */
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly number[];
}

export interface Gradients<A> {
  /** The gradient of the loss by each output; undefined where nothing depends on that output. */
  readonly outputs: readonly (Tensor | undefined)[];
  readonly node: Node;
  readonly attributes: A;
}

/**
 * All that is known of an operation, in one record.
 *
 * A primitive has a `reference` (plain loops over float64) and, if it is differentiable, a `vjp`. A fused op has a
 * `decompose` into other ops instead: the interpreter runs that, gradients come from it where no `vjp` is given, and a
 * device that lacks the fused node gets it.
 */
export interface Op<A> {
  readonly name: string;
  /** Shape and type rule. @throws {ShapeError | DTypeError} with the op's name as the place. */
  infer(inputs: readonly TensorType[], attributes: A): readonly TensorType[];
  /**
   * Vector-Jacobian product: the gradients by the inputs, made of ops, undefined where there is none. Beside a
   * `decompose` it needs to know the first output's gradient alone.
   */
  readonly vjp?: (gradients: Gradients<A>) => readonly (Tensor | undefined)[];
  readonly reference?: (
    inputs: readonly ReferenceArray[],
    attributes: A,
    outputs: readonly { readonly dtype: DType; readonly shape: readonly number[] }[],
  ) => readonly Float64Array[];
  readonly decompose?: (inputs: readonly Tensor[], attributes: A) => readonly Tensor[];
  /** ONNX nodes for it; undefined means "not here, decompose". */
  readonly onnx?: (
    emit: Emitter,
    inputs: readonly string[],
    context: {
      readonly inputs: readonly TensorType[];
      readonly outputs: readonly TensorType[];
      readonly attributes: A;
    },
  ) => readonly string[] | undefined;
  /** True where the output may share memory with the first input (reshape); donation looks through such ops. */
  readonly isView?: boolean;
  /** True where output element i depends on element i of same-shaped inputs alone; donation may write in place. */
  readonly isElementwise?: boolean;
  readonly samples?: () => readonly Sample<A>[];
}

/** Every op that has been defined, by name: the generic test and the documentation walk it. */
export const opTable = new Map<string, Op<unknown>>();

/** Enters an op into the table and returns the function that applies it. */
export function defineOp<A>(op: Op<A>): (inputs: readonly Tensor[], attributes: A) => readonly Tensor[] {
  if (opTable.has(op.name)) throw new Error(`op ${op.name} is defined twice`);
  opTable.set(op.name, op as Op<unknown>);
  return (inputs, attributes) => record(op, inputs, attributes);
}

/** `defineOp` for an op with one output. */
export function defineSingleOutputOp<A>(op: Op<A>): (inputs: readonly Tensor[], attributes: A) => Tensor {
  const apply = defineOp(op);
  return (inputs, attributes) => apply(inputs, attributes)[0]!;
}
