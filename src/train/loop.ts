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
  /** Running mean of the loss over the last steps, nats per target; not a number before the first. */
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
    // A run that revises its length goes on with what it came to; others may be given more steps.
    state = config.revise ? found.state : { ...found.state, steps: config.steps };
    batches.restore(state.batches as unknown as BatchPosition);
    progress.adjust({ done: state.step, total: state.steps });
  }
  // A run that was killed before its first checkpoint begins again from nothing.
  run.truncateAfter(found ? state.step : -1);
  let saved = found?.state.step;
  let lastSave = performance.now();
  const started = performance.now();
  const { step: stepBefore, seconds: secondsBefore } = state;
  /** Of a step. As everywhere, a token that is read counts, whether it is learned from or not. */
  const positions = batches.rows * batches.columns * accumulate;
  let paused = 0;

  const save = async (): Promise<void> => {
    if (saved === state.step) return;
    state = { ...state, batches: batches.state() as unknown as Json };
    const content = await config.content();
    checkWeights(content, state.step, run.folder);
    await saveTraining(run.folder, state, optimizer.state, content, config.keepCheckpoints ?? 2);
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
    if (!found) await evaluate();
    while (state.step < state.steps && !signal?.aborted) {
      const micro = Array.from({ length: accumulate }, () => batches.next());
      const weight = micro.reduce((total, batch) => total + batchWeight(batch), 0);
      const rate = config.learningRate * config.schedule(state.step, state.steps);
      const arrays = micro.map((batch) => batchArrays(batch, { segments: config.segments }));
      const { lossSum, gradientNorm } = await step.run(arrays, Math.max(weight, 1), state.step + 1, rate);
      const loss = lossSum / Math.max(weight, 1);
      const { firstLoss = loss } = state;
      const meanLoss = state.meanLoss === undefined ? loss : state.meanLoss + SMOOTHING * (loss - state.meanLoss);
      checkFinite(loss, gradientNorm, meanLoss, firstLoss, state.step + 1, run.folder);
      const seconds = secondsBefore + (performance.now() - started - paused) / 1000;
      state = { ...state, step: state.step + 1, seconds, targets: state.targets + weight, firstLoss, meanLoss };
      run.metrics.append({
        step: state.step,
        loss: round(loss),
        gradientNorm: round(gradientNorm),
        learningRate: rate,
        targets: state.targets,
        seconds: round(seconds),
      });
      if (config.revise && state.step % 20 === 0) {
        state = { ...state, steps: Math.max(config.revise(state), state.step) };
        progress.adjust({ total: state.steps });
      }
      progress.update(state.step, {
        loss: meanLoss.toFixed(3),
        'tokens/s': Math.round((positions * (state.step - stepBefore)) / Math.max(seconds - secondsBefore, 1e-3)),
      });
      const due = (every: number | undefined): boolean =>
        every !== undefined && state.step % every === 0 && state.step < state.steps;
      if (due(config.evaluate?.everySteps)) await evaluate();
      if (due(config.sample?.everySteps)) await aside(() => config.sample!.draw(state.step));
      const isOld = performance.now() - lastSave > (config.checkpointSeconds ?? 60) * 1000;
      // The last step's checkpoint comes after its evaluation, so that a run killed between the two repeats both. A step
      // whose loss has leapt may be the first of a divergence: the next one tells.
      if (isOld && state.step < state.steps && loss < meanLoss + DIVERGED_NATS) await aside(save);
    }
    const finished = state.step >= state.steps;
    if (finished && saved !== state.step) await evaluate();
    await save();
    const { step: last, seconds, targets, meanLoss = Number.NaN } = state;
    return { finished, step: last, seconds, targets, loss: meanLoss };
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
  const summary = broken ? 'the loss is no longer a number' : 'the loss grows instead of falling';
  throw diverged(summary, step, `loss ${loss}, gradient norm ${gradientNorm}`, folder);
}

/** A step whose loss was finite may still have broken the weights: they never replace a good checkpoint. */
function checkWeights({ tensors }: CheckpointContent, step: number, folder: string): void {
  for (const file of Object.values(tensors ?? {})) {
    for (const [name, { data }] of file) {
      if (!(data instanceof Float32Array)) continue;
      for (let i = 0; i < data.length; i++) {
        if (!Number.isFinite(data[i])) throw diverged('a weight is no longer a number', step, name, folder);
      }
    }
  }
}

function diverged(summary: string, step: number, got: string, folder: string): DivergenceError {
  return new DivergenceError(summary, {
    where: `step ${step}`,
    got,
    hint: `What was saved before in ${folder} is kept. Try a third of the learning rate, a longer warm-up, or a smaller clipNorm; look for broken examples around this step.`,
  });
}
