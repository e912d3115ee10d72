/** A growing list of ids. */
export class IdList {
  private ids: Int32Array;
  private length = 0;

  constructor(capacity = 64) {
    this.ids = new Int32Array(capacity);
  }

  push(id: number): void {
    if (this.length === this.ids.length) this.grow(1);
    this.ids[this.length++] = id;
  }

  /** Adds `source[0..count)`. */
  append(source: Int32Array, count: number = source.length): void {
    if (this.length + count > this.ids.length) this.grow(count);
    for (let i = 0; i < count; i++) this.ids[this.length + i] = source[i]!;
    this.length += count;
  }

  toArray(): Int32Array {
    return this.ids.slice(0, this.length);
  }

  private grow(count: number): void {
    const larger = new Int32Array(Math.max(2 * this.ids.length, this.length + count));
    larger.set(this.ids.subarray(0, this.length));
    this.ids = larger;
  }
}

/** Text without lone surrogates: each becomes U+FFFD, as in every conversion to UTF-8. */
export function wellFormed(text: string): string {
  return (text as unknown as { toWellFormed(): string }).toWellFormed();
}

/**
 * A copy that shares no memory with the text it was cut from. V8 keeps a whole document alive for one slice of it,
 * so whatever is kept beyond the call must be copied.
 */
export function detach(slice: string): string {
  return Buffer.from(slice, 'utf8').toString('utf8');
}

/**
 * A bounded cache in two generations: when the young one is full it becomes the old one, and what is used again moves
 * back. What is asked for often stays, as with LRU, for the price of a Map look-up.
 */
export class GenerationCache<V> {
  private young = new Map<string, V>();
  private old = new Map<string, V>();
  private readonly capacity: number;

  /** @param capacity entries of each generation. */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get(key: string): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  /** The key is copied. */
  set(key: string, value: V): void {
    if (this.young.size >= this.capacity) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(detach(key), value);
  }
}
