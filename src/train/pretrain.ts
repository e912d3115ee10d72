import { PackedBatches } from '../data/packing.js';
import type { TokenStore } from '../data/token-store.js';
import { Llama, type LlamaConfig } from '../models/llama.js';
import { initialize } from '../nn/module.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { bitsPerByteMeter } from './held-out.js';
import type { TrainResult } from './loop.js';
import type { TrainSettings } from './recipe.js';
import { type BeforeAfter, beforeAndAfter, checkColumns, type StageInputs, trainLanguageModel } from './stage.js';

export interface PretrainConfig {
  readonly model: LlamaConfig;
  readonly train: TrainSettings;
  /** First weights and the order of the data follow from it. */
  readonly seed: number;
}

export interface PretrainInputs extends StageInputs {
  readonly tokenizer: Tokenizer;
  readonly training: TokenStore;
  readonly heldOut: TokenStore;
  /** Saved with the model. */
  readonly chatTemplate?: string | undefined;
  /** Go on from this model in place of random weights. */
  readonly init?: Llama | undefined;
}

export interface PretrainResult {
  readonly model: Llama;
  readonly result: TrainResult;
  /** `nats / ln 2 / bytes` on held-out text, before the first step and after the last. */
  readonly heldOutBitsPerByte: BeforeAfter;
}

/**
 * Pretraining: a Llama learns to predict the next token of raw text (Radford et al. 2019). A run that was stopped or
 * killed goes on from its last checkpoint, on the CPU with the same numbers to the bit.
 *
 * @throws {InputError} if the model cannot hold the tokenizer's ids or the rows. @throws {DivergenceError}
 */
export async function pretrain(config: PretrainConfig, inputs: PretrainInputs): Promise<PretrainResult> {
  const { tokenizer, chatTemplate } = inputs;
  const model = inputs.init ?? initialize(new Llama(config.model), config.seed);
  const { vocabularySize, positions } = model.config;
  checkColumns(config.train, positions);
  if (tokenizer.vocabularySize > vocabularySize) {
    throw new InputError('the model is too small for the tokenizer', {
      where: 'model.vocabularySize',
      expected: `at least ${tokenizer.vocabularySize}`,
      got: `${vocabularySize}`,
    });
  }
  const { rows, columns } = config.train;
  const batches = new PackedBatches(inputs.training, { rows, columns, seed: config.seed });
  const meter = bitsPerByteMeter(model, inputs.heldOut, tokenizer, config.train);
  try {
    const measure = { key: 'heldOutBitsPerByte', meter };
    const saved = { model, tokenizer, chatTemplate };
    const result = await trainLanguageModel(saved, batches, config.train, inputs, measure);
    return { model, result, heldOutBitsPerByte: beforeAndAfter(inputs.run, measure.key) };
  } finally {
    await meter.release();
  }
}
