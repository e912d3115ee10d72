import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';

/** The content of a `config.json` or `generation_config.json`. */
export type JsonConfig = { readonly [key: string]: Json };

/**
 * A configuration with the library's general names (`hidden_size`) turned into a type's own (`n_embd`). It lets either
 * say the same; where a file has both, the general one counts.
 */
export function withOwnNames(config: JsonConfig, names: Readonly<Record<string, string>>): JsonConfig {
  const own: { [key: string]: Json } = { ...config };
  for (const [general, name] of Object.entries(names)) {
    const value = Object.hasOwn(config, general) ? config[general] : undefined;
    if (value !== undefined && value !== null) own[name] = value;
  }
  return own;
}

function shown(value: Json | undefined): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/**
 * Reads the fields of a configuration that a stranger wrote, and refuses what is not usable with the file, the key,
 * what was expected and what came. `null` counts as absent, as it does for the libraries that write these files.
 */
export class ConfigFields {
  readonly config: JsonConfig;
  /** The file's name. */
  readonly where: string;

  constructor(config: JsonConfig, where: string) {
    this.config = config;
    this.where = where;
  }

  get(key: string): Json | undefined {
    return Object.hasOwn(this.config, key) ? (this.config[key] ?? undefined) : undefined;
  }

  /** An error about one key. */
  fault(key: string, expected: string, hint?: string): InputError {
    return new InputError('not a usable value', {
      where: `${this.where}: ${key}`,
      expected,
      got: shown(this.get(key)),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** A whole number within bounds; `fallback` where it is absent. @throws {InputError} */
  whole(key: string, [low, high]: readonly [number, number], fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= low && value <= high) return value;
    throw this.fault(key, `a whole number from ${low} to ${high}`);
  }

  /** A finite number above 0 and up to `high`; `fallback` where it is absent. @throws {InputError} */
  positive(key: string, high: number, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === 'number' && value > 0 && value <= high) return value;
    throw this.fault(key, `a number above 0, up to ${high}`);
  }

  /** @throws {InputError} */
  flag(key: string, fallback: boolean): boolean {
    const value = this.get(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.fault(key, 'true or false');
  }

  /**
   * Refuses a feature that would change what the model computes and that nothing here obeys.
   *
   * @param allowed values under which the feature is off; absent always is.
   * @throws {InputError} naming the feature.
   */
  unsupported(key: string, allowed: readonly Json[]): void {
    const value = this.get(key);
    if (value === undefined || allowed.includes(value)) return;
    throw new InputError(`${key} is not supported`, {
      where: `${this.where}: ${key}`,
      expected: ['nothing', ...allowed.map(shown)].join(' or '),
      got: shown(value),
      hint: 'The model would compute something else without it, so it is not loaded.',
    });
  }
}
