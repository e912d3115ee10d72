import type { EncoderDecoder } from '../models/encoder-decoder.js';
import { array } from '../runtime/array.js';
import { staticShape } from '../tensor/shape.js';
import type { HostArray } from '../tensor/variable.js';
import type { LayerArrays } from './encoder-decoder-program.js';

/** Positions that the decoder's own text first has room for; the room doubles when it is used up. */
const INITIAL_CAPACITY = 32;

/**
 * What the decoder attends to for some rows: the memory of the text that each row answers, and the keys and values of
 * the answer so far. The answer's lie one beside the other without gaps, so each step writes them into a second set of
 * buffers, one position longer, and the sets change places.
 */
export class EncoderDecoderCache {
  /** int32 `[rows, S]`, 0 for what fills a row. */
  mask: HostArray;
  /** `[rows, heads, S, headWidth]` each. */
  memory: LayerArrays;
  private readonly model: EncoderDecoder;
  private buffers: Float32Array[];
  private spares: Float32Array[];
  private rowCount: number;
  /** Positions of the answers so far. */
  private length = 0;
  private capacity = INITIAL_CAPACITY;

  /** @param inputs the texts' ids, which are filled up to the longest. */
  constructor(model: EncoderDecoder, inputs: readonly (readonly number[])[]) {
    this.model = model;
    this.rowCount = inputs.length;
    const longest = Math.max(...inputs.map(({ length }) => length));
    const mask = new Int32Array(inputs.length * longest);
    for (const [row, { length }] of inputs.entries()) mask.fill(1, row * longest, row * longest + length);
    this.mask = array(mask, [inputs.length, longest]);
    const count = 2 * model.config.decoderLayers;
    this.memory = Array.from({ length: count }, () => this.emptyKeys(longest));
    const room = (): Float32Array => new Float32Array(this.sizeOf(this.capacity));
    this.buffers = Array.from({ length: count }, room);
    this.spares = Array.from({ length: count }, room);
  }

  get rows(): number {
    return this.rowCount;
  }

  /** Keys and values of the answers so far. */
  get past(): LayerArrays {
    return this.buffers.map((buffer) => this.view(buffer, this.length));
  }

  /** Where the next step writes them, longer by so many positions. */
  next(added: number): LayerArrays {
    if (this.length + added > this.capacity) {
      while (this.length + added > this.capacity) this.capacity *= 2;
      this.spares = this.spares.map(() => new Float32Array(this.sizeOf(this.capacity)));
    }
    return this.spares.map((spare) => this.view(spare, this.length + added));
  }

  /** Says that the step was done. */
  advance(added: number): void {
    [this.buffers, this.spares] = [this.spares, this.buffers];
    this.length += added;
    // The set that was outgrown.
    if (this.spares[0]!.length < this.sizeOf(this.capacity)) {
      this.spares = this.spares.map(() => new Float32Array(this.sizeOf(this.capacity)));
    }
  }

  /** Row i becomes what row `rows[i]` was; rows may be left out and repeated. */
  select(rows: readonly number[]): void {
    if (rows.length === this.rowCount && rows.every((row, i) => row === i)) return;
    this.memory = this.memory.map((keys) => selectRows(keys, rows));
    this.mask = selectRows(this.mask, rows);
    this.selectAnswers(rows);
  }

  /** The same for the answers alone, where all the rows have one memory. */
  selectAnswers(rows: readonly number[]): void {
    if (rows.length === this.rowCount && rows.every((row, i) => row === i)) return;
    const past = this.past;
    const size = this.sizeOf(this.length) / this.rowCount;
    this.rowCount = rows.length;
    if (this.spares[0]!.length < this.sizeOf(this.capacity)) {
      this.spares = this.spares.map(() => new Float32Array(this.sizeOf(this.capacity)));
    }
    for (const [i, spare] of this.spares.entries()) {
      const from = past[i]!.data as Float32Array;
      for (const [to, row] of rows.entries()) spare.set(from.subarray(row * size, (row + 1) * size), to * size);
    }
    this.advance(0);
  }

  private sizeOf(positions: number): number {
    return staticShape(this.model.keyShape(this.rowCount, positions)).reduce((product, size) => product * size, 1);
  }

  private view(buffer: Float32Array, positions: number): HostArray {
    return array(
      buffer.subarray(0, this.sizeOf(positions)),
      staticShape(this.model.keyShape(this.rowCount, positions)),
    );
  }

  private emptyKeys(positions: number): HostArray {
    return this.view(new Float32Array(this.sizeOf(positions)), positions);
  }
}

function selectRows({ data, shape }: HostArray, rows: readonly number[]): HostArray {
  const size = data.length / shape[0]!;
  const selected =
    data instanceof Int32Array ? new Int32Array(rows.length * size) : new Float32Array(rows.length * size);
  for (const [to, row] of rows.entries()) {
    selected.set(data.subarray(row * size, (row + 1) * size) as Float32Array, to * size);
  }
  return array(selected, [rows.length, ...shape.slice(1)]);
}
