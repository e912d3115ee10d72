import { type DType, isFloating, type TypedArray, toNumbers } from './dtype.js';
import { defineSingleOutputOp } from './op.js';
import { type Shape, ShapeError, staticSize } from './shape.js';
import type { Tensor } from './tensor.js';

/** An array that lives somewhere: in this process's memory, or on a device that `runtime` knows. */
export interface ArrayValue {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** An array in this process's memory. */
export interface HostArray extends ArrayValue {
  readonly data: TypedArray;
}

export function isHostArray(value: ArrayValue): value is HostArray {
  return 'data' in value && ArrayBuffer.isView(value.data);
}

const variableOp = defineSingleOutputOp<{ readonly variable: Variable }>({
  name: 'variable',
  infer: (_, { variable }) => [{ dtype: variable.dtype, shape: variable.shape }],
});

/**
 * A named array that outlives programs: a weight, a moment of the optimizer, a key-value cache. A program that uses
 * `variable.tensor` takes the current value as an input; a program that updates it leaves the new value here. Nothing
 * is compiled again when the value changes, and all programs share the one value.
 */
export class Variable {
  /** For messages and graphs; modules set it to the path that leads to it. */
  name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The placeholder to compute with. */
  readonly tensor: Tensor;
  /** It never changes: programs take its value in when they are compiled, in whatever order suits the device. */
  readonly constant: boolean;
  #value: ArrayValue;

  constructor(name: string, value: ArrayValue, { constant = false }: { readonly constant?: boolean } = {}) {
    this.name = name;
    this.constant = constant;
    this.dtype = value.dtype;
    this.shape = value.shape;
    this.#value = value;
    this.tensor = variableOp([], { variable: this });
  }

  get value(): ArrayValue {
    return this.#value;
  }

  /** @throws {ShapeError} if type or shape differ. */
  set value(next: ArrayValue) {
    if (next.dtype !== this.dtype || next.shape.join() !== this.shape.join()) {
      throw new ShapeError('the new value does not fit', {
        where: `variable ${this.name}`,
        expected: `${this.dtype} [${this.shape.join(', ')}]`,
        got: `${next.dtype} [${next.shape.join(', ')}]`,
      });
    }
    this.#value = next;
  }

  get size(): number {
    return staticSize(this.shape);
  }

  get isFloating(): boolean {
    return isFloating(this.dtype);
  }
}

/** The variable that a tensor is the placeholder of, if it is one. */
export function variableOf(tensor: Tensor): Variable | undefined {
  const { op, attributes } = tensor.node;
  return op.name === 'variable' ? (attributes as { variable: Variable }).variable : undefined;
}

const inputOp = defineSingleOutputOp<{ readonly name: string; readonly dtype: DType; readonly shape: Shape }>({
  name: 'input',
  infer: (_, { dtype, shape }) => [{ dtype, shape }],
});

/** A placeholder for what a program is called with. */
export function input(name: string, dtype: DType, shape: Shape): Tensor {
  return inputOp([], { name, dtype, shape });
}

export function isInput(tensor: Tensor): boolean {
  return tensor.node.op.name === 'input';
}

/** The elements as numbers. */
export function numbersOf(array: HostArray): number[] {
  return Array.from(toNumbers(array.dtype, array.data));
}
