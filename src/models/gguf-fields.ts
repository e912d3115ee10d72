import type { GgufMetadata } from '../gguf/field.js';
import { InputError } from '../util/errors.js';

/**
 * Reads what the metadata of a stranger's file says of a model. Keys are those behind the architecture's name:
 * `block_count` stands for `llama.block_count`.
 */
export class GgufFields {
  readonly metadata: GgufMetadata;
  /** The file's name. */
  readonly where: string;
  readonly architecture: string;

  constructor(metadata: GgufMetadata, where: string, architecture: string) {
    this.metadata = metadata;
    this.where = where;
    this.architecture = architecture;
  }

  /** A value; one that is given for every layer, and is the same for all, as that value. */
  get(key: string): unknown {
    const field = this.metadata.get(`${this.architecture}.${key}`);
    if (field === undefined || field.type !== 'array') return field?.value;
    const [first] = field.value;
    const isOne = first !== undefined && Array.prototype.every.call(field.value, (value) => value === first);
    return isOne ? first : field.value;
  }

  /** An error about one key. */
  fault(key: string, expected: string, hint?: string): InputError {
    const value = this.get(key);
    const got = value === undefined ? 'nothing' : typeof value === 'object' ? 'an array' : String(value);
    return new InputError('not a usable value', {
      where: `${this.where}: ${this.architecture}.${key}`,
      expected,
      got: got.slice(0, 80),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** A whole number within bounds; `fallback` where it is absent. @throws {InputError} */
  whole(key: string, [low, high]: readonly [number, number], fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= low && value <= high) return value;
    throw this.fault(key, `a whole number from ${low} to ${high}`);
  }

  /** A finite number above 0; `fallback` where it is absent. @throws {InputError} */
  positive(key: string, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return shortestFloat32(value);
    throw this.fault(key, 'a number above 0');
  }

  /** @throws {InputError} if it is there and no text. */
  text(key: string): string | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.fault(key, 'a text');
  }

  /**
   * Refuses a feature that would change what the model computes and that nothing here obeys.
   *
   * @param allowed values under which the feature is off; absent always is.
   * @throws {InputError} naming the feature.
   */
  unsupported(key: string, allowed: readonly unknown[]): void {
    const value = this.get(key);
    if (value === undefined || allowed.includes(value)) return;
    throw new InputError('this feature is not supported', {
      where: `${this.where}: ${this.architecture}.${key}`,
      expected: ['nothing', ...allowed.map(String)].join(' or '),
      got: String(value).slice(0, 80),
      hint: 'The model would compute something else without it, so it is not loaded.',
    });
  }
}

/** The shortest decimal number that float32 rounds to the same value: 1e-5 for the float32 9.99999974…e-6. */
export function shortestFloat32(value: number): number {
  if (Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
