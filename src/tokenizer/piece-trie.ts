import { InputError } from '../util/errors.js';
import { hashFactor } from './hash-factor.js';

const SPREAD_NODE = hashFactor();
const SPREAD_UNIT = hashFactor();
/** Sixteen times what the largest published vocabulary needs. */
const MOST_NODES = 1 << 26;

/**
 * A trie over sequences of small numbers (UTF-16 units, symbols), its edges in one hash table. Node 0 is the root; a
 * node that no sequence reaches is -1.
 */
export class PieceTrie {
  /** What was stored at each node, -1 for nothing. */
  values: Int32Array = new Int32Array(1024).fill(-1);
  private nodes = 1;
  private mask = 4095;
  private parents = new Int32Array(4096).fill(-1);
  private units = new Int32Array(4096);
  private children = new Int32Array(4096);
  /** The children of the root by unit: every search begins there. */
  private readonly first: Int32Array;

  /** @param unitCount units lie in `[0, unitCount)`. */
  constructor(unitCount: number) {
    this.first = new Int32Array(unitCount).fill(-1);
  }

  /** The child of a node, -1 if it has none for the unit. */
  child(node: number, unit: number): number {
    if (node === 0) return this.first[unit]!;
    const { parents, units, mask } = this;
    for (let slot = hash(node, unit) & mask; ; slot = (slot + 1) & mask) {
      const parent = parents[slot]!;
      if (parent < 0) return -1;
      if (parent === node && units[slot] === unit) return this.children[slot]!;
    }
  }

  /** Stores a value at `sequence[start..end)`; returns what was stored there before, -1 for nothing. */
  add(sequence: ArrayLike<number>, start: number, end: number, value: number): number {
    let node = 0;
    for (let i = start; i < end; i++) {
      const unit = sequence[i]!;
      let child = this.child(node, unit);
      if (child < 0) {
        child = this.newNode();
        if (node === 0) this.first[unit] = child;
        else this.link(node, unit, child);
      }
      node = child;
    }
    const before = this.values[node]!;
    this.values[node] = value;
    return before;
  }

  private newNode(): number {
    if (this.nodes === MOST_NODES) throw new InputError('the pieces are too many and too long');
    if (this.nodes === this.values.length) {
      const larger = new Int32Array(2 * this.nodes).fill(-1);
      larger.set(this.values);
      this.values = larger;
    }
    if (2 * this.nodes > this.mask) this.rehash();
    return this.nodes++;
  }

  private link(node: number, unit: number, child: number): void {
    const { parents, mask } = this;
    let slot = hash(node, unit) & mask;
    while (parents[slot]! >= 0) slot = (slot + 1) & mask;
    parents[slot] = node;
    this.units[slot] = unit;
    this.children[slot] = child;
  }

  private rehash(): void {
    const { parents, units, children } = this;
    const size = 2 * parents.length;
    this.mask = size - 1;
    this.parents = new Int32Array(size).fill(-1);
    this.units = new Int32Array(size);
    this.children = new Int32Array(size);
    for (let i = 0; i < parents.length; i++) {
      if (parents[i]! >= 0) this.link(parents[i]!, units[i]!, children[i]!);
    }
  }
}

function hash(node: number, unit: number): number {
  const mixed = Math.imul(node, SPREAD_NODE) ^ Math.imul(unit, SPREAD_UNIT);
  return mixed ^ (mixed >>> 15);
}

/** The UTF-16 units of a text. */
export function unitsOf(text: string): Uint16Array {
  const units = new Uint16Array(text.length);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return units;
}
