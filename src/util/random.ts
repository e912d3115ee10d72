/**
 * Counter-based random numbers: Philox 4x32 with 10 rounds (Salmon et al., "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011). Word `i` of a stream depends on the key and on `i` alone, so any worker can produce any part of
 * it in any order, and a run resumes from a seed and a position.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/**
 * One Philox 4x32-10 block, written to `out[offset..offset+4)`.
 * @param key two 32-bit words; @param counter four 32-bit words.
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
  offset = 0,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    const next0 = (high1 ^ c1 ^ k0) >>> 0;
    const next2 = (high0 ^ c3 ^ k1) >>> 0;
    c0 = next0;
    c1 = low1;
    c2 = next2;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[offset] = c0;
  out[offset + 1] = c1;
  out[offset + 2] = c2;
  out[offset + 3] = c3;
}

/** A 32-bit hash of a text (FNV-1a), to turn names into streams. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ (text.charCodeAt(i) & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (text.charCodeAt(i) >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * A stream of random numbers named by `(seed, stream)`. `position` counts the 32-bit words drawn so far; setting it
 * moves the stream there, which is how a run resumes.
 */
export class Random {
  readonly seed: number;
  readonly stream: number;
  position: number;
  private readonly block = new Uint32Array(4);
  private blockIndex = -1;

  constructor(seed: number, stream: number | string = 0, position = 0) {
    this.seed = seed >>> 0;
    this.stream = typeof stream === 'string' ? hashText(stream) : stream >>> 0;
    this.position = position;
  }

  /** The next unsigned 32-bit word. */
  uint32(): number {
    const index = Math.floor(this.position / 4);
    if (index !== this.blockIndex) {
      philox4x32([index >>> 0, Math.floor(index / 2 ** 32) >>> 0, 0, 0], [this.seed, this.stream], this.block);
      this.blockIndex = index;
    }
    return this.block[this.position++ % 4]!;
  }

  /** Uniform in [0, 1), 24 bits, exactly representable in float32. */
  uniform(): number {
    return (this.uint32() >>> 8) * 2 ** -24;
  }

  /** Standard normal, by Box and Muller; two words a number. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 0.5) * 2 ** -32));
    return radius * Math.cos(2 * Math.PI * this.uint32() * 2 ** -32);
  }

  /** Uniform integer in [0, bound), for bound up to 2^32. */
  integer(bound: number): number {
    return Math.floor((this.uint32() * bound) / 2 ** 32);
  }

  /** One of the items, each as likely. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)]!;
  }

  /** Fisher and Yates, in place; returns its argument. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
    return items;
  }
}
