import { InputError } from '../util/errors.js';
import type { Random } from '../util/random.js';
import { type BatchOptions, checkShape, emptyBatch, RowStream, type TokenBatch } from './batch.js';
import { fingerprintOf, type TokenStore } from './token-store.js';

/** Blocks of `columns` inputs that cover every pair of a token and its successor once. */
function blockCount({ ids }: TokenStore, columns: number): number {
  if (ids.length < 2) {
    throw new InputError('the data is too short to learn from', {
      expected: 'at least two tokens',
      got: `${ids.length}`,
      hint: 'Give a larger text.',
    });
  }
  return Math.ceil((ids.length - 1) / columns);
}

/** Copies block `block` of the store into a row of a batch. What lies past the end stays padding. */
function copyBlock(store: TokenStore, batch: TokenBatch, row: number, block: number): void {
  const { columns, inputs, targets, weights, segments } = batch;
  const { ids, eosId } = store;
  const from = block * columns;
  const length = Math.min(columns, ids.length - 1 - from);
  const to = row * columns;
  inputs.set(ids.subarray(from, from + length), to);
  targets.set(ids.subarray(from + 1, from + 1 + length), to);
  weights.fill(1, to, to + length);
  let segment = 0;
  for (let i = 0; i < length; i++) {
    segments[to + i] = segment;
    if (ids[from + i] === eosId) segment++;
  }
}

/**
 * Batches for next-token training: the row of tokens is cut into blocks of `columns`, targets are the inputs shifted by
 * one, and the blocks are shuffled anew each epoch. Every token but the first is a target once an epoch, every token
 * but the last an input once; the last block is filled up with padding of weight 0.
 */
export class PackedBatches extends RowStream {
  private readonly order: Uint32Array;
  private mark: string | undefined;

  /** @throws {InputError} if the store holds fewer than two tokens, or the shape is impossible. */
  constructor(
    private readonly store: TokenStore,
    options: BatchOptions,
  ) {
    super(options, store.eosId);
    this.order = new Uint32Array(blockCount(store, options.columns));
  }

  protected prepare(random: Random): number {
    for (let i = 0; i < this.order.length; i++) this.order[i] = i;
    random.shuffle(this.order);
    return this.order.length;
  }

  protected fillRow(batch: TokenBatch, row: number, index: number): void {
    copyBlock(this.store, batch, row, this.order[index]!);
  }

  protected fingerprint(): string {
    this.mark ??= fingerprintOf(this.store.ids, Uint32Array.of(this.columns, this.seed));
    return this.mark;
  }
}

/** The blocks of a store once, in order, for evaluation; rows past the end are padding of weight 0. */
export function* sequentialBatches(
  store: TokenStore,
  shape: { readonly rows: number; readonly columns: number },
): Generator<TokenBatch> {
  checkShape(shape);
  const blocks = blockCount(store, shape.columns);
  for (let block = 0; block < blocks; block += shape.rows) {
    const batch = emptyBatch(shape.rows, shape.columns, store.eosId);
    for (let row = 0; row < shape.rows && block + row < blocks; row++) copyBlock(store, batch, row, block + row);
    yield batch;
  }
}
