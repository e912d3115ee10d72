import type { z } from 'zod';
import { InputError, messageOf } from './errors.js';
import { readText } from './files.js';
import { type Json, parseJson } from './json.js';
import { nearestName } from './nearest.js';

// Only types come from zod here, and yaml is loaded when a file is read: a command that needs neither starts at once.

type Schema = z.core.$ZodType;
type Path = readonly PropertyKey[];

const LONGEST_SHOWN = 80;

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const pathText = (path: Path): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('');

const place = (where: string, path: Path): string => (path.length === 0 ? where : `${where}: ${pathText(path)}`);

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const part of path) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}

/** The schema inside wrappers that accept the same keys: optional, default, nullable, read-only, pipes … */
function unwrap(schema: Schema): Schema {
  let inner = schema;
  for (;;) {
    const def = (inner as z.core.$ZodTypes)._zod.def;
    if ('innerType' in def) inner = def.innerType;
    else if (def.type === 'pipe') inner = def.in;
    else if (def.type === 'lazy') inner = def.getter();
    else return inner;
  }
}

/** Throws at the first key, in depth, that the schema does not have. */
function refuseUnknownKeys(schema: Schema, value: unknown, where: string, path: Path): void {
  const def = (unwrap(schema) as z.core.$ZodTypes)._zod.def;
  if (def.type === 'object' && isObject(value)) {
    const known = Object.keys(def.shape);
    const open = def.catchall !== undefined && def.catchall._zod.def.type !== 'never';
    for (const [key, item] of Object.entries(value)) {
      if (known.includes(key)) refuseUnknownKeys(def.shape[key]!, item, where, [...path, key]);
      else if (!open) {
        const nearest = nearestName(key, known);
        throw new InputError(`unknown key ${shown(key)}`, {
          where: place(where, path),
          expected: known.length === 0 ? 'no keys' : `one of ${known.join(', ')}`,
          ...(nearest === undefined ? {} : { hint: `Did you mean ${pathText([...path, nearest])}?` }),
        });
      }
    }
  } else if (def.type === 'array' && Array.isArray(value)) {
    for (const [i, item] of value.entries()) refuseUnknownKeys(def.element, item, where, [...path, i]);
  } else if (def.type === 'record' && isObject(value)) {
    for (const [key, item] of Object.entries(value)) refuseUnknownKeys(def.valueType, item, where, [...path, key]);
  } else if (def.type === 'union' && 'discriminator' in def && isObject(value)) {
    const tag = String(def.discriminator);
    const option = def.options.find((candidate) => candidate._zod.propValues?.[tag]?.has(value[tag] as string));
    if (option !== undefined) refuseUnknownKeys(option, value, where, path);
  }
}

/** What an issue of zod says was expected, in words. */
function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int' ? 'a whole number' : `${issue.expected}`;
    case 'too_small':
      return `${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_value':
      return issue.values.map((value) => shown(value)).join(' or ');
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    default:
      return issue.message;
  }
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' || origin === 'set' ? ' items' : '';
}

/**
 * Checks a value from outside (a recipe, flags, a request) against a zod schema and returns it with its defaults.
 * A key that the schema does not have is an error whether or not its objects are strict.
 *
 * @param where what the value was read from; every message begins with it
 * @throws {InputError} naming the key, what was expected there, what came, and the nearest valid key
 */
export function parseConfig<S extends Schema>(schema: S, value: unknown, where: string): z.output<S> {
  refuseUnknownKeys(schema, value, where, []);
  const result = (schema as unknown as z.ZodType).safeParse(value);
  if (result.success) return result.data as z.output<S>;
  const [first, ...others] = result.error.issues.map((issue) => ({
    where: place(where, issue.path),
    expected: expectation(issue),
    got: shown(valueAt(value, issue.path)),
  }));
  throw new InputError('not a valid value', {
    ...first,
    ...(others.length === 0
      ? {}
      : { hint: others.map((other) => `${other.where}: expected ${other.expected}, got ${other.got}`).join('\n  ') }),
  });
}

/** Sets `a.b.c=value` in a tree of objects. The value is read as YAML, so `3e-4`, `true` and `[1, 2]` mean what they say. */
function override(recipe: Record<string, unknown>, text: string, parseYaml: (text: string) => unknown): void {
  const where = `override ${text}`;
  const equals = text.indexOf('=');
  const keys = text.slice(0, equals).split('.');
  if (equals < 1 || keys.includes('') || keys.includes('__proto__')) {
    throw new InputError('not an override', { where, expected: 'key.of.the.recipe=value', got: text });
  }
  let at = recipe;
  for (const [i, key] of keys.slice(0, -1).entries()) {
    if (!Object.hasOwn(at, key)) at[key] = {};
    const next = at[key];
    if (!isObject(next)) {
      throw new InputError(`${keys.slice(0, i + 1).join('.')} has no keys`, { where, got: shown(next) });
    }
    at = next;
  }
  try {
    at[keys.at(-1)!] = parseYaml(text.slice(equals + 1));
  } catch (error) {
    throw new InputError(`the value cannot be read (${messageOf(error).split('\n')[0]})`, { where, cause: error });
  }
}

/**
 * Reads a recipe: a YAML or JSON file (or none), with overrides such as `train.learningRate=3e-4` put over it in order,
 * checked against a schema that fills in the defaults.
 *
 * @throws {InputError} as {@link parseConfig} does, and for a file that cannot be read or is not an object
 */
export async function loadRecipe<S extends Schema>(
  file: string | undefined,
  overrides: readonly string[],
  schema: S,
  where: string = file ?? 'recipe',
): Promise<z.output<S>> {
  const yaml = await import('yaml');
  let recipe: unknown = {};
  if (file !== undefined) {
    const text = readText(file);
    recipe = file.endsWith('.json') ? (parseJson(text, file) as Json) : parseYamlFile(yaml, text, file);
  }
  if (!isObject(recipe))
    throw new InputError('not a recipe', { where, expected: 'keys and values', got: shown(recipe) });
  for (const text of overrides) override(recipe, text, (value) => yaml.parse(value));
  return parseConfig(schema, recipe, where);
}

function parseYamlFile(yaml: typeof import('yaml'), text: string, file: string): unknown {
  try {
    const value: unknown = yaml.parse(text, { logLevel: 'error' }) ?? {};
    // A value that holds itself, through an alias, or that lies too deep cannot be walked through.
    JSON.stringify(value);
    return value;
  } catch (error) {
    const line = error instanceof yaml.YAMLParseError ? error.linePos?.[0].line : undefined;
    const reason = messageOf(error)
      .split('\n')[0]!
      .replace(/ at line \d+, column \d+:?$/, '');
    throw new InputError(`not valid YAML (${reason})`, {
      where: line === undefined ? file : `${file}:${line}`,
      cause: error,
    });
  }
}
