import type { Command } from 'commander';
import { packChats } from '../../data/chat-batches.js';
import type { ChatRecord } from '../../data/document.js';
import { openSource } from '../../data/source.js';
import { splitChats } from '../../data/split.js';
import { Llama } from '../../models/llama.js';
import { loadModel } from '../../models/load.js';
import { saveModel } from '../../models/save.js';
import { checkMemory } from '../../train/plan.js';
import { recipeWords, sftRecipeSchema } from '../../train/recipe-schema.js';
import { resultLines, writeRunReport } from '../../train/run-report.js';
import { answerSampler } from '../../train/run-sample.js';
import { sft } from '../../train/sft.js';
import { resolveSft, sftColumns, templateFor } from '../../train/sft-recipe.js';
import { checkColumns } from '../../train/stage.js';
import { InputError } from '../../util/errors.js';
import { readText } from '../../util/files.js';
import type { Json } from '../../util/json.js';
import { loadRecipe } from '../../util/schema.js';
import { bringModel, MODEL_PLACES, offlineOption, type PlaceFlags } from '../model-place.js';
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
import { withData } from './pretrain.js';

/** Declares `athanor sft`. */
export function configure(command: Command): void {
  command
    .argument('<model>', `the model to tune: ${MODEL_PLACES}`)
    .argument('[recipe...]', 'a recipe (YAML or JSON), then key=value to change it');
  configureTraining(command, 'chats: records with "messages", prompt and completion, or instruction and output');
  command
    .option('--chat-template <file>', 'a Jinja template, for a model that has none; kept with the tuned model')
    .addOption(offlineOption());
  addExamples(command, [
    'athanor sft runs/first --data chats.jsonl --out runs/chat',
    'athanor sft runs/first --data chats.jsonl --out runs/chat steps=300 learningRate=5e-4',
    'athanor sft models/gpt2 --data chats.jsonl --out runs/gpt2-chat --chat-template chat.jinja',
  ]);
}

/** Tunes a model on chats: the loss is on the answers alone. */
export async function run(
  place: string,
  words: readonly string[],
  options: TrainingOptions & PlaceFlags & { readonly chatTemplate?: string },
): Promise<void> {
  const { file, overrides } = recipeWords(words);
  const recipe = withData(await loadRecipe(file, overrides, sftRecipeSchema), options.data);
  const given = options.chatTemplate === undefined ? undefined : readText(options.chatTemplate);
  const record = { model: place, ...(given === undefined ? {} : { template: given }), ...recipe } as unknown as Json;
  await inRun({ command: 'sft', recipe: record, seed: recipe.seed, options }, async (run, signal) => {
    const note = reporter(options.json);
    const { model, tokenizer, chatTemplate } = await loadModel(await bringModel(place, options, signal));
    const template = templateFor(tokenizer, given ?? chatTemplate);
    const columns = sftColumns(recipe, model.config);
    if (recipe.train.columns !== undefined) checkColumns({ columns }, model.config.positions);
    const source = await openSource(recipe.data, {
      onBadLine: options.skipBadLines === true ? 'skip' : 'refuse',
      onSkip: ({ where, summary }) => note(`Left out ${where}: ${summary}`),
    });
    const records: ChatRecord[] = [];
    for await (const chat of source.chats()) records.push(chat);
    if (records.length === 0) {
      throw new InputError('the data holds no chats', {
        where: recipe.data,
        expected: 'records with "messages", "prompt" and "completion", or "instruction" and "output"',
      });
    }
    const split = splitChats(records, recipe);
    const chats = await packChats(split.training, tokenizer, template, { columns });
    const heldOutChats = await packChats(split.heldOut, tokenizer, template, { columns });
    if (chats.truncated > 0) note(`${chats.truncated} chats are longer than ${columns + 1} tokens and are cut off.`);
    if (chats.skipped > 0) note(`${chats.skipped} chats have no answer within ${columns + 1} tokens and are left out.`);
    if (signal.aborted) return false;
    const train = resolveSft(recipe, model.config, chats);
    note(
      `${split.training.length} chats, ${split.heldOut.length} held out; ${train.steps} steps of ${train.rows * train.accumulate} × ${columns} tokens, ${train.optimizer}, learning rate ${train.learningRate}`,
    );
    if (model instanceof Llama) checkMemory({ model: model.config, train });
    const start = resumedStep(run);
    const progress = progressLine(options.json, 'tuning', { total: train.steps, start, unit: 'steps' });
    const question = split.heldOut[0]!.messages.find(({ role }) => role === 'user')?.content ?? '';
    const sampler = answerSampler(model, tokenizer, template, question, train);
    try {
      const { result, heldOutLoss } = await sft(
        { train, seed: recipe.seed },
        {
          run,
          model,
          tokenizer,
          template,
          chats,
          heldOutChats,
          progress,
          signal,
          sample: async () => `${question} → ${await sampler.draw()}`,
        },
      );
      if (!result.finished) {
        progress.stop();
        return false;
      }
      progress.finish();
      await saveModel(run.path('model'), { model, tokenizer, chatTemplate: template });
      const { before, after } = heldOutLoss!;
      const lines = [
        ...resultLines(result),
        ['held-out loss of answers', `${before.toFixed(4)} → ${after.toFixed(4)} nats per token`],
      ] as const;
      writeRunReport(run, 'Instruction tuning', lines, { key: 'heldOutLoss', label: 'held-out loss, nats per token' });
      if (options.json === true) {
        writeRecord({ event: 'result', model: run.path('model'), ...result, heldOutLoss: { before, after } });
        return true;
      }
      for (const [name, value] of lines) writeLine(`${name}: ${value}`);
      writeLine(`The model is in ${run.path('model')}. Talk to it: athanor chat ${run.path('model')}`);
      return true;
    } catch (error) {
      progress.stop();
      throw error;
    } finally {
      await sampler.release();
    }
  });
}
