import { z } from 'zod';
import { InputError } from '../util/errors.js';
import { nearestName } from '../util/nearest.js';

const count = z.int().min(1);
const countOrNone = z.int().min(0);
/** More than any machine has cores; each takes memory of its own. */
const MOST_THREADS = 1024;
const share = z.number().min(0).max(1);

/** Every key of `TrainSettings`; what is left out is chosen. */
const train = z
  .object({
    steps: count,
    rows: count,
    columns: count,
    accumulate: count,
    optimizer: z.enum(['adamw', 'muon', 'sgd']),
    learningRate: z.number().positive(),
    warmupSteps: countOrNone,
    schedule: z.enum(['cosine', 'wsd', 'constant']),
    finalShare: share,
    decayShare: share,
    weightDecay: z.number().min(0),
    beta2: z.number().min(0).lt(1),
    clipNorm: z.number().positive(),
    recompute: z.boolean(),
    segments: z.boolean(),
    threads: count.max(MOST_THREADS),
    device: z.enum(['cpu', 'webgpu']),
    checkpointSeconds: z.number().min(0),
    evaluateEverySteps: count,
    sampleEverySteps: countOrNone,
    keepCheckpoints: count,
    evaluateTokens: count,
  })
  .partial();

/** Every key of `LlamaConfig`; what is left out is chosen. */
const model = z
  .object({
    vocabularySize: count,
    width: count,
    layers: count,
    heads: count,
    keyHeads: count,
    hidden: count,
    positions: count,
    theta: z.number().positive(),
    epsilon: z.number().positive(),
    tiedHead: z.boolean(),
    queryKeyNorm: z.boolean(),
  })
  .partial();

const tokenizer = z
  .object({
    /** `auto`: characters for text that is mostly Chinese, else byte-level BPE. */
    kind: z.enum(['auto', 'byte-bpe', 'character']),
    /** Default: by the size of the data, and never more than it allows. */
    vocabularySize: count,
    /** A folder with a `tokenizer.json` to use in place of training one. */
    from: z.string(),
  })
  .partial();

const shared = {
  /** A file, a folder, or `npm:NAME`. */
  data: z.string().optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1),
  /** Share of the data that nothing learns from. */
  heldOutFraction: z.number().gt(0).lt(1).default(0.05),
  train: train.default({}),
};

/** The recipe of `pretrain` and `plan`. */
export const pretrainRecipeSchema = z.object({
  ...shared,
  tokenizer: tokenizer.default({}),
  model: model.default({}),
});
export type PretrainRecipe = z.output<typeof pretrainRecipeSchema>;

/** The recipe of `sft`. */
export const sftRecipeSchema = z.object(shared);
export type SftRecipe = z.output<typeof sftRecipeSchema>;

/** Keys that need not be written with their group: `steps=200` is `train.steps=200`. */
const GROUPS: readonly (readonly [group: string, keys: readonly string[]])[] = [
  ['train', Object.keys(train.shape)],
  ['tokenizer', Object.keys(tokenizer.shape)],
  ['model', Object.keys(model.shape)],
];
const TOP_KEYS: readonly string[] = Object.keys(pretrainRecipeSchema.shape);

/** An override with the group of its key. @throws {InputError} for a key that no recipe has. */
function grouped(word: string): string {
  const equals = word.indexOf('=');
  if (equals < 1) {
    throw new InputError('neither a recipe nor an override', { expected: '[recipe.yaml] [key=value …]', got: word });
  }
  const key = word.slice(0, equals);
  if (key.includes('.') || TOP_KEYS.includes(key)) return word;
  const group = GROUPS.find(([, keys]) => keys.includes(key));
  if (group !== undefined) return `${group[0]}.${word}`;
  const nearest = nearestName(key, [...TOP_KEYS, ...GROUPS.flatMap(([, keys]) => keys)]);
  throw new InputError(`unknown key ${JSON.stringify(key)}`, {
    where: word,
    ...(nearest === undefined ? {} : { hint: `Did you mean ${nearest}?` }),
  });
}

/**
 * The words of a command line as a recipe's file and its overrides: the first word may be a file, the others are
 * `key=value`. A key of `train`, `tokenizer` or `model` may be written without its group.
 *
 * @throws {InputError} for another word that is no override, or a key that no recipe has.
 */
export function recipeWords(words: readonly string[]): { file: string | undefined; overrides: string[] } {
  const [first] = words;
  const file = first === undefined || first.includes('=') ? undefined : first;
  return { file, overrides: words.slice(file === undefined ? 0 : 1).map(grouped) };
}
