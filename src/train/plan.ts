import { totalmem } from 'node:os';
import { Llama, type LlamaConfig } from '../models/llama.js';
import { llamaTensors } from '../models/llama-hf.js';
import { initialize } from '../nn/module.js';
import { InputError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { formatBytes } from '../util/units.js';
import { batchArrays, languageModelLoss } from './language-model.js';
import type { PretrainConfig } from './pretrain.js';
import { deviceOf, optimizerOf, type TrainSettings } from './recipe.js';
import { type BatchArrays, TrainStep } from './step.js';

/** What a run will take. Sizes in bytes. */
export interface TrainingPlan {
  readonly parameters: number;
  readonly weightBytes: number;
  readonly optimizerBytes: number;
  readonly gradientBytes: number;
  readonly activationBytes: number;
  /** The whole process at its peak, about: within a fifth of what was measured on models of 1 to 17 M weights. */
  readonly peakBytes: number;
  readonly tokensPerStep: number;
  /** Floating-point operations of one optimizer step: forward and backward. */
  readonly stepFlops: number;
  readonly totalTokens: number;
  readonly totalFlops: number;
}

const FLOAT_BYTES = 4;
/** Node with ONNX Runtime loaded and nothing done. */
const PROCESS_BYTES = 130e6;
/** What ONNX Runtime takes beyond what is in use: its memory grows in powers of two. */
const ARENA_FACTOR = 1.35;

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Number of weights, without making the model. */
export function parameterCount(config: LlamaConfig): number {
  return llamaTensors(config).reduce((total, { shape }) => total + sizeOf(shape), 0);
}

/**
 * Operations of one forward and backward pass over `tokens` tokens in rows of `columns`: `6 · N · tokens` for the N
 * weights that are multiplied with (the head among them, the embedding table not), and `12 · layers · width · columns ·
 * tokens` for the attention's scores and sums (Kaplan et al. 2020, table 1; Chowdhery et al. 2022, appendix B).
 * Recomputation adds a forward pass, a third.
 */
export function trainingFlops(config: LlamaConfig, tokens: number, { columns, recompute }: TrainSettings): number {
  const { layers, width, vocabularySize, tiedHead } = config;
  const multiplied = parameterCount(config) - (tiedHead ? 0 : vocabularySize * width);
  const flops = 6 * multiplied * tokens + 12 * layers * width * columns * tokens;
  return recompute ? (flops * 4) / 3 : flops;
}

/** Floats that one token leaves behind in one layer for the backward pass. */
function layerFloats({ width, heads, keyHeads, hidden }: LlamaConfig, columns: number): number {
  const keyWidth = (width / heads) * keyHeads;
  // Block input and its norm, queries before and after rotation, what attention gives; keys twice and values.
  const attention = 5 * width + 3 * keyWidth + heads * columns;
  // Residual and its norm, gate, its sigmoid, its product, up, and the product of both.
  return attention + 2 * width + 5 * hidden;
}

/** What a pretraining run will take, by arithmetic alone. */
export function planTraining({ model, train }: Pick<PretrainConfig, 'model' | 'train'>): TrainingPlan {
  const parameters = parameterCount(model);
  const weightBytes = parameters * FLOAT_BYTES;
  const places = llamaTensors(model);
  const hidden = places
    .filter(({ path, shape }) => shape.length === 2 && !/^(embedding|head)\b/.test(path))
    .reduce((total, { shape }) => total + sizeOf(shape), 0);
  const states = { adamw: 2 * parameters, muon: hidden + 2 * (parameters - hidden), sgd: parameters };
  const optimizerBytes = states[train.optimizer] * FLOAT_BYTES;
  const gradientBytes = weightBytes * (train.accumulate > 1 ? 2 : 1);
  const positions = train.rows * train.columns;
  const perLayer = layerFloats(model, train.columns);
  const kept = train.recompute ? model.layers * model.width + perLayer : model.layers * perLayer;
  // The head: hidden vectors, logits, and their gradient.
  const head = 2 * model.width + 2 * model.vocabularySize;
  const activationBytes = positions * (kept + head) * FLOAT_BYTES;
  const tokensPerStep = positions * train.accumulate;
  const stepFlops = trainingFlops(model, tokensPerStep, train);
  return {
    parameters,
    weightBytes,
    optimizerBytes,
    gradientBytes,
    activationBytes,
    // Some weights need a second copy while they are replaced.
    peakBytes: PROCESS_BYTES + ARENA_FACTOR * (2 * weightBytes + optimizerBytes + gradientBytes + activationBytes),
    tokensPerStep,
    stepFlops,
    totalTokens: tokensPerStep * train.steps,
    totalFlops: stepFlops * train.steps,
  };
}

/**
 * Refuses a run that this machine cannot hold, before memory is taken.
 *
 * @throws {InputError} naming the largest part.
 */
export function checkMemory(config: Pick<PretrainConfig, 'model' | 'train'>, memoryBytes: number = totalmem()): void {
  const { peakBytes, activationBytes, weightBytes } = planTraining(config);
  if (peakBytes <= memoryBytes) return;
  const byBatch = activationBytes > weightBytes;
  throw new InputError('the run needs more memory than this machine has', {
    where: byBatch ? 'train.rows, train.columns' : 'model',
    expected: `at most ${formatBytes(memoryBytes)}`,
    got: `about ${formatBytes(peakBytes)}`,
    hint: byBatch ? 'Use fewer or shorter rows; accumulate keeps the batch as large.' : 'Use a smaller model.',
  });
}

/** What this machine does with the real training step. */
export interface StepSpeed {
  readonly compileSeconds: number;
  /** Median, for one optimizer step with all its micro-batches. */
  readonly stepSeconds: number;
  readonly stepsMeasured: number;
  readonly tokensPerSecond: number;
  readonly flopsPerSecond: number;
}

/** Random tokens in the shape of a batch. */
function randomBatch({ vocabularySize }: LlamaConfig, { rows, columns, segments }: TrainSettings): BatchArrays {
  const random = new Random(1, 'plan');
  const draw = (): Int32Array => Int32Array.from({ length: rows * columns }, () => random.integer(vocabularySize));
  const weights = new Float32Array(rows * columns).fill(1);
  const batch = { rows, columns, inputs: draw(), targets: draw(), weights, segments: new Int32Array(rows * columns) };
  return batchArrays(batch, { segments });
}

/**
 * Runs the real training step, on random tokens, for about so many seconds after it is compiled and warm; at least
 * two steps.
 */
export async function measureTraining(
  config: Pick<PretrainConfig, 'model' | 'train'>,
  seconds: number,
  signal?: AbortSignal,
): Promise<StepSpeed> {
  const { train } = config;
  const model = initialize(new Llama(config.model), 1);
  const step = new TrainStep({
    model,
    loss: languageModelLoss(model, { recompute: train.recompute }),
    optimizer: optimizerOf(model, train),
    clipNorm: train.clipNorm,
    device: deviceOf(train),
  });
  try {
    const batch = randomBatch(config.model, train);
    const micro = Array.from({ length: train.accumulate }, () => batch);
    const weight = train.rows * train.columns * train.accumulate;
    const compileSeconds = await step.prepare(batch);
    await step.run(micro, weight, 1, 0);
    const times: number[] = [];
    const started = performance.now();
    while (times.length < 2 || performance.now() - started < seconds * 1000) {
      signal?.throwIfAborted();
      const begun = performance.now();
      await step.run(micro, weight, times.length + 2, 0);
      times.push((performance.now() - begun) / 1000);
    }
    const stepSeconds = times.sort((a, b) => a - b)[times.length >> 1]!;
    return {
      compileSeconds,
      stepSeconds,
      stepsMeasured: times.length,
      tokensPerSecond: weight / stepSeconds,
      flopsPerSecond: trainingFlops(config.model, weight, train) / stepSeconds,
    };
  } finally {
    await step.release();
  }
}
