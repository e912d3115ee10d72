import type { BatchPosition, BatchSource } from '../data/batch.js';
import type { CheckpointContent } from '../models/checkpoint.js';
import type { Module } from '../nn/module.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { Schedule } from '../optim/schedule.js';
import type { Device } from '../runtime/device.js';
import { AthanorError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { Progress } from '../util/progress.js';
import { findTraining, restoreOptimizer, saveTraining, type TrainerState } from './checkpointing.js';
import { batchArrays, batchWeight } from './language-model.js';
import type { RunFolder } from './run-folder.js';
import { type LossFunction, TrainStep } from './step.js';

/** Training has gone wrong: the loss is no number, or far above where it began. */
export class DivergenceError extends AthanorError {}

export interface TrainConfig {
  readonly run: RunFolder;
  readonly model: Module;
  readonly loss: LossFunction;
  readonly batches: BatchSource;
  /** Micro-batches whose gradients make one step; default 1. */
  readonly accumulate?: number;
  /** Keep documents that share a row apart. */
  readonly segments: boolean;
  readonly optimizer: Optimizer;
  readonly learningRate: number;
  readonly schedule: Schedule;
  readonly steps: number;
  readonly clipNorm: number;
  readonly device: Device;
  /** The model's files for a checkpoint. */
  readonly content: () => CheckpointContent | Promise<CheckpointContent>;
  /** Reads the weights of a checkpoint back into the model. */
  readonly restore: (folder: string) => void | Promise<void>;
  readonly checkpointSeconds?: number;
  readonly keepCheckpoints?: number;
  /** Measured at step 0, every so many steps, and at the end; goes into metrics.jsonl. */
  readonly evaluate?: { readonly everySteps: number; readonly measure: () => Promise<Record<string, number>> };
  /** Called every so many steps for samples of what the model says. */
  readonly sample?: { readonly everySteps: number; readonly draw: (step: number) => Promise<void> };
  /** Asked once in a while: how many steps shall it be in all? For runs that must end at a time. */
  readonly revise?: (progress: { step: number; steps: number; seconds: number }) => number;
  readonly progress: Progress;
  /** Aborted on Ctrl-C: the run saves and returns. */
  readonly signal?: AbortSignal;
}

export interface TrainResult {
  readonly finished: boolean;
  readonly step: number;
  readonly seconds: number;
  readonly targets: number;
  /** Mean loss of the last steps, nats per target. */
  readonly loss: number;
}

/** Weight of a new value in the running mean of the loss. */
const SMOOTHING = 0.05;
/** A running mean so many nats above the first loss is divergence. */
const DIVERGED_NATS = 2;

/**
 * The training loop, for every method: batches in, steps on the device, metrics and checkpoints out. A run that is
 * killed at any moment goes on from its last checkpoint with the same numbers.
 */
export async function train(config: TrainConfig): Promise<TrainResult> {
  const { run, batches, accumulate = 1, optimizer, device, progress, signal } = config;
  const step = new TrainStep({
    model: config.model,
    loss: config.loss,
    optimizer,
    clipNorm: config.clipNorm,
    device,
  });
  let state: TrainerState = { step: 0, steps: config.steps, seconds: 0, targets: 0, batches: null };
  const found = findTraining(run.folder, (text) => progress.note(text));
  if (found) {
    await config.restore(found.folder);
    restoreOptimizer(found.folder, optimizer.state);
    state = found.state;
    batches.restore(state.batches as unknown as BatchPosition);
  }
  run.truncateAfter(state.step);
  let [saved, lastSave, lastLoss] = [state.step, performance.now(), Number.NaN];
  let mean: number | undefined;
  let first: number | undefined;
  const started = performance.now();
  const secondsBefore = state.seconds;
  let paused = 0;

  const save = async (): Promise<void> => {
    if (saved === state.step && found) return;
    state = { ...state, batches: batches.state() as unknown as Json };
    await saveTraining(run.folder, state, optimizer.state, await config.content(), config.keepCheckpoints ?? 2);
    saved = state.step;
    lastSave = performance.now();
  };
  /** Runs something whose time is not training time. */
  const aside = async <T>(work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    const result = await work();
    paused += performance.now() - begun;
    return result;
  };
  const evaluate = async (): Promise<void> => {
    if (!config.evaluate) return;
    const measured = await aside(config.evaluate.measure);
    run.metrics.append({ step: state.step, ...measured });
  };

  try {
    if (state.step === 0) await evaluate();
    while (state.step < state.steps && !signal?.aborted) {
      const micro = Array.from({ length: accumulate }, () => batches.next());
      const weight = micro.reduce((total, batch) => total + batchWeight(batch), 0);
      const rate = config.learningRate * config.schedule(state.step, state.steps);
      const arrays = micro.map((batch) => batchArrays(batch, { segments: config.segments }));
      const { lossSum, gradientNorm } = await step.run(arrays, Math.max(weight, 1), state.step + 1, rate);
      lastLoss = lossSum / Math.max(weight, 1);
      first ??= lastLoss;
      mean = mean === undefined ? lastLoss : mean + SMOOTHING * (lastLoss - mean);
      checkFinite(lastLoss, gradientNorm, mean, first, state.step + 1, run.folder);
      const seconds = secondsBefore + (performance.now() - started - paused) / 1000;
      state = { ...state, step: state.step + 1, seconds, targets: state.targets + weight };
      run.metrics.append({
        step: state.step,
        loss: round(lastLoss),
        gradientNorm: round(gradientNorm),
        learningRate: rate,
        targets: state.targets,
        seconds: round(seconds),
      });
      if (config.revise && state.step % 20 === 0) {
        state = { ...state, steps: Math.max(config.revise(state), state.step) };
      }
      progress.update(state.step, {
        loss: mean.toFixed(3),
        'tokens/s': Math.round((state.targets - (found?.state.targets ?? 0)) / Math.max(seconds - secondsBefore, 1e-3)),
      });
      const due = (every: number | undefined): boolean =>
        every !== undefined && state.step % every === 0 && state.step < state.steps;
      if (due(config.evaluate?.everySteps)) await evaluate();
      if (due(config.sample?.everySteps)) await aside(() => config.sample!.draw(state.step));
      if (performance.now() - lastSave > (config.checkpointSeconds ?? 60) * 1000) await aside(save);
    }
    const finished = state.step >= state.steps;
    if (finished && saved !== state.step) await evaluate();
    await save();
    return { finished, step: state.step, seconds: state.seconds, targets: state.targets, loss: mean ?? lastLoss };
  } finally {
    await step.release();
  }
}

function round(value: number): number {
  return Number(value.toPrecision(7));
}

function checkFinite(
  loss: number,
  gradientNorm: number,
  mean: number,
  first: number,
  step: number,
  folder: string,
): void {
  const broken = !Number.isFinite(loss) || !Number.isFinite(gradientNorm);
  if (!broken && mean < first + DIVERGED_NATS) return;
  throw new DivergenceError(broken ? 'the loss is no longer a number' : 'the loss grows instead of falling', {
    where: `step ${step}`,
    got: `loss ${loss}, gradient norm ${gradientNorm}`,
    hint: `The last good checkpoint in ${folder} is kept. Try a third of the learning rate, a longer warm-up, or a smaller clipNorm; look for broken examples around this step.`,
  });
}
