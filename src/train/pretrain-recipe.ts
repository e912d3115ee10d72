import type { LlamaConfig } from '../models/llama.js';
import { InputError } from '../util/errors.js';
import type { PretrainConfig } from './pretrain.js';
import { DEFAULT_TRAIN_SETTINGS, type TrainSettings } from './recipe.js';
import type { PretrainRecipe } from './recipe-schema.js';

/** What the choice of a model depends on. */
export interface DataFacts {
  readonly trainingTokens: number;
  readonly vocabularySize: number;
}

/** Shapes by the tokens to learn from: a larger model would learn a small text by heart, a smaller one too little. */
const SHAPES: readonly { readonly tokens: number; readonly width: number; readonly layers: number }[] = [
  { tokens: 50_000, width: 64, layers: 2 },
  { tokens: 300_000, width: 96, layers: 3 },
  { tokens: 2_000_000, width: 128, layers: 4 },
  { tokens: 10_000_000, width: 256, layers: 6 },
  { tokens: Number.POSITIVE_INFINITY, width: 384, layers: 8 },
];

/** A head's width: 32 where that divides the width, else what does. */
const HEAD_WIDTHS: readonly number[] = [32, 64, 16, 48, 24, 8, 4, 2];

/** Times that the text is read when nothing is said of the steps. */
const EPOCHS = 6;
const FEWEST_STEPS = 100;
const MOST_STEPS = 3000;

/** A good peak of AdamW's learning rate for a width: narrow models bear more. */
export function suggestedLearningRate(width: number): number {
  return Number(Math.min(3e-3, 3e-3 * Math.sqrt(64 / width)).toPrecision(2));
}

/** Vocabulary of a byte-level BPE by the size of the text: rare tokens would never be learned. */
export function suggestedVocabulary(textBytes: number): number {
  if (textBytes < 300_000) return 512;
  if (textBytes < 3_000_000) return 2048;
  return textBytes < 30_000_000 ? 4096 : 8192;
}

/** Width of the feed-forward's inner layer: 8/3 of the model's, in multiples of 16 (Touvron et al. 2023). */
function suggestedHidden(width: number): number {
  return Math.max(16, Math.round((width * 8) / 3 / 16) * 16);
}

/** @throws {InputError} naming the key of a shape that cannot be. */
export function checkModelShape(config: LlamaConfig): void {
  const { width, heads, keyHeads } = config;
  if (width % (2 * heads) !== 0) {
    throw new InputError('heads need an even whole width', {
      where: 'model.heads',
      expected: `a number that divides half of model.width, which is ${width}`,
      got: `${heads}`,
    });
  }
  if (heads % keyHeads !== 0) {
    throw new InputError('query heads cannot share so many key heads', {
      where: 'model.keyHeads',
      expected: `a divisor of model.heads, which is ${heads}`,
      got: `${keyHeads}`,
    });
  }
}

/** A recipe with everything chosen that it left open. @throws {InputError} as `checkModelShape` */
export function resolvePretrain(recipe: PretrainRecipe, facts: DataFacts): PretrainConfig {
  const { trainingTokens } = facts;
  const shape = SHAPES.find(({ tokens }) => trainingTokens < tokens)!;
  const width = recipe.model.width ?? shape.width;
  const headWidth = HEAD_WIDTHS.find((size) => width % size === 0) ?? width;
  const heads = recipe.model.heads ?? width / headWidth;
  // A block is no longer than a part of the text, so that there are some to shuffle.
  const longest = 2 ** Math.max(3, Math.floor(Math.log2(Math.max(trainingTokens, 1) / 16)));
  const columns =
    recipe.train.columns ?? Math.min(DEFAULT_TRAIN_SETTINGS.columns, longest, recipe.model.positions ?? longest);
  const model: LlamaConfig = {
    vocabularySize: facts.vocabularySize,
    width,
    layers: shape.layers,
    heads,
    keyHeads: heads,
    hidden: suggestedHidden(width),
    positions: Math.max(columns, DEFAULT_TRAIN_SETTINGS.columns),
    theta: 10_000,
    epsilon: 1e-5,
    tiedHead: true,
    queryKeyNorm: false,
    ...given(recipe.model),
  };
  checkModelShape(model);
  const batch = { ...DEFAULT_TRAIN_SETTINGS, ...given(recipe.train) };
  const stepTokens = batch.rows * batch.accumulate * columns;
  const steps = Math.round((EPOCHS * trainingTokens) / stepTokens);
  const train: TrainSettings = {
    ...DEFAULT_TRAIN_SETTINGS,
    columns,
    steps: Math.min(MOST_STEPS, Math.max(FEWEST_STEPS, steps)),
    learningRate: suggestedLearningRate(width),
    ...given(recipe.train),
  };
  return { model, train, seed: recipe.seed };
}

/** The keys that have a value. */
export function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
