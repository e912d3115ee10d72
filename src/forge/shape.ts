import type { LlamaConfig } from '../models/llama.js';

/** What a plan may vary of a model. */
export interface ModelShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  readonly vocabularySize: number;
}

/** From 0.1 M to 180 M weights; heads 32 to 64 wide, feed-forwards 8/3 as wide as the model, as SwiGLU wants. */
const SHAPES: readonly Omit<ModelShape, 'vocabularySize'>[] = [
  { layers: 3, width: 64, heads: 2, hidden: 176 },
  { layers: 4, width: 96, heads: 3, hidden: 256 },
  { layers: 4, width: 128, heads: 4, hidden: 352 },
  { layers: 5, width: 160, heads: 5, hidden: 432 },
  { layers: 5, width: 192, heads: 6, hidden: 512 },
  { layers: 6, width: 256, heads: 8, hidden: 688 },
  { layers: 8, width: 320, heads: 10, hidden: 864 },
  { layers: 8, width: 384, heads: 6, hidden: 1024 },
  { layers: 10, width: 512, heads: 8, hidden: 1376 },
  { layers: 12, width: 768, heads: 12, hidden: 2048 },
  { layers: 16, width: 1024, heads: 16, hidden: 2736 },
];

/** Weights of a Llama of this shape with a tied head. */
export function weightsOfShape({ layers, width, hidden, vocabularySize }: ModelShape): number {
  return vocabularySize * width + layers * (4 * width * width + 3 * width * hidden + 2 * width) + width;
}

/** Weights of the layers: what has to be learned from context, which takes more text than the table of tokens does. */
function layerWeights(shape: ModelShape): number {
  return weightsOfShape(shape) - shape.vocabularySize * shape.width;
}

/**
 * Floating-point operations that training spends on one token: six for each weight (two forward, four backward; the
 * tied table counts once, as the head), and `12·L·D·T` for attention over T positions.
 */
export function trainingFlopsPerToken(shape: ModelShape, time: number): number {
  return 6 * weightsOfShape(shape) + 12 * shape.layers * shape.width * time;
}

/** The parametric fit of Hoffmann et al. 2022 ("Chinchilla", approach 3), nats per token. */
const LAW = { irreducible: 1.69, parameters: 406.4, alpha: 0.34, data: 410.7, beta: 0.28 } as const;

/** How much a token is worth when it is read again: after four epochs, nothing (Muennighoff et al. 2023, simplified). */
const USEFUL_EPOCHS = 4;

/** The law knows no overfitting: on a few lines read again and again it would always ask for the largest model. */
const MOST_WEIGHTS_A_TOKEN = 2;

/** `E + A/Nᵅ + B/Dᵝ` for N weights and D tokens. */
export function predictedLoss(weights: number, tokens: number): number {
  return LAW.irreducible + LAW.parameters / weights ** LAW.alpha + LAW.data / tokens ** LAW.beta;
}

export interface ShapeChoice {
  readonly shape: ModelShape;
  readonly weights: number;
  /** Tokens that the time allows. */
  readonly tokens: number;
  readonly tokensPerSecond: number;
  readonly predictedLoss: number;
}

export interface ShapeBudget {
  /** Seconds of pretraining. */
  readonly seconds: number;
  /** Floating-point operations a second that training reaches here. */
  readonly flopsPerSecond: number;
  /** Row length in tokens. */
  readonly time: number;
  /** Distinct tokens that there are to read. */
  readonly corpusTokens: number;
  readonly vocabularySize: number;
  /** Memory that may be used, in bytes. */
  readonly memoryBytes: number;
  /** Tokens of one optimizer step, for the memory of activations. */
  readonly stepTokens: number;
}

/** Every shape with what the law predicts for it within the budget, best first. */
export function rankShapes(budget: ShapeBudget): ShapeChoice[] {
  return SHAPES.map((base) => ({ ...base, vocabularySize: budget.vocabularySize }))
    .filter((shape) => trainingMemory(shape, budget.stepTokens, budget.time) < budget.memoryBytes)
    .filter((shape, i) => i === 0 || layerWeights(shape) <= MOST_WEIGHTS_A_TOKEN * budget.corpusTokens)
    .map((shape) => {
      const tokensPerSecond = budget.flopsPerSecond / trainingFlopsPerToken(shape, budget.time);
      const tokens = tokensPerSecond * budget.seconds;
      const weights = weightsOfShape(shape);
      const useful = Math.min(tokens, USEFUL_EPOCHS * budget.corpusTokens);
      return { shape, weights, tokens, tokensPerSecond, predictedLoss: predictedLoss(weights, useful) };
    })
    .sort((a, b) => a.predictedLoss - b.predictedLoss);
}

/** Bytes of weights, gradients, two moments, and the activations that the backward pass keeps, in float32. */
export function trainingMemory(shape: ModelShape, stepTokens: number, time: number): number {
  const { layers, width, hidden, heads, vocabularySize } = shape;
  const perToken = layers * (14 * width + 6 * hidden + 3 * heads * time) + 4 * width + 3 * vocabularySize;
  return 4 * (4 * weightsOfShape(shape) + stepTokens * perToken);
}

/** The whole configuration of a shape. */
export function llamaConfig(shape: ModelShape, positions: number): LlamaConfig {
  return {
    ...shape,
    keyHeads: shape.heads,
    positions,
    theta: 10_000,
    epsilon: 1e-5,
    tiedHead: true,
    queryKeyNorm: false,
  };
}
