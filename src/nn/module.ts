import { type HostArray, isHostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import { Parameter } from './parameter.js';

/**
 * A part of a model: its fields are parameters, other modules, and one readonly `config`; `forward` is a plain method
 * that records tensors. Classes are final; there is nothing to inherit but the walk over the fields.
 */
export abstract class Module {
  /** Every parameter below, with the path of fields that leads to it: `layers.0.attention.q.weight`. */
  *namedParameters(prefix = ''): Generator<[string, Parameter]> {
    for (const [field, value] of Object.entries(this)) {
      const path = prefix === '' ? field : `${prefix}.${field}`;
      if (value instanceof Parameter) yield [path, value];
      else if (value instanceof Module) yield* value.namedParameters(path);
      else if (Array.isArray(value)) {
        for (const [i, item] of value.entries()) {
          if (item instanceof Parameter) yield [`${path}.${i}`, item];
          else if (item instanceof Module) yield* item.namedParameters(`${path}.${i}`);
        }
      }
    }
  }

  /** Parameters, each once, though it may be reached by two paths (a tied head). */
  parameters(): Parameter[] {
    return [...new Set([...this.namedParameters()].map(([, parameter]) => parameter))];
  }

  trainableParameters(): Parameter[] {
    return this.parameters().filter((parameter) => parameter.trainable);
  }

  /** Number of weights. */
  get size(): number {
    return this.parameters().reduce((total, { size }) => total + size, 0);
  }
}

/**
 * Gives every parameter its name, the first path that leads to it, and its first value; the same seed gives the same
 * weights.
 */
export function initialize<M extends Module>(module: M, seed: number): M {
  const seen = new Set<Parameter>();
  for (const [path, parameter] of module.namedParameters()) {
    if (seen.has(parameter)) continue;
    seen.add(parameter);
    parameter.name = path;
    parameter.initializer(weightsOf(parameter), seed, path);
  }
  return module;
}

/** The weights in memory. @throws {InputError} if they live on another device. */
export function weightsOf(parameter: Parameter): Float32Array {
  const { value } = parameter;
  if (!isHostArray(value)) throw new InputError('the weights are not in memory', { where: parameter.name });
  return (value as HostArray).data as Float32Array;
}
