import type { Module } from '../nn/module.js';
import { InputError } from '../util/errors.js';
import type { Architecture } from './architecture.js';
import { bertArchitecture } from './bert-hf.js';
import type { JsonConfig } from './config-fields.js';
import { gpt2Architecture } from './gpt2-hf.js';
import { llamaArchitectures } from './llama-hf.js';
import { mt5Architecture, t5Architecture } from './t5-hf.js';
import { checkWeights, type FillOptions, fillWeights, type Naming, type WeightSource } from './weight-places.js';

type AnyArchitecture = Architecture<Module & { readonly config: never }>;

/** Every type of model, a line each. */
const ARCHITECTURES: readonly AnyArchitecture[] = [
  gpt2Architecture,
  ...llamaArchitectures,
  bertArchitecture,
  t5Architecture,
  mt5Architecture,
] as unknown as AnyArchitecture[];

/** What an architecture is, with its types forgotten: its functions fit each other and nothing else. */
export type ArchitectureRecord = Architecture<Module & { readonly config: unknown }>;

/** The architecture of a `config.json`. @throws {InputError} if it is not built. */
export function architectureOf(config: JsonConfig, where: string): ArchitectureRecord {
  const found = ARCHITECTURES.find(({ modelType }) => modelType === config.model_type);
  if (found) return found as unknown as ArchitectureRecord;
  throw new InputError('this type of model is not supported', {
    where: `${where}: model_type`,
    expected: ARCHITECTURES.map(({ modelType }) => modelType).join(', '),
    got: JSON.stringify(config.model_type ?? 'nothing').slice(0, 80),
  });
}

/** The architecture that a model is written as. @throws {InputError} if no file format is known for it. */
export function architectureFor(model: Module): ArchitectureRecord {
  const found = ARCHITECTURES.find((architecture) => architecture.writes(model));
  if (found) return found as unknown as ArchitectureRecord;
  throw new InputError('this model has no form as files', { where: model.constructor.name });
}

/** How an architecture reads the names in a file. */
export function namingOf({ alias, isRedundant }: ArchitectureRecord, config: unknown): Naming {
  return { alias: (name) => alias?.(name, config) ?? name, isRedundant: (name) => isRedundant(name, config) };
}

/**
 * A model with the weights of a source.
 *
 * @param config as the architecture's `fromConfig` gave it.
 * @throws {InputError} if tensors are missing, too many or of other shapes; before memory is taken.
 */
export function modelFrom(
  architecture: ArchitectureRecord,
  config: unknown,
  source: WeightSource,
  options: FillOptions = {},
): Module & { readonly config: unknown } {
  const { alias } = namingOf(architecture, config);
  const held = new Set([...source.shapes.keys()].map(alias));
  const fitted = withOwnHead(architecture, architecture.fitted?.(config, held) ?? config, source);
  const naming = namingOf(architecture, fitted);
  const places = architecture.names(fitted);
  checkWeights(source, places, naming);
  const model = architecture.create(fitted);
  fillWeights(model, source, places, naming, options);
  return model;
}

/**
 * A configuration whose head is said to be the table of words, where the source holds a head with other numbers: that one
 * counts, as it does for the library. (Trainers untie a head and leave the old `config.json`.)
 */
function withOwnHead(architecture: ArchitectureRecord, config: unknown, source: WeightSource): unknown {
  if ((config as { readonly tiedHead?: boolean }).tiedHead !== true) return config;
  const apart = { ...(config as object), tiedHead: false };
  const places = architecture.names(config);
  const table = places.find(({ path }) => path === 'embedding.weight')?.name;
  const known = new Set(places.map(({ name }) => name));
  const head = architecture.names(apart).find(({ name, shape }) => !known.has(name) && shape.length === 2)?.name;
  const { alias } = namingOf(architecture, config);
  const inFile = (wanted: string | undefined): string | undefined =>
    [...source.shapes.keys()].find((name) => alias(name) === wanted);
  const [tableName, headName] = [inFile(table), inFile(head)];
  if (tableName === undefined || headName === undefined) return config;
  if (source.shapes.get(tableName)!.join() !== source.shapes.get(headName)!.join()) return config;
  const [left, right] = [source.readFloat32(tableName), source.readFloat32(headName)].map(
    ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength),
  ) as [Buffer, Buffer];
  return left.equals(right) ? config : apart;
}
