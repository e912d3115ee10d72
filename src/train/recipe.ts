import type { Module } from '../nn/module.js';
import { AdamW } from '../optim/adamw.js';
import { Muon } from '../optim/muon.js';
import type { Optimizer } from '../optim/optimizer.js';
import { type Schedule, schedule } from '../optim/schedule.js';
import { Sgd } from '../optim/sgd.js';
import { cpu, type Device, webgpu } from '../runtime/device.js';

/** How a stage trains; all of it is plain JSON. */
export interface TrainSettings {
  /** Optimizer steps. */
  readonly steps: number;
  /** Rows of a micro-batch. */
  readonly rows: number;
  /** Tokens of a row. */
  readonly columns: number;
  /** Micro-batches whose gradients make one step: the batch is `rows · accumulate` rows. */
  readonly accumulate: number;
  readonly optimizer: 'adamw' | 'muon' | 'sgd';
  /** Peak of the learning rate. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly schedule: 'cosine' | 'wsd' | 'constant';
  /** Where the learning rate ends, as a share of its peak. */
  readonly finalShare: number;
  /** wsd: share of the steps spent decaying at the end. */
  readonly decayShare: number;
  readonly weightDecay: number;
  /** Decay of AdamW's mean of squared gradients. */
  readonly beta2: number;
  /** Gradients with a larger global norm are scaled down to it. */
  readonly clipNorm: number;
  /** Compute each layer again in the backward pass instead of keeping it: less memory, a third more time. */
  readonly recompute: boolean;
  /** Documents or chats that share a row do not see each other. */
  readonly segments: boolean;
  /** Threads of the processor; default: as many as it has cores. */
  readonly threads?: number | undefined;
  readonly device: 'cpu' | 'webgpu';
  /** Seconds between two checkpoints. */
  readonly checkpointSeconds: number;
  /** Steps between two measurements on held-out data. */
  readonly evaluateEverySteps: number;
  /** Steps between two samples of what the model says; 0: none. */
  readonly sampleEverySteps: number;
  readonly keepCheckpoints: number;
  /** Most held-out tokens that a measurement reads; default {@link EVALUATION_TOKENS}. */
  readonly evaluateTokens?: number | undefined;
}

/** Enough tokens for two figures of bits per byte, few enough to measure in seconds. */
export const EVALUATION_TOKENS = 65_536;

/** The defaults of every stage. Where a stage or the data suggest another value, its own file says so. */
export const DEFAULT_TRAIN_SETTINGS: TrainSettings = {
  steps: 500,
  rows: 16,
  columns: 128,
  accumulate: 1,
  optimizer: 'adamw',
  learningRate: 1e-3,
  warmupSteps: 20,
  schedule: 'cosine',
  finalShare: 0.1,
  decayShare: 0.2,
  weightDecay: 0.1,
  beta2: 0.95,
  clipNorm: 1,
  recompute: false,
  segments: true,
  device: 'cpu',
  checkpointSeconds: 60,
  evaluateEverySteps: 250,
  sampleEverySteps: 250,
  keepCheckpoints: 2,
};

/**
 * Keys of a recipe that may change while a run is stopped: where and how often, and what rescues a run that diverged.
 * More steps make a finished run go on.
 */
export const RESUMABLE_KEYS: readonly string[] = [
  'steps',
  'learningRate',
  'warmupSteps',
  'clipNorm',
  'threads',
  'device',
  'recompute',
  'checkpointSeconds',
  'evaluateEverySteps',
  'sampleEverySteps',
  'keepCheckpoints',
  'evaluateTokens',
].map((key) => `train.${key}`);

/** The device of the settings. @throws {InputError} if the number of threads is not usable. */
export function deviceOf({ device, threads }: Pick<TrainSettings, 'device' | 'threads'>): Device {
  return device === 'webgpu' ? webgpu() : cpu(threads === undefined ? {} : { threads });
}

/** The optimizer of the settings, over the weights that are not frozen. */
export function optimizerOf(model: Module, { optimizer, weightDecay, beta2 }: TrainSettings): Optimizer {
  const parameters = model.trainableParameters();
  switch (optimizer) {
    case 'adamw':
      return new AdamW(parameters, { weightDecay, beta2 });
    case 'muon':
      return new Muon(parameters, { weightDecay, adamw: { weightDecay, beta2 } });
    case 'sgd':
      return new Sgd(parameters, { weightDecay });
  }
}

/** The learning rate's course. */
export function scheduleOf({ schedule: kind, warmupSteps, finalShare, decayShare }: TrainSettings): Schedule {
  return schedule({ kind, warmupSteps, finalShare, decayShare });
}
