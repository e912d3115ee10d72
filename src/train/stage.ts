import type { BatchSource } from '../data/batch.js';
import type { Decoder } from '../models/architecture.js';
import { loadWeights } from '../models/load.js';
import { modelFiles, type SavedModel } from '../models/save.js';
import { InputError } from '../util/errors.js';
import type { Progress } from '../util/progress.js';
import type { HeldOutMeter } from './held-out.js';
import { languageModelLoss } from './language-model.js';
import { type TrainConfig, type TrainResult, train } from './loop.js';
import { deviceOf, optimizerOf, scheduleOf, type TrainSettings } from './recipe.js';
import type { RunFolder } from './run-folder.js';

/** What every stage is given beside its data. */
export interface StageInputs {
  readonly run: RunFolder;
  readonly progress: Progress;
  /** Aborted on Ctrl-C: the stage saves and returns. */
  readonly signal?: AbortSignal | undefined;
  readonly revise?: TrainConfig['revise'] | undefined;
  /** Says something with the model as it stands; kept in samples.jsonl every `sampleEverySteps` steps. */
  readonly sample?: ((model: Decoder) => Promise<string>) | undefined;
}

/** A held-out measure and the key that it has in metrics.jsonl. */
export interface StageMeasure {
  readonly key: string;
  readonly meter: HeldOutMeter;
}

/** A held-out measure at step 0 and at the last step measured. */
export interface BeforeAfter {
  readonly before: number;
  readonly after: number;
}

/** @throws {InputError} if rows are longer than the model's contexts. */
export function checkColumns({ columns }: Pick<TrainSettings, 'columns'>, positions: number): void {
  if (columns <= positions) return;
  throw new InputError("the context is longer than the model's", {
    where: 'train.columns',
    expected: `at most ${positions} tokens, the model's positions`,
    got: `${columns}`,
    hint: 'Use shorter rows, or a model with more positions.',
  });
}

/** Trains a model on next-token batches by the settings: the part that pretraining and instruction tuning share. */
export async function trainLanguageModel(
  saved: SavedModel & { readonly model: Decoder },
  batches: BatchSource,
  settings: TrainSettings,
  inputs: StageInputs,
  measure: StageMeasure | undefined,
): Promise<TrainResult> {
  const { model } = saved;
  const { run, progress, signal, revise, sample } = inputs;
  const { evaluateEverySteps, sampleEverySteps } = settings;
  const evaluate = measure && {
    everySteps: evaluateEverySteps,
    measure: async () => ({ [measure.key]: await measure.meter.measure() }),
  };
  const draw = async (step: number): Promise<void> => run.samples.append({ step, text: await sample!(model) });
  return train({
    run,
    model,
    loss: languageModelLoss(model, { recompute: settings.recompute }),
    batches,
    accumulate: settings.accumulate,
    segments: settings.segments,
    optimizer: optimizerOf(model, settings),
    learningRate: settings.learningRate,
    schedule: scheduleOf(settings),
    steps: settings.steps,
    clipNorm: settings.clipNorm,
    device: deviceOf(settings),
    content: () => modelFiles(saved),
    restore: (folder) => loadWeights(model, folder),
    checkpointSeconds: settings.checkpointSeconds,
    keepCheckpoints: settings.keepCheckpoints,
    progress,
    ...(evaluate ? { evaluate } : {}),
    ...(sample && sampleEverySteps > 0 ? { sample: { everySteps: sampleEverySteps, draw } } : {}),
    ...(signal ? { signal } : {}),
    ...(revise ? { revise } : {}),
  });
}

/** The first and the last value of a measure in a run's metrics; not a number where there is none. */
export function beforeAndAfter(run: RunFolder, key: string): BeforeAfter {
  const values = run.metrics.rows().flatMap((row) => (typeof row[key] === 'number' ? [row[key]] : []));
  return { before: values[0] ?? Number.NaN, after: values.at(-1) ?? Number.NaN };
}
