import type { Module } from '../nn/module.js';
import type { QuantizedWeight } from '../nn/quantized-weight.js';
import { InputError } from '../util/errors.js';
import type { TensorPlace } from './architecture.js';
import { packerOf, type WeightBits } from './quantize.js';

/** Where weights come from: tensors by name, read one at a time. */
export interface WeightSource {
  /** The file or folder, for errors. */
  readonly where: string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readFloat32(name: string): Float32Array;
  /** A matrix as the file packs it, where it does. */
  packed?(name: string): QuantizedWeight | undefined;
  close(): void;
}

export interface FillOptions {
  /** Leave packed matrices packed: they take less memory and are read faster, and are frozen. Default false. */
  readonly packed?: boolean | undefined;
  /** Pack the other matrices as they are read, into so many bits (see `quantizeModel`). */
  readonly bits?: WeightBits | undefined;
}

/** What the names in a file mean. */
export interface Naming {
  /** The name in the architecture's table. */
  alias(name: string): string;
  /** Whether a tensor, by that name, may be there and is not needed. */
  isRedundant(name: string): boolean;
}

/** Every name stands for itself, and no tensor is too many. */
const PLAIN: Naming = { alias: (name) => name, isRedundant: () => false };

/** The shape of the whole tensor in the file that a place is, or is part of. */
export function fileShape({ shape, rows, transposed }: TensorPlace): readonly number[] {
  const whole = [rows?.of ?? shape[0]!, ...shape.slice(1)];
  return transposed ? whole.toReversed() : whole;
}

/** The names in a source by the names of the architecture's table. @throws {InputError} if two are the same tensor. */
function standardNames(source: WeightSource, { alias, isRedundant }: Naming): Map<string, string> {
  const names = new Map<string, string>();
  for (const name of source.shapes.keys()) {
    const standard = alias(name);
    if (isRedundant(standard) || isRedundant(name)) continue;
    const other = names.get(standard);
    if (other !== undefined) {
      throw new InputError('a tensor is there under two names', { where: source.where, got: `${other} and ${name}` });
    }
    names.set(standard, name);
  }
  return names;
}

/**
 * Holds names and shapes against what a model needs, before anything is read.
 *
 * @throws {InputError} listing what is missing and what is not expected, or naming the tensor whose shape differs.
 */
export function checkWeights(source: WeightSource, places: readonly TensorPlace[], naming: Naming = PLAIN): void {
  const { where } = source;
  const hint = 'Do config.json and the weights belong to the same model?';
  const names = standardNames(source, naming);
  const wanted = new Set(places.map(({ name }) => name));
  const missing = [...wanted].filter((name) => !names.has(name));
  const unexpected = [...names].filter(([name]) => !wanted.has(name)).map(([, name]) => name);
  if (missing.length > 0 || unexpected.length > 0) {
    throw new InputError('the tensors of the weights are not those of the configuration', {
      where,
      expected: `${wanted.size} tensors${listed(', missing', missing)}`,
      got: `${source.shapes.size} tensors${listed(', not expected', unexpected)}`,
      hint,
    });
  }
  for (const place of places) {
    const name = names.get(place.name)!;
    const [expected, found] = [fileShape(place), source.shapes.get(name)!];
    if (found.join() === expected.join()) continue;
    throw new InputError(`tensor '${name}' has another shape than the configuration says`, {
      where,
      expected: `[${expected.join(', ')}]`,
      got: `[${found.join(', ')}]`,
      hint,
    });
  }
}

/** Gives a model its weights as float32 (unless they stay packed), tensor by tensor. To be called after `checkWeights`. */
export function fillWeights(
  model: Module,
  source: WeightSource,
  places: readonly TensorPlace[],
  naming: Naming = PLAIN,
  { packed = false, bits }: FillOptions = {},
): void {
  const names = standardNames(source, naming);
  const parameters = new Map(model.namedParameters());
  const pack = bits === undefined ? undefined : packerOf(model, bits);
  let last: { readonly name: string; readonly data: Float32Array } | undefined;
  for (const place of places) {
    const parameter = parameters.get(place.path)!;
    parameter.name = place.path;
    const weight = packed && !place.rows && !place.transposed ? source.packed?.(names.get(place.name)!) : undefined;
    if (weight !== undefined) {
      parameter.quantize(weight);
      continue;
    }
    // Parts of one tensor follow each other: it is read once.
    if (last?.name !== place.name) last = { name: place.name, data: source.readFloat32(names.get(place.name)!) };
    const data = partOf(last.data, place);
    // An array that was read whole becomes the parameter's own.
    parameter.value = { dtype: 'float32', shape: place.shape, data } as never;
    pack?.(parameter);
  }
}

/** A parameter's elements out of the file's tensor. */
export function partOf(whole: Float32Array, { shape, rows, transposed }: TensorPlace): Float32Array {
  const [outputs, inputs = 1] = shape as readonly [number, number?];
  const { at, of } = rows ?? { at: 0, of: outputs };
  if (!transposed) return rows ? whole.slice(at * inputs, (at + outputs) * inputs) : whole;
  const part = new Float32Array(outputs * inputs);
  for (let column = 0; column < inputs; column++) {
    for (let row = 0; row < outputs; row++) part[row * inputs + column] = whole[column * of + at + row]!;
  }
  return part;
}

/** Enters a parameter's elements into the file's tensor: the reverse of `partOf`. */
export function enterPart(whole: Float32Array, part: Float32Array, { shape, rows, transposed }: TensorPlace): void {
  const [outputs, inputs = 1] = shape as readonly [number, number?];
  const { at, of } = rows ?? { at: 0, of: outputs };
  if (!transposed) {
    whole.set(part, at * inputs);
    return;
  }
  for (let row = 0; row < outputs; row++) {
    for (let column = 0; column < inputs; column++) whole[column * of + at + row] = part[row * inputs + column]!;
  }
}

function listed(label: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const shown = names.slice(0, 6).join(', ');
  return `${label}: ${shown}${names.length > 6 ? ` … (${names.length})` : ''}`;
}
