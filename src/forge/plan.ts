import type { TrainSettings } from '../train/recipe.js';
import { DEFAULT_TRAIN_SETTINGS } from '../train/recipe.js';
import { formatCount, formatDuration, formatPercent, formatRate } from '../util/units.js';
import { type ModelShape, rankShapes, type ShapeChoice } from './shape.js';

/** What a forge decides before it trains. Plain JSON: a resumed forge reads it back. */
export interface ForgePlan {
  readonly shape: ModelShape;
  readonly weights: number;
  /** Longest context of the model. */
  readonly positions: number;
  /** Floating-point operations a second: the peak measured, and what a training step reached. */
  readonly peakFlops: number;
  readonly trainingFlops: number;
  readonly pretrainSeconds: number;
  readonly tuneSeconds: number;
  readonly pretrain: TrainSettings;
  readonly tune: TrainSettings;
  /** The reasoning, line by line. */
  readonly reasons: readonly string[];
}

/** Share of the training time that goes into raw text; the rest is instruction tuning. */
const PRETRAIN_SHARE = 0.45;
const POSITIONS = 256;
const COLUMNS = 128;
/** Rows of conversations are as long as the model's context, so that every position of it is learned. */
const TUNE_COLUMNS = POSITIONS;
/** Rows of 128 tokens in a step: small, because many steps matter more to a small model than smooth ones. */
const ROWS = 8;

export interface PlanInputs {
  /** Seconds of training, both stages together. */
  readonly trainingSeconds: number;
  readonly peakFlops: number;
  readonly trainingFlops: number;
  readonly corpusTokens: number;
  readonly vocabularySize: number;
  readonly memoryBytes: number;
  readonly threads: number;
}

/** What every stage has in common, whatever its length. */
export function stageSettings(threads: number): TrainSettings {
  return {
    ...DEFAULT_TRAIN_SETTINGS,
    rows: ROWS,
    columns: COLUMNS,
    optimizer: 'muon',
    warmupSteps: 50,
    schedule: 'wsd',
    finalShare: 0.03,
    decayShare: 0.3,
    beta2: 0.98,
    segments: false,
    threads,
    evaluateEverySteps: Number.MAX_SAFE_INTEGER,
    checkpointSeconds: 30,
    keepCheckpoints: 1,
  };
}

/** Chooses size and tokens by the scaling law, and says why. */
export function makePlan(inputs: PlanInputs): ForgePlan {
  const { trainingSeconds, peakFlops, trainingFlops, corpusTokens, vocabularySize, memoryBytes, threads } = inputs;
  const pretrainSeconds = trainingSeconds * PRETRAIN_SHARE;
  const tuneSeconds = trainingSeconds - pretrainSeconds;
  const choices = rankShapes({
    seconds: pretrainSeconds,
    flopsPerSecond: trainingFlops,
    time: COLUMNS,
    corpusTokens,
    vocabularySize,
    memoryBytes: memoryBytes / 2,
    stepTokens: ROWS * COLUMNS,
  });
  const best = choices[0]!;
  const { shape, weights, tokensPerSecond } = best;
  const settings = (seconds: number, learningRate: number): TrainSettings => ({
    ...stageSettings(threads),
    steps: Math.max(20, Math.round((seconds * tokensPerSecond) / (ROWS * COLUMNS))),
    learningRate,
  });
  // Wider models want smaller steps (Yang et al. 2022): 4e-3 at width 128, falling with the width.
  const peak = Math.min(4e-3, (4e-3 * 128) / shape.width);
  return {
    shape,
    weights,
    positions: POSITIONS,
    peakFlops,
    trainingFlops,
    pretrainSeconds,
    tuneSeconds,
    pretrain: settings(pretrainSeconds, peak),
    tune: {
      ...settings(tuneSeconds, peak / 2),
      rows: (ROWS * COLUMNS) / TUNE_COLUMNS,
      columns: TUNE_COLUMNS,
      segments: true,
    },
    reasons: reasonsOf(inputs, choices, pretrainSeconds, tuneSeconds),
  };
}

function reasonsOf(
  { peakFlops, trainingFlops, corpusTokens, threads }: PlanInputs,
  choices: readonly ShapeChoice[],
  pretrainSeconds: number,
  tuneSeconds: number,
): string[] {
  const best = choices[0]!;
  const gflops = (value: number): string => `${Math.round(value / 1e9)} GFLOP/s`;
  const describe = ({ weights, tokens, predictedLoss: loss }: ShapeChoice): string =>
    `${formatCount(weights)} weights and ${formatCount(tokens)} tokens (${loss.toFixed(2)} on the law's own scale)`;
  const bySize = [...choices].sort((a, b) => a.weights - b.weights);
  const at = bySize.indexOf(best);
  const others = [bySize[at - 1], bySize[at + 1]].flatMap((choice) => (choice ? [describe(choice)] : []));
  return [
    `On ${threads} ${threads === 1 ? 'thread' : 'threads'} this machine trains at ${gflops(trainingFlops)}, ${formatPercent(trainingFlops / peakFlops, 0)} of the ${gflops(peakFlops)} that its fastest matrix product reached.`,
    `${formatDuration(pretrainSeconds)} of pretraining, ${formatDuration(tuneSeconds)} of instruction tuning; the corpus has ${formatCount(corpusTokens)} tokens.`,
    `Chosen by the scaling law of Hoffmann et al. (2022): ${describe(best)} (${formatRate(best.tokensPerSecond, 'tokens')}).`,
    ...(others.length > 0 ? [`Beside it: ${others.join('; ')}.`] : []),
  ];
}
