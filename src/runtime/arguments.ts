import { evaluateDim, formatShape, type Shape, ShapeError, SymbolicDim } from '../tensor/shape.js';
import type { ArrayValue } from '../tensor/variable.js';

/** One array that a program is called with. */
export interface Argument {
  readonly path: string;
  /** What the program was compiled for; sizes may be symbolic. */
  readonly shape: Shape;
  readonly value: ArrayValue | undefined;
}

/** @throws {ShapeError} unless all arguments fit, and agree on the sizes that they share by name. */
export function checkArguments(list: readonly Argument[]): void {
  const sizes = new Map<string, number>();
  const sources = new Map<string, string>();
  for (const { path, shape, value } of list) {
    if (value === undefined || value.shape.length !== shape.length) throw misfit(path, shape, value);
    for (let axis = 0; axis < shape.length; axis++) {
      const size = shape[axis]!;
      if (!(size instanceof SymbolicDim) || sizes.has(size.toString())) continue;
      sizes.set(size.toString(), value.shape[axis]!);
      sources.set(size.toString(), `${path} ${formatShape(value.shape)}`);
    }
  }
  for (const { path, shape, value } of list) {
    for (let axis = 0; axis < shape.length; axis++) {
      const size = shape[axis]!;
      const got = value!.shape[axis]!;
      if (typeof size === 'number') {
        if (size !== got) throw misfit(path, shape, value);
      } else if (sizes.get(size.toString()) !== got || !fitsFormula(size, sizes, got)) {
        const first = sources.get(size.toString());
        throw misfit(path, shape, value, `${size} is the size that it has in argument ${first}.`);
      }
    }
  }
}

/** Whether a sum or product of names has the size that they give, as far as they are known. */
function fitsFormula(size: SymbolicDim, sizes: ReadonlyMap<string, number>, got: number): boolean {
  const names = [...size.terms.keys()].flatMap((monomial) => monomial.split('*')).filter((name) => name !== '');
  return names.some((name) => !sizes.has(name)) || evaluateDim(size, sizes) === got;
}

function misfit(path: string, shape: Shape, value: ArrayValue | undefined, hint?: string): ShapeError {
  return new ShapeError('the argument does not fit the program', {
    where: `argument ${path}`,
    expected: formatShape(shape),
    got: value === undefined ? 'nothing' : formatShape(value.shape),
    ...(hint === undefined ? {} : { hint }),
  });
}
