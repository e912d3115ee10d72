import { CorruptFileError } from '../util/errors.js';
import type { BatchPosition, BatchSource, TokenBatch } from './batch.js';

/**
 * Batches of one source with a few rows of another below: chats with some raw text beside them, so that tuning does not
 * make a model forget the language that it learned (rehearsal, Robins 1995).
 */
export class ReplayBatches implements BatchSource {
  readonly rows: number;
  readonly columns: number;
  private readonly main: BatchSource;
  private readonly replay: BatchSource;
  private readonly weight: number;

  /** Both sources have rows of the same length. @param weight of a replayed target, beside 1 for one of the main rows. */
  constructor(main: BatchSource, replay: BatchSource, weight = 1) {
    if (main.columns !== replay.columns) throw new RangeError('the rows differ in length');
    this.main = main;
    this.replay = replay;
    this.weight = weight;
    this.rows = main.rows + replay.rows;
    this.columns = main.columns;
  }

  get rowsPerEpoch(): number {
    return this.main.rowsPerEpoch;
  }

  next(): TokenBatch {
    const [above, below] = [this.main.next(), this.replay.next()];
    const { rows, columns } = this;
    const batch = {
      rows,
      columns,
      inputs: new Int32Array(rows * columns),
      targets: new Int32Array(rows * columns),
      weights: new Float32Array(rows * columns),
      segments: new Int32Array(rows * columns),
    };
    for (const key of ['inputs', 'targets', 'weights', 'segments'] as const) {
      batch[key].set(above[key]);
      batch[key].set(below[key], above[key].length);
    }
    for (let i = above.weights.length; i < batch.weights.length; i++) batch.weights[i]! *= this.weight;
    return batch;
  }

  state(): BatchPosition {
    return { ...this.main.state(), replay: this.replay.state() };
  }

  restore({ replay, ...main }: BatchPosition): void {
    if (!replay) throw new CorruptFileError('the saved position lacks that of the replayed text');
    this.main.restore(main);
    this.replay.restore(replay);
  }
}
