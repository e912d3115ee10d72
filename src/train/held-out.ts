import { emptyBatch, type TokenBatch } from '../data/batch.js';
import { ChatBatches, type ChatStore } from '../data/chat-batches.js';
import { sequentialBatches } from '../data/packing.js';
import type { TokenStore } from '../data/token-store.js';
import type { Decoder } from '../models/architecture.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { LossMeter } from './language-model.js';
import { deviceOf, EVALUATION_TOKENS, type TrainSettings } from './recipe.js';

/** Measures what a model makes of held-out data, again and again while it learns. */
export interface HeldOutMeter {
  measure(): Promise<number>;
  release(): Promise<void>;
}

/**
 * The first documents of a store, up to so many tokens, behind an end-of-text token: with it even the first token is
 * predicted from something, and counts. A first document that is longer by itself is cut off.
 */
export function scoredPart(store: TokenStore, tokenizer: Tokenizer, mostTokens: number): TokenStore {
  const { ids, starts, eosId } = store;
  let documents = starts.length;
  while (documents > 1 && endOf(store, documents - 1) > mostTokens) documents--;
  const end = documents > 1 ? endOf(store, documents - 1) : Math.min(endOf(store, 0), mostTokens);
  const part = new (ids.constructor as Uint16ArrayConstructor)(end + 1);
  part[0] = eosId;
  part.set(ids.subarray(0, end), 1);
  let textBytes = store.textBytes;
  if (end < ids.length) {
    textBytes = 0;
    const special = new Set(tokenizer.specialTokens.values());
    for (let i = 0; i < end; i++) if (!special.has(ids[i]!)) textBytes += tokenizer.tokenBytes(ids[i]!).length;
  }
  return { ids: part, starts: starts.subarray(0, documents), eosId, textBytes };
}

function endOf({ ids, starts }: TokenStore, document: number): number {
  return starts[document + 1] ?? ids.length;
}

/**
 * Bits per byte of held-out text: `nats / ln 2 / bytes`, over its first `evaluateTokens` tokens (whole documents). Every
 * token counts, those that end documents too. The text is read in blocks of `columns` tokens, and a block knows nothing
 * of the one before.
 */
export function bitsPerByteMeter(
  model: Decoder,
  store: TokenStore,
  tokenizer: Tokenizer,
  settings: TrainSettings,
): HeldOutMeter {
  const { rows, columns, segments, evaluateTokens = EVALUATION_TOKENS } = settings;
  const part = scoredPart(store, tokenizer, evaluateTokens);
  if (part.textBytes === 0) throw new InputError('the held-out data holds no text');
  const meter = new LossMeter(model, deviceOf(settings));
  return {
    async measure() {
      const { nats } = await meter.measure(sequentialBatches(part, { rows, columns }), { segments });
      return nats / Math.LN2 / part.textBytes;
    },
    release: () => meter.release(),
  };
}

/** Each chat of a store once, in full batches; rows past the end are padding of weight 0. */
export function* chatBatchesOnce(
  store: ChatStore,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Generator<TokenBatch> {
  const source = new ChatBatches(store, { rows: 1, columns, seed: 0 });
  const count = source.rowsPerEpoch;
  for (let first = 0; first < count; first += rows) {
    const batch = emptyBatch(rows, columns, store.padId);
    for (let row = 0; row < rows && first + row < count; row++) {
      const one = source.next();
      batch.inputs.set(one.inputs, row * columns);
      batch.targets.set(one.targets, row * columns);
      batch.weights.set(one.weights, row * columns);
      batch.segments.set(one.segments, row * columns);
    }
    yield batch;
  }
}

/** Mean loss of held-out chats, in nats per token that the assistant says, over `evaluateTokens` positions at most. */
export function chatLossMeter(model: Decoder, store: ChatStore, settings: TrainSettings): HeldOutMeter {
  const { rows, columns, segments, evaluateTokens = EVALUATION_TOKENS } = settings;
  const most = Math.max(1, Math.floor(evaluateTokens / (rows * columns)));
  const batches: TokenBatch[] = [];
  for (const batch of chatBatchesOnce(store, settings)) {
    if (batches.length === most) break;
    batches.push(batch);
  }
  const meter = new LossMeter(model, deviceOf(settings));
  return {
    async measure() {
      const { nats, targets } = await meter.measure(batches, { segments });
      return nats / Math.max(targets, 1);
    },
    release: () => meter.release(),
  };
}
