/** How a model reaches beyond the context that it was trained on first, by its name in Hugging Face's files. */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  /** Base grows with the text once it is longer than the model's positions; up to there nothing is scaled. */
  | { readonly type: 'dynamic'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalPositions: number;
    }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly originalPositions: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Factor on cosines and sines. */
      readonly attentionFactor: number;
      /** Round the borders of the ramp to whole pairs. */
      readonly truncate: boolean;
    };

/** Angle of each pair of a head for one position, and the factor on cosines and sines. */
export interface RotaryFrequencies {
  readonly frequencies: Float64Array;
  readonly factor: number;
}

/**
 * `θ^(−2i/width)` for pair i (Su et al. 2021), scaled:
 *
 * - `linear`: all by `1/factor` (Chen et al. 2023);
 * - `llama3`: wavelengths above `originalPositions/lowFrequencyFactor` by `1/factor`, those below
 *   `originalPositions/highFrequencyFactor` not at all, and a blend between (Llama 3.1);
 * - `yarn`: a blend by pair, from none for pairs that turn `betaFast` times in `originalPositions` to `1/factor` for those
 *   that turn `betaSlow` times, and sharper attention (Peng et al. 2023, equations 17 to 22).
 */
export function rotaryFrequencies(width: number, theta: number, scaling?: RopeScaling): RotaryFrequencies {
  const plain = Float64Array.from({ length: width / 2 }, (_, i) => theta ** ((-2 * i) / width));
  switch (scaling?.type) {
    case 'linear':
      return { frequencies: plain.map((frequency) => frequency / scaling.factor), factor: 1 };
    case 'llama3':
      return { frequencies: plain.map((frequency) => llama3Frequency(frequency, scaling)), factor: 1 };
    case 'yarn': {
      const share = yarnRamp(width, theta, scaling);
      const blended = plain.map((frequency, i) => frequency * (1 - share(i) + share(i) / scaling.factor));
      return { frequencies: blended, factor: scaling.attentionFactor };
    }
    default:
      return { frequencies: plain, factor: 1 };
  }
}

function llama3Frequency(frequency: number, scaling: RopeScaling & { readonly type: 'llama3' }): number {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalPositions } = scaling;
  const turns = (originalPositions * frequency) / (2 * Math.PI);
  if (turns < lowFrequencyFactor) return frequency / factor;
  if (turns > highFrequencyFactor) return frequency;
  const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  return frequency * (kept + (1 - kept) / factor);
}

/** How far pair i is scaled: 0 not at all, 1 wholly. */
function yarnRamp(
  width: number,
  theta: number,
  scaling: RopeScaling & { readonly type: 'yarn' },
): (pair: number) => number {
  const { originalPositions, betaFast, betaSlow, truncate } = scaling;
  const pairOf = (turns: number): number =>
    (width * Math.log(originalPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairOf(betaFast), pairOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, width - 1);
  const span = high === low ? 0.001 : high - low;
  return (pair) => Math.min(Math.max((pair - low) / span, 0), 1);
}

/** YaRN's factor on cosines and sines for a context so many times longer (its equation 22). */
export function yarnAttentionFactor(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}
