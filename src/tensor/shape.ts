import { AthanorError } from '../util/errors.js';

/**
 * A dimension: a number, or a polynomial in named sizes that become known when a program runs (`dim('T')`, `T + 1`,
 * `2·B·T`).
 */
export type Dim = number | SymbolicDim;
export type Shape = readonly Dim[];

/** Shapes do not fit together. */
export class ShapeError extends AthanorError {}

/** A polynomial with integer coefficients; keys are monomials such as `B*T`, with the empty key for the constant. */
export class SymbolicDim {
  readonly terms: ReadonlyMap<string, number>;

  constructor(terms: ReadonlyMap<string, number>) {
    this.terms = terms;
  }

  toString(): string {
    const parts = [...this.terms].map(([monomial, factor]) =>
      monomial === '' ? `${factor}` : factor === 1 ? monomial : `${factor}*${monomial}`,
    );
    return parts.join('+');
  }
}

/** A size known only when the program runs. Programs may use one name in several inputs: the sizes must agree. */
export function dim(name: string): SymbolicDim {
  if (!/^[A-Za-z_]\w*$/.test(name)) throw new ShapeError(`"${name}" is not a name for a dimension`);
  return new SymbolicDim(new Map([[name, 1]]));
}

function termsOf(value: Dim): ReadonlyMap<string, number> {
  return typeof value === 'number' ? new Map(value === 0 ? [] : [['', value]]) : value.terms;
}

function normalize(terms: Map<string, number>): Dim {
  for (const [key, factor] of terms) if (factor === 0) terms.delete(key);
  if (terms.size === 0) return 0;
  if (terms.size === 1 && terms.has('')) return terms.get('')!;
  return new SymbolicDim(new Map([...terms].sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1))));
}

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  const sum = new Map(termsOf(a));
  for (const [key, factor] of termsOf(b)) sum.set(key, (sum.get(key) ?? 0) + factor);
  return normalize(sum);
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const product = new Map<string, number>();
  for (const [keyA, factorA] of termsOf(a)) {
    for (const [keyB, factorB] of termsOf(b)) {
      const key = [...keyA.split('*'), ...keyB.split('*')]
        .filter((name) => name !== '')
        .sort()
        .join('*');
      product.set(key, (product.get(key) ?? 0) + factorA * factorB);
    }
  }
  return normalize(product);
}

/** `a / b` where it divides evenly term by term (a monomial divisor), else undefined. */
export function divideDims(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === 'number' && typeof b === 'number') return b !== 0 && a % b === 0 ? a / b : undefined;
  if (equalDims(a, b)) return 1;
  const divisor = [...termsOf(b)];
  if (divisor.length !== 1) return undefined;
  const [divisorKey, divisorFactor] = divisor[0]!;
  const quotient = new Map<string, number>();
  for (const [key, factor] of termsOf(a)) {
    if (factor % divisorFactor !== 0) return undefined;
    const names = key.split('*').filter((name) => name !== '');
    for (const name of divisorKey.split('*').filter((part) => part !== '')) {
      const at = names.indexOf(name);
      if (at < 0) return undefined;
      names.splice(at, 1);
    }
    quotient.set(names.join('*'), factor / divisorFactor);
  }
  return normalize(quotient);
}

export function equalDims(a: Dim, b: Dim): boolean {
  return typeof a === 'number' || typeof b === 'number' ? a === b : a.toString() === b.toString();
}

export function equalShapes(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => equalDims(size, b[i]!));
}

/** Number of elements. */
export function sizeOf(shape: Shape): Dim {
  return shape.reduce(multiplyDims, 1);
}

/** Number of elements of a shape that must be known. */
export function staticSize(shape: Shape): number {
  return staticShape(shape).reduce((product, size) => product * size, 1);
}

/** The shape as numbers. @throws {ShapeError} if a dimension is symbolic. */
export function staticShape(shape: Shape): readonly number[] {
  for (const size of shape) {
    if (typeof size !== 'number') {
      throw new ShapeError('the shape must be known here', { got: formatShape(shape) });
    }
  }
  return shape as readonly number[];
}

/** The value of a dimension once its names are bound. */
export function evaluateDim(value: Dim, bindings: ReadonlyMap<string, number>): number {
  if (typeof value === 'number') return value;
  let total = 0;
  for (const [monomial, factor] of value.terms) {
    let product = factor;
    for (const name of monomial.split('*')) {
      if (name === '') continue;
      const bound = bindings.get(name);
      if (bound === undefined) throw new ShapeError(`the dimension ${name} is not bound by any input`);
      product *= bound;
    }
    total += product;
  }
  return total;
}

export function evaluateShape(shape: Shape, bindings: ReadonlyMap<string, number>): number[] {
  return shape.map((size) => evaluateDim(size, bindings));
}

/** NumPy's rule: align at the right, sizes equal or 1. */
export function broadcastShapes(a: Shape, b: Shape, where: string): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    if (left === 1) return right;
    if (right === 1 || equalDims(left, right)) return left;
    throw new ShapeError('shapes do not broadcast', {
      where,
      expected: 'sizes that are equal, or 1, from the right',
      got: `${formatShape(a)} and ${formatShape(b)}`,
    });
  });
}

/** The axis counted from the front. */
export function normalizeAxis(axis: number, rank: number, where: string): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) {
    throw new ShapeError('no such axis', { where, expected: `an integer in [${-rank}, ${rank})`, got: `${axis}` });
  }
  return normalized;
}

export function formatShape(shape: Shape): string {
  return `[${shape.map(String).join(', ')}]`;
}

/** Elements to step over to move by one along each axis, row-major. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}
