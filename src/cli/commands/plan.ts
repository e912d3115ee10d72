import { freemem } from 'node:os';
import type { Command } from 'commander';
import { openSource } from '../../data/source.js';
import { measureTraining, planTraining, type StepSpeed } from '../../train/plan.js';
import { resolvePretrain, suggestedVocabulary } from '../../train/pretrain-recipe.js';
import { pretrainRecipeSchema, recipeWords } from '../../train/recipe-schema.js';
import { checkColumns } from '../../train/stage.js';
import type { Json } from '../../util/json.js';
import { loadRecipe } from '../../util/schema.js';
import { textTable } from '../../util/table.js';
import { formatBytes, formatCount, formatDuration, formatRate } from '../../util/units.js';
import { onInterrupt } from '../interrupt.js';
import { addExamples, jsonOption, realNumber } from '../options.js';
import { writeLine, writeNote, writeRecord } from '../output.js';

interface PlanOptions {
  readonly data?: string;
  readonly seconds: number;
  readonly json?: boolean;
}

/** Bytes of text that a token of a small byte-level BPE stands for, about. */
const BYTES_PER_TOKEN = 3.5;
/** Text that is assumed where none is given. */
const ASSUMED_TEXT_BYTES = 4_000_000;

/** Declares `athanor plan`. */
export function configure(command: Command): void {
  command
    .argument('[recipe...]', 'a recipe (YAML or JSON), then key=value to change it')
    .option('--data <source>', 'the text, whose size decides what the recipe leaves open')
    .option('--seconds <number>', 'how long to measure this machine; 0: not at all', realNumber({ min: 0 }), 2)
    .addOption(jsonOption());
  addExamples(command, [
    'athanor plan recipes/small.yaml',
    'athanor plan width=256 layers=6 vocabularySize=4096 rows=16 columns=256 steps=5000',
    'athanor plan --data corpus.txt --json',
  ]);
}

/** Prints what a pretraining takes: parameters, memory, operations, and time on this machine. */
export async function run(words: readonly string[], options: PlanOptions): Promise<void> {
  const { file, overrides } = recipeWords(words);
  const recipe = await loadRecipe(file, overrides, pretrainRecipeSchema);
  const data = options.data ?? recipe.data;
  const textBytes = data === undefined ? ASSUMED_TEXT_BYTES : (await openSource(data)).bytes;
  const config = resolvePretrain(recipe, {
    trainingTokens: Math.round(textBytes / BYTES_PER_TOKEN),
    vocabularySize: recipe.tokenizer.vocabularySize ?? suggestedVocabulary(textBytes),
  });
  const { model, train } = config;
  checkColumns(train, model.positions);
  const plan = planTraining(config);
  let speed: StepSpeed | undefined;
  if (options.seconds > 0 && plan.peakBytes > freemem()) {
    writeNote(`Not measured: it needs about ${formatBytes(plan.peakBytes)}, and ${formatBytes(freemem())} are free.`);
  } else if (options.seconds > 0) {
    if (options.json !== true) writeNote('Measuring the training step on this machine …');
    speed = await measureTraining(config, options.seconds, onInterrupt());
  }
  const trainingSeconds = speed && speed.stepSeconds * train.steps + speed.compileSeconds;
  if (options.json === true) {
    const measured = speed === undefined ? {} : { speed, trainingSeconds };
    writeRecord({ model, train, ...plan, ...measured } as unknown as Json);
    return;
  }
  const rows: [string, string][] = [
    ['model', `width ${model.width}, ${model.layers} layers, ${model.heads} heads, vocabulary ${model.vocabularySize}`],
    ['parameters', formatCount(plan.parameters)],
    ['weights', formatBytes(plan.weightBytes)],
    [`optimizer (${train.optimizer})`, formatBytes(plan.optimizerBytes)],
    ['gradients', formatBytes(plan.gradientBytes)],
    [`activations${train.recompute ? ' (recomputed)' : ''}`, formatBytes(plan.activationBytes)],
    ['memory at the peak, about', formatBytes(plan.peakBytes)],
    ['batch', `${train.rows * train.accumulate} rows of ${train.columns} tokens`],
    ['steps', train.steps.toLocaleString('en-US')],
    ['tokens', formatCount(plan.totalTokens)],
    ['operations of a step', `${formatCount(plan.stepFlops)}FLOP`],
    ['operations in all', `${formatCount(plan.totalFlops)}FLOP`],
  ];
  if (speed && trainingSeconds !== undefined) {
    rows.push(
      ['step on this machine', `${formatDuration(speed.stepSeconds)} (${speed.stepsMeasured} measured)`],
      ['speed', `${formatRate(speed.tokensPerSecond, 'tokens')}, ${formatCount(speed.flopsPerSecond)}FLOP/s`],
      ['time of training', formatDuration(trainingSeconds)],
    );
  }
  writeLine(textTable(['what', 'takes'], rows));
}
