/** Finds nothing, in place of a node id. */
export const MISSING = -1;

/**
 * The n-grams of one order as an edge list of a trie: `(parent, word) -> node`, where `parent` is the node of the
 * n-gram without its last word. Nodes are numbered 0, 1, 2 … in the order of their first sight, so that everything else
 * known of an n-gram is a plain typed array. Open addressing with linear probing; about 20 bytes an n-gram.
 */
export class NgramTable {
  /** How many n-grams there are. */
  size = 0;
  /** A number for each node, zero at first: what is counted of the n-gram. */
  counts: Uint32Array;
  /** `parent * stride + word`, exact below 2^53: one memory access decides whether a slot is the right one. */
  private keys: Float64Array;
  private slots: Int32Array;
  private readonly stride: number;

  /** @param stride more than the greatest word id. */
  constructor(stride: number, capacity = 1024) {
    this.stride = stride;
    this.keys = new Float64Array(capacity);
    this.counts = new Uint32Array(capacity);
    this.slots = new Int32Array(slotsFor(capacity)).fill(MISSING);
  }

  /** The node of `(parent, word)`, or `MISSING`. */
  find(parent: number, word: number): number {
    const key = parent * this.stride + word;
    const mask = this.slots.length - 1;
    for (let slot = hash(parent, word) & mask; ; slot = (slot + 1) & mask) {
      const node = this.slots[slot]!;
      if (node === MISSING || this.keys[node] === key) return node;
    }
  }

  /** The node of `(parent, word)`, made if it is new: then `size` has grown by one. */
  add(parent: number, word: number): number {
    const key = parent * this.stride + word;
    const mask = this.slots.length - 1;
    let slot = hash(parent, word) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const node = this.slots[slot]!;
      if (node === MISSING) break;
      if (this.keys[node] === key) return node;
    }
    if (this.size === this.keys.length) {
      this.resize(this.size * 2);
      return this.add(parent, word);
    }
    const node = this.size++;
    this.slots[slot] = node;
    this.keys[node] = key;
    return node;
  }

  /** The node of the n-gram without its last word, in the table of the order below. */
  parent(node: number): number {
    return Math.floor(this.keys[node]! / this.stride);
  }

  /** Gives back the memory that growing had set aside. */
  trim(): void {
    if (this.keys.length === this.size) return;
    this.keys = this.keys.slice(0, this.size);
    this.counts = this.counts.slice(0, this.size);
  }

  private resize(capacity: number): void {
    const keys = new Float64Array(capacity);
    keys.set(this.keys);
    const counts = new Uint32Array(capacity);
    counts.set(this.counts);
    this.keys = keys;
    this.counts = counts;
    const slots = new Int32Array(slotsFor(capacity)).fill(MISSING);
    const mask = slots.length - 1;
    for (let node = 0; node < this.size; node++) {
      const parent = this.parent(node);
      let slot = hash(parent, keys[node]! - parent * this.stride) & mask;
      while (slots[slot] !== MISSING) slot = (slot + 1) & mask;
      slots[slot] = node;
    }
    this.slots = slots;
  }
}

/** A power of two that leaves at least a third of the slots empty. */
function slotsFor(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(4, capacity * 1.5)));
}

/** Two rounds of multiply and shift, as MurmurHash3 ends. */
function hash(parent: number, word: number): number {
  let h = Math.imul(parent, 0x9e3779b1) ^ Math.imul(word, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return (h ^ (h >>> 13)) >>> 0;
}
