import type { HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import type { DecoderModel } from './contract.js';

/** One row: the ids whose keys and values lie in the cache, in order. */
type Row = number[];

/**
 * The memory of a key-value cache, keys and values of every layer in turn, `[rows, keyHeads, capacity, headWidth]`
 * each, and which ids it holds. A run of rows is contiguous, so a program can work on some of them without a copy.
 */
export class KeyValueCache {
  private readonly model: DecoderModel;
  private buffers: Float32Array[] = [];
  private rows: Row[] = [];
  private heads = 0;
  private width = 0;
  private views = new Map<string, readonly HostArray[]>();
  capacity = 0;

  constructor(model: DecoderModel) {
    this.model = model;
  }

  get rowCount(): number {
    return this.rows.length;
  }

  /** Positions in use in a row. */
  length(row: number): number {
    return this.rows[row]!.length;
  }

  /** Bytes of all buffers. */
  get byteLength(): number {
    return this.buffers.reduce((total, { byteLength }) => total + byteLength, 0);
  }

  /** Makes room: the capacity doubles until it suffices, up to the model's positions. What is inside stays. */
  reserve(rows: number, positions: number, initial: number): void {
    if (rows <= this.rowCount && positions <= this.capacity) return;
    const most = this.model.config.positions;
    if (positions > most) {
      throw new InputError('the context is full', { expected: `at most ${most} positions`, got: `${positions}` });
    }
    let capacity = Math.min(most, Math.max(1, this.capacity, initial));
    while (capacity < positions) capacity = Math.min(most, capacity * 2);
    const count = Math.max(rows, this.rowCount);
    const [, heads, , width] = this.model.cacheShape(count, capacity) as [number, number, number, number];
    const lengths = this.rows.map((row) => row.length);
    // One layer after the other, so that the old and the new cache never lie in memory together.
    for (let i = 0; i < 2 * this.model.config.layers; i++) {
      const old = this.buffers[i];
      const grown = new Float32Array(count * heads * capacity * width);
      lengths.forEach((length, row) => {
        for (let head = row * heads; head < (row + 1) * heads; head++) {
          const from = head * this.capacity * width;
          grown.set(old!.subarray(from, from + length * width), head * capacity * width);
        }
      });
      this.buffers[i] = grown;
    }
    while (this.rows.length < count) this.rows.push([]);
    this.capacity = capacity;
    this.heads = heads;
    this.width = width;
    this.views.clear();
  }

  /** The arrays of some neighbouring rows; they share the cache's memory, and are the same objects at each call. */
  view(first: number, count: number): readonly HostArray[] {
    const key = `${first}+${count}`;
    let view = this.views.get(key);
    if (!view) {
      const size = this.heads * this.capacity * this.width;
      const shape = [count, this.heads, this.capacity, this.width];
      view = this.buffers.map((buffer) => ({
        dtype: 'float32' as const,
        shape,
        data: buffer.subarray(first * size, (first + count) * size),
      }));
      this.views.set(key, view);
    }
    return view;
  }

  /** Says that the program entered these ids at the end of a row. */
  append(row: number, ids: readonly number[]): void {
    for (const id of ids) this.rows[row]!.push(id);
  }

  /** Gives up all but the first positions of a row. */
  truncate(row: number, length: number): void {
    this.rows[row]!.length = Math.min(length, this.length(row));
  }

  /** Gives up everything. */
  clear(): void {
    for (const row of this.rows) row.length = 0;
  }

  /**
   * Prepares a row for ids of which some row may hold the beginning: the longest beginning there is stays in the row,
   * or is copied into it. Never all of the ids, since the last one's logits are wanted.
   * @returns how many ids the row then holds.
   */
  claim(row: number, ids: readonly number[]): number {
    let source = row;
    let longest = this.commonLength(row, ids);
    for (let other = 0; other < this.rowCount; other++) {
      const common = this.commonLength(other, ids);
      if (common > longest) [source, longest] = [other, common];
    }
    if (source !== row) this.copy(source, row, longest);
    this.truncate(row, longest);
    return longest;
  }

  private commonLength(row: number, ids: readonly number[]): number {
    const held = this.rows[row]!;
    const most = Math.min(held.length, ids.length - 1);
    let common = 0;
    while (common < most && held[common] === ids[common]) common++;
    return common;
  }

  /** Copies the first positions of a row over another row. */
  copy(from: number, to: number, length: number): void {
    const { heads, width, capacity } = this;
    for (const buffer of this.buffers) {
      for (let head = 0; head < heads; head++) {
        const start = (from * heads + head) * capacity * width;
        buffer.copyWithin((to * heads + head) * capacity * width, start, start + length * width);
      }
    }
    this.rows[to] = this.rows[from]!.slice(0, length);
  }
}
