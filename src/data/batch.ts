import { CorruptFileError, InputError } from '../util/errors.js';
import { Random } from '../util/random.js';

/** One batch of `rows × columns` positions for next-token training, all arrays in row order. */
export interface TokenBatch {
  readonly rows: number;
  readonly columns: number;
  /** Token ids, `[rows × columns]`. */
  readonly inputs: Int32Array;
  /** The token that follows each input, `[rows × columns]`. */
  readonly targets: Int32Array;
  /** 1 where the loss counts, 0 at padding and at what is not to be learned, `[rows × columns]`. */
  readonly weights: Float32Array;
  /** Which document of its row a position belongs to, from 0; −1 at padding. `[rows × columns]`. */
  readonly segments: Int32Array;
}

/** Shape and order of the batches. */
export interface BatchOptions {
  readonly rows: number;
  readonly columns: number;
  readonly seed: number;
}

/** Where a stream of batches stands: the next row to use is row `index` of `epoch`. */
export interface BatchPosition {
  readonly epoch: number;
  readonly index: number;
  /** Tells data, seed and shape apart, so that a run does not go on with other data. */
  readonly fingerprint?: string;
  /** The position of a second source that is mixed in. */
  readonly replay?: BatchPosition;
}

/** An endless stream of training batches whose position can be saved and restored. */
export interface BatchSource {
  readonly rows: number;
  readonly columns: number;
  /** Rows in the current epoch. */
  readonly rowsPerEpoch: number;
  next(): TokenBatch;
  state(): BatchPosition;
  /** @throws {CorruptFileError} if the position is impossible; {InputError} if it belongs to other data. */
  restore(position: BatchPosition): void;
}

/** A batch filled with padding. */
export function emptyBatch(rows: number, columns: number, padId: number): TokenBatch {
  const size = rows * columns;
  const inputs = new Int32Array(size);
  const targets = new Int32Array(size);
  if (padId !== 0) {
    inputs.fill(padId);
    targets.fill(padId);
  }
  return { rows, columns, inputs, targets, weights: new Float32Array(size), segments: new Int32Array(size).fill(-1) };
}

/** Checks the shape of batches. @throws {InputError} */
export function checkShape({ rows, columns }: { readonly rows: number; readonly columns: number }): void {
  for (const [name, value] of Object.entries({ rows, columns })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InputError(`the number of ${name} of a batch is out of range`, {
        expected: 'a whole number, at least 1',
        got: `${value}`,
      });
    }
  }
}

/**
 * The order in which an epoch's rows are used, and the place in it. Every row is used once an epoch; a batch may take
 * its last rows from the next epoch, so that every batch is full.
 */
export abstract class RowStream implements BatchSource {
  readonly rows: number;
  readonly columns: number;
  protected readonly seed: number;
  private epoch = 0;
  private index = 0;
  private prepared = -1;
  private count = 0;
  private readonly padId: number;

  protected constructor({ rows, columns, seed }: BatchOptions, padId: number) {
    checkShape({ rows, columns });
    this.rows = rows;
    this.columns = columns;
    this.seed = seed;
    this.padId = padId;
  }

  /** Orders the rows of an epoch and returns how many there are (at least one). */
  protected abstract prepare(random: Random): number;
  /** Writes row `index` of the prepared epoch into a row of a batch that is filled with padding. */
  protected abstract fillRow(batch: TokenBatch, row: number, index: number): void;
  /** Names the data and everything else that the order depends on. */
  protected abstract fingerprint(): string;

  private ready(): void {
    if (this.prepared === this.epoch) return;
    this.count = this.prepare(new Random(this.seed, `epoch ${this.epoch}`));
    this.prepared = this.epoch;
  }

  get rowsPerEpoch(): number {
    this.ready();
    return this.count;
  }

  next(): TokenBatch {
    const batch = emptyBatch(this.rows, this.columns, this.padId);
    for (let row = 0; row < this.rows; row++) {
      this.ready();
      this.fillRow(batch, row, this.index);
      if (++this.index === this.count) {
        this.epoch++;
        this.index = 0;
      }
    }
    return batch;
  }

  state(): BatchPosition {
    return { epoch: this.epoch, index: this.index, fingerprint: this.fingerprint() };
  }

  restore({ epoch, index, fingerprint }: BatchPosition): void {
    if (fingerprint !== undefined && fingerprint !== this.fingerprint()) {
      throw new InputError('the training data, its seed or the batch shape is not what it was when the run was saved', {
        hint: 'Give the same data and settings as before, or start a new run.',
      });
    }
    const valid = [epoch, index].every((value) => Number.isSafeInteger(value) && value >= 0);
    const before = { epoch: this.epoch, index: this.index };
    if (valid) {
      this.epoch = epoch;
      this.ready();
    }
    if (!valid || index >= this.count) {
      this.epoch = before.epoch;
      throw new CorruptFileError('an impossible position in the training data', {
        got: JSON.stringify({ epoch, index }),
      });
    }
    this.index = index;
  }
}
