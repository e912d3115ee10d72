/** The same numbers in an array of at least `length`; doubles, so that growing costs little on the whole. */
function grown<T extends Int32Array | Float64Array>(array: T, length: number): T {
  if (length <= array.length) return array;
  const larger = new (array.constructor as new (length: number) => T)(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}

/**
 * The adjacent pairs of symbols of a corpus: for each its weighted count and the list of places where it was seen.
 * Pairs are numbered as they are met and live in typed arrays with a hash table of open addressing on top.
 */
export class PairCounts {
  size = 0;
  left = new Int32Array(1024);
  right = new Int32Array(1024);
  count = new Float64Array(1024);
  private slots = new Int32Array(4096).fill(-1);
  private first = new Int32Array(1024);
  private last = new Int32Array(1024);
  private places = new Int32Array(4096);
  private following = new Int32Array(4096);
  private placeCount = 0;

  /** The number of a pair, which is new if it was never met. */
  pairOf(left: number, right: number): number {
    const mask = this.slots.length - 1;
    let slot = hash(left, right) & mask;
    for (let pair = this.slots[slot]!; pair >= 0; pair = this.slots[slot]!) {
      if (this.left[pair] === left && this.right[pair] === right) return pair;
      slot = (slot + 1) & mask;
    }
    return this.insert(slot, left, right);
  }

  private insert(slot: number, left: number, right: number): number {
    const pair = this.size++;
    this.slots[slot] = pair;
    this.left = grown(this.left, this.size);
    this.right = grown(this.right, this.size);
    this.count = grown(this.count, this.size);
    this.first = grown(this.first, this.size);
    this.last = grown(this.last, this.size);
    this.left[pair] = left;
    this.right[pair] = right;
    this.first[pair] = -1;
    if (2 * this.size > this.slots.length) this.rehash();
    return pair;
  }

  private rehash(): void {
    this.slots = new Int32Array(2 * this.slots.length).fill(-1);
    const mask = this.slots.length - 1;
    for (let pair = 0; pair < this.size; pair++) {
      let slot = hash(this.left[pair]!, this.right[pair]!) & mask;
      while (this.slots[slot]! >= 0) slot = (slot + 1) & mask;
      this.slots[slot] = pair;
    }
  }

  /** Adds an occurrence. */
  add(pair: number, place: number, weight: number): void {
    this.count[pair]! += weight;
    const entry = this.placeCount++;
    this.places = grown(this.places, this.placeCount);
    this.following = grown(this.following, this.placeCount);
    this.places[entry] = place;
    this.following[entry] = -1;
    if (this.first[pair]! < 0) this.first[pair] = entry;
    else this.following[this.last[pair]!] = entry;
    this.last[pair] = entry;
  }

  /**
   * The places where the pair was seen, in ascending order, which the pair forgets; it may be gone from there by now,
   * and a place may come twice.
   */
  takePlaces(pair: number): Int32Array {
    let length = 0;
    for (let entry = this.first[pair]!; entry >= 0; entry = this.following[entry]!) length++;
    const places = new Int32Array(length);
    let isSorted = true;
    let i = 0;
    for (let entry = this.first[pair]!; entry >= 0; entry = this.following[entry]!, i++) {
      places[i] = this.places[entry]!;
      if (i > 0 && places[i]! < places[i - 1]!) isSorted = false;
    }
    this.first[pair] = -1;
    return isSorted ? places : places.sort();
  }
}

function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/**
 * Pairs by count, the greatest on top. An entry keeps the count that the pair had when it was pushed; a pair whose count
 * fell is brought up to date when it comes to the top, a pair whose count rose must be pushed again.
 */
export class PairHeap {
  private size = 0;
  private pairs = new Int32Array(1024);
  private seen = new Float64Array(1024);
  private readonly counts: PairCounts;
  private readonly isGreater: (pair: number, other: number) => boolean;

  /** @param isGreater decides between pairs of equal counts. */
  constructor(counts: PairCounts, isGreater: (pair: number, other: number) => boolean) {
    this.counts = counts;
    this.isGreater = isGreater;
  }

  push(pair: number): void {
    let at = this.size++;
    this.pairs = grown(this.pairs, this.size);
    this.seen = grown(this.seen, this.size);
    const seen = this.counts.count[pair]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.isAbove(pair, seen, parent)) break;
      this.pairs[at] = this.pairs[parent]!;
      this.seen[at] = this.seen[parent]!;
      at = parent;
    }
    this.pairs[at] = pair;
    this.seen[at] = seen;
  }

  /** Takes out the pair of the greatest count; undefined when none has a count above 0. */
  pop(): number | undefined {
    while (this.size > 0) {
      const top = this.pairs[0]!;
      const count = this.counts.count[top]!;
      if (count === this.seen[0] && count > 0) {
        this.removeTop();
        return top;
      }
      if (count > 0) this.sink(top, count);
      else this.removeTop();
    }
    return undefined;
  }

  /** Whether a pair with this count belongs above the entry at `index`. */
  private isAbove(pair: number, seen: number, index: number): boolean {
    const difference = seen - this.seen[index]!;
    return difference > 0 || (difference === 0 && this.isGreater(pair, this.pairs[index]!));
  }

  private isBelow(pair: number, seen: number, index: number): boolean {
    const difference = seen - this.seen[index]!;
    return difference < 0 || (difference === 0 && this.isGreater(this.pairs[index]!, pair));
  }

  private removeTop(): void {
    const last = --this.size;
    if (last > 0) this.sink(this.pairs[last]!, this.seen[last]!);
  }

  /** Puts an entry into the hole at the top and lets it sink to its place. */
  private sink(pair: number, seen: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.isAbove(this.pairs[child + 1]!, this.seen[child + 1]!, child)) child++;
      if (!this.isBelow(pair, seen, child)) break;
      this.pairs[at] = this.pairs[child]!;
      this.seen[at] = this.seen[child]!;
      at = child;
    }
    this.pairs[at] = pair;
    this.seen[at] = seen;
  }
}
