import { ChatBatches, type ChatStore } from '../data/chat-batches.js';
import { PackedBatches } from '../data/packing.js';
import { ReplayBatches } from '../data/replay-batches.js';
import type { TokenStore } from '../data/token-store.js';
import type { Decoder } from '../models/architecture.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { chatLossMeter } from './held-out.js';
import type { TrainResult } from './loop.js';
import type { TrainSettings } from './recipe.js';
import { type BeforeAfter, beforeAndAfter, checkColumns, type StageInputs, trainLanguageModel } from './stage.js';

export interface SftConfig {
  readonly train: TrainSettings;
  /** The order of the chats follows from it. */
  readonly seed: number;
}

export interface SftInputs extends StageInputs {
  /** Changed in place. */
  readonly model: Decoder;
  readonly tokenizer: Tokenizer;
  /** The chat template (Jinja) that the chats were packed with. */
  readonly template: string;
  readonly chats: ChatStore;
  readonly heldOutChats?: ChatStore | undefined;
  /** Raw text to keep in mind: so many rows of each batch are taken from it, the rest are chats. */
  readonly replay?: { readonly store: TokenStore; readonly rows: number; readonly weight: number } | undefined;
}

export interface SftResult {
  readonly result: TrainResult;
  /** Nats per token that the assistant says in held-out chats. */
  readonly heldOutLoss?: BeforeAfter;
}

/**
 * Supervised fine-tuning on chats (Ouyang et al. 2022, step 1): the loss is on what the assistant says alone. Several
 * chats share a row. Stopped and killed runs go on as pretraining does.
 *
 * @throws {InputError} if rows are longer than the model's contexts. @throws {DivergenceError}
 */
export async function sft(config: SftConfig, inputs: SftInputs): Promise<SftResult> {
  const { model, tokenizer, template, chats, heldOutChats, replay } = inputs;
  checkColumns(config.train, model.config.positions);
  const { rows, columns } = config.train;
  const { seed } = config;
  const batches = replay
    ? new ReplayBatches(
        new ChatBatches(chats, { rows: rows - replay.rows, columns, seed }),
        new PackedBatches(replay.store, { rows: replay.rows, columns, seed }),
        replay.weight,
      )
    : new ChatBatches(chats, { rows, columns, seed });
  const measure = heldOutChats && { key: 'heldOutLoss', meter: chatLossMeter(model, heldOutChats, config.train) };
  try {
    const saved = { model, tokenizer, chatTemplate: template };
    const result = await trainLanguageModel(saved, batches, config.train, inputs, measure);
    return { result, ...(measure ? { heldOutLoss: beforeAndAfter(inputs.run, measure.key) } : {}) };
  } finally {
    await measure?.meter.release();
  }
}
