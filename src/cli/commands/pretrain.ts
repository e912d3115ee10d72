import type { Command } from 'commander';
import { saveModel } from '../../models/save.js';
import { loadTokenizer } from '../../tokenizer/file.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { checkMemory, planTraining } from '../../train/plan.js';
import { type PretrainConfig, pretrain } from '../../train/pretrain.js';
import { type PackedText, packSplitText, readSplitText } from '../../train/pretrain-data.js';
import { resolvePretrain } from '../../train/pretrain-recipe.js';
import { tokenizerOfRun, trainTokenizerFor } from '../../train/pretrain-tokenizer.js';
import { type PretrainRecipe, pretrainRecipeSchema, recipeWords } from '../../train/recipe-schema.js';
import type { RunFolder } from '../../train/run-folder.js';
import { resultLines, writeRunReport } from '../../train/run-report.js';
import { textSampler } from '../../train/run-sample.js';
import { InputError } from '../../util/errors.js';
import type { Json } from '../../util/json.js';
import { loadRecipe } from '../../util/schema.js';
import { formatBytes, formatCount } from '../../util/units.js';
import { addExamples } from '../options.js';
import { writeLine, writeRecord } from '../output.js';
import {
  configureTraining,
  inRun,
  progressLine,
  reporter,
  resumedStep,
  type TrainingOptions,
} from '../training-command.js';

/** Declares `athanor pretrain`. */
export function configure(command: Command): void {
  command.argument('[recipe...]', 'a recipe (YAML or JSON), then key=value to change it');
  configureTraining(command, 'text to learn from: a file, a folder, or npm:NAME');
  addExamples(command, [
    'athanor pretrain --data corpus.txt --out runs/first',
    'athanor pretrain --data corpus.txt --out runs/wide width=256 layers=6 steps=2000',
    'athanor pretrain recipes/small.yaml --data corpus.txt --out runs/small optimizer=muon',
    'athanor pretrain --data corpus.txt --out runs/first --json',
  ]);
}

/** Trains a model on raw text: tokenizer, packing, training, `model/`, `report.md`. */
export async function run(words: readonly string[], options: TrainingOptions): Promise<void> {
  const { file, overrides } = recipeWords(words);
  const recipe = withData(await loadRecipe(file, overrides, pretrainRecipeSchema), options.data);
  await inRun({ command: 'pretrain', recipe: recipe as Json, seed: recipe.seed, options }, async (run, signal) => {
    const note = reporter(options.json);
    const { tokenizer, packed } = await prepare(run, recipe, options, note);
    if (signal.aborted) return false;
    const facts = { trainingTokens: packed.training.ids.length, vocabularySize: tokenizer.vocabularySize };
    const config = resolvePretrain(recipe, facts);
    note(describe(config, packed, tokenizer));
    checkMemory(config);
    const start = resumedStep(run);
    const progress = progressLine(options.json, 'pretraining', { total: config.train.steps, start, unit: 'steps' });
    let sampler: ReturnType<typeof textSampler> | undefined;
    try {
      const { model, result, heldOutBitsPerByte } = await pretrain(config, {
        run,
        tokenizer,
        ...packed,
        progress,
        signal,
        sample: (model) => {
          sampler ??= textSampler(model, tokenizer, config.train);
          return sampler.draw();
        },
      });
      if (!result.finished) {
        progress.stop();
        return false;
      }
      progress.finish();
      await saveModel(run.path('model'), { model, tokenizer });
      const { before, after } = heldOutBitsPerByte;
      const lines = [
        ...resultLines(result),
        ['parameters', formatCount(model.size)],
        ['held-out bits per byte', `${before.toFixed(4)} → ${after.toFixed(4)}`],
      ] as const;
      const heldOut = { key: 'heldOutBitsPerByte', label: 'held-out bits per byte' };
      writeRunReport(run, 'Pretraining', lines, heldOut);
      if (options.json === true) {
        writeRecord({ event: 'result', model: run.path('model'), ...result, heldOutBitsPerByte: { before, after } });
        return true;
      }
      for (const [name, value] of lines) writeLine(`${name}: ${value}`);
      writeLine(`The model is in ${run.path('model')}. Try it: athanor generate ${run.path('model')} --prompt "…"`);
      return true;
    } catch (error) {
      progress.stop();
      throw error;
    } finally {
      await sampler?.release();
    }
  });
}

/** The recipe with the source of its data. @throws {InputError} if there is none. */
export function withData<R extends { readonly data?: string | undefined }>(
  recipe: R,
  flag: string | undefined,
): R & { readonly data: string } {
  const data = flag ?? recipe.data;
  if (data === undefined) {
    throw new InputError('there is no data to learn from', {
      where: '--data',
      expected: 'a file, a folder, or npm:NAME',
    });
  }
  return { ...recipe, data };
}

/** Reads the text, makes or loads the tokenizer, and encodes. */
async function prepare(
  run: RunFolder,
  recipe: PretrainRecipe & { readonly data: string },
  options: TrainingOptions,
  note: (text: string) => void,
): Promise<{ tokenizer: Tokenizer; packed: PackedText }> {
  const { from, kind, vocabularySize } = recipe.tokenizer;
  const split = await readSplitText(recipe.data, recipe, {
    onBadLine: options.skipBadLines === true ? 'skip' : 'refuse',
    onSkip: ({ where, summary }) => note(`Left out ${where}: ${summary}`),
  });
  const tokenizer = await tokenizerOfRun(run, async () => {
    if (from !== undefined) return loadTokenizer(from);
    const learning = progressLine(options.json, 'tokenizer', { unit: 'merges' });
    try {
      return await trainTokenizerFor(
        split.training,
        { kind, vocabularySize },
        {
          note,
          onProgress: ({ merges }) => learning.update(merges),
        },
      );
    } finally {
      learning.finish();
    }
  });
  const encoding = progressLine(options.json, 'encoding', { unit: 'B' });
  const packed = await packSplitText(split, tokenizer, (textBytes) => encoding.update(textBytes));
  encoding.finish();
  return { tokenizer, packed };
}

function describe(config: PretrainConfig, { training, heldOut }: PackedText, tokenizer: Tokenizer): string {
  const { model, train } = config;
  const { parameters } = planTraining(config);
  const text = `${formatBytes(training.textBytes)} of text, ${formatCount(training.ids.length)} tokens, ${formatBytes(heldOut.textBytes)} held out`;
  const shape = `${formatCount(parameters)} parameters (width ${model.width}, ${model.layers} layers, ${model.heads} heads, vocabulary ${model.vocabularySize}, ${tokenizer.kind})`;
  const course = `${train.steps} steps of ${train.rows * train.accumulate} × ${train.columns} tokens, ${train.optimizer}, learning rate ${train.learningRate}`;
  return `${text}\n${shape}\n${course}`;
}
