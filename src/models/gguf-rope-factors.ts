import { type RopeScaling, rotaryFrequencies } from '../nn/rope-scaling.js';
import { shortestFloat32 } from './gguf-fields.js';

type Llama3Scaling = RopeScaling & { readonly type: 'llama3' };

/** Factors may differ so much from those of a scheme that is found for them: converters compute them in float32. */
const TOLERANCE = 2e-5;

/** What every published Llama 3 says. */
const PUBLISHED = { lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192 };

/**
 * The settings of Llama 3's scheme that give these factors, one for each pair of a head: a GGUF file keeps the factors
 * and not the settings. The published settings are tried first; else they are found from two pairs between the
 * borders, where what is kept of a frequency is a straight line over the frequency. `'none'` where all factors are 1.
 *
 * @param original `original_context_length`, where the file has it.
 * @returns undefined if no such settings are found.
 */
export function inferLlama3Scaling(
  factors: Float32Array,
  { headWidth, theta }: { readonly headWidth: number; readonly theta: number },
  original: number | undefined,
): Llama3Scaling | 'none' | undefined {
  const factor = shortestFloat32(factors.reduce((most, value) => Math.max(most, value), 0));
  if (factors.length !== headWidth / 2 || !Number.isFinite(factor) || factors.some((value) => !(value >= 1))) {
    return undefined;
  }
  if (factor === 1) return 'none';
  const candidates: Omit<Llama3Scaling, 'type' | 'factor'>[] = [PUBLISHED];
  if (original !== undefined) candidates.unshift({ ...PUBLISHED, originalPositions: original });
  const fitted = settingsFor(factors, factor, rotaryFrequencies(headWidth, theta).frequencies, original);
  if (fitted !== undefined) candidates.push(fitted);
  for (const candidate of candidates) {
    const scaling: Llama3Scaling = { type: 'llama3', factor, ...candidate };
    if (fits(factors, scaling, headWidth, theta)) return scaling;
  }
  return undefined;
}

function fits(factors: Float32Array, scaling: Llama3Scaling, headWidth: number, theta: number): boolean {
  const plain = rotaryFrequencies(headWidth, theta).frequencies;
  const scaled = rotaryFrequencies(headWidth, theta, scaling).frequencies;
  return factors.every((value, i) => Math.abs(plain[i]! / scaled[i]! / value - 1) < TOLERANCE);
}

/** Settings from two pairs that are scaled in part; only their ratios count, so one is chosen. */
function settingsFor(
  factors: Float32Array,
  factor: number,
  frequencies: Float64Array,
  original: number | undefined,
): Omit<Llama3Scaling, 'type' | 'factor'> | undefined {
  const between = [...factors.keys()].filter((i) => factors[i]! > 1 + TOLERANCE && factors[i]! < factor - TOLERANCE);
  const [first, last] = [between[0], between.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  const kept = (i: number): number => (1 / factors[i]! - 1 / factor) / (1 - 1 / factor);
  // kept = slope · frequency + offset, with slope = original / (2π · (high − low)) and offset = −low / (high − low).
  const slope = (kept(first) - kept(last)) / (frequencies[first]! - frequencies[last]!);
  const offset = kept(first) - slope * frequencies[first]!;
  if (!(slope > 0) || !(offset < 0)) return undefined;
  const width = original === undefined ? -1 / offset : original / (2 * Math.PI * slope);
  const round = (value: number): number => Math.round(value * 1e4) / 1e4;
  const low = round(-offset * width);
  const high = round(-offset * width + width);
  const originalPositions = Math.round(slope * 2 * Math.PI * width);
  if (!(low > 0) || !(high > low) || originalPositions < 1) return undefined;
  return { lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions };
}
