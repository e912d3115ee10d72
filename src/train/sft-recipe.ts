import { ChatBatches, type ChatStore } from '../data/chat-batches.js';
import type { DecoderConfig } from '../models/architecture.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { given, suggestedLearningRate } from './pretrain-recipe.js';
import { DEFAULT_TRAIN_SETTINGS, type TrainSettings } from './recipe.js';
import type { SftRecipe } from './recipe-schema.js';

/** Times that the chats are read when nothing is said of the steps. */
const EPOCHS = 3;
const FEWEST_STEPS = 20;
/** Longest rows when nothing is said of them; longer chats are cut off. */
const LONGEST_ROW = 512;
/** Positions of a step when nothing is said of the rows. */
const STEP_POSITIONS = DEFAULT_TRAIN_SETTINGS.rows * DEFAULT_TRAIN_SETTINGS.columns;
/** A model that knows its language is changed with care: a share of pretraining's learning rate. */
const LEARNING_RATE_SHARE = 0.3;

/** Row length for packing chats. */
export function sftColumns(recipe: SftRecipe, { positions }: DecoderConfig): number {
  return recipe.train.columns ?? Math.min(positions, LONGEST_ROW);
}

/** The settings with everything chosen that the recipe left open. */
export function resolveSft(recipe: SftRecipe, model: DecoderConfig, chats: ChatStore): TrainSettings {
  const columns = sftColumns(recipe, model);
  const rows = recipe.train.rows ?? Math.max(1, Math.round(STEP_POSITIONS / columns));
  const { accumulate = DEFAULT_TRAIN_SETTINGS.accumulate } = recipe.train;
  const { rowsPerEpoch } = new ChatBatches(chats, { rows, columns, seed: recipe.seed });
  return {
    ...DEFAULT_TRAIN_SETTINGS,
    rows,
    columns,
    steps: Math.max(FEWEST_STEPS, Math.ceil((EPOCHS * rowsPerEpoch) / (rows * accumulate))),
    learningRate: Number((suggestedLearningRate(model.width) * LEARNING_RATE_SHARE).toPrecision(2)),
    weightDecay: 0,
    ...given(recipe.train),
  };
}

/**
 * The chat template to tune a model with: its own, or ours where its tokenizer has the tokens.
 * @throws {InputError} if it has neither.
 */
export function templateFor(tokenizer: Tokenizer, own: string | undefined): string {
  if (own !== undefined) return own;
  const missing = CHAT_SPECIAL_TOKENS.filter((token) => !tokenizer.specialTokens.has(token));
  if (missing.length === 0) return DEFAULT_CHAT_TEMPLATE;
  throw new InputError('the model has no chat template, and its tokenizer lacks the tokens of ours', {
    expected: 'chat_template in tokenizer_config.json, or a tokenizer that `athanor tokenizer train` made',
    got: `no ${missing.join(' ')}`,
    hint: 'Give one: --chat-template FILE, a Jinja template as Hugging Face models have.',
  });
}
