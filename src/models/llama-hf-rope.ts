import { type RopeScaling, yarnAttentionFactor } from '../nn/rope-scaling.js';
import type { Json } from '../util/json.js';
import { ConfigFields, type JsonConfig } from './config-fields.js';

/** The rotation of a configuration. */
export interface Rotation {
  readonly theta: number;
  readonly scaling?: RopeScaling;
}

const MOST_THETA = 1e12;
const MOST_FACTOR = 1e6;

/**
 * The rotation's base and how it is stretched: `rope_theta` and `rope_scaling`, or in newer files `rope_parameters` with
 * both. Of a file that has the old and the new, the old ones count, as they do for the library.
 *
 * @param positions `max_position_embeddings`.
 * @throws {InputError} for a scheme that is not built, or a bad number.
 */
export function readRotation(fields: ConfigFields, positions: number): Rotation {
  fields.unsupported('partial_rotary_factor', [1]);
  const key = isSaid(fields.get('rope_scaling')) ? 'rope_scaling' : 'rope_parameters';
  const nested = fields.get(key);
  const outerTheta = fields.positive('rope_theta', MOST_THETA, 10_000);
  if (nested === undefined) return { theta: outerTheta };
  if (typeof nested !== 'object' || nested === null || Array.isArray(nested)) throw fields.fault(key, 'an object');
  const inner = new ConfigFields(nested as JsonConfig, `${fields.where}: ${key}`);
  inner.unsupported('partial_rotary_factor', [1]);
  const theta = inner.positive('rope_theta', MOST_THETA, outerTheta);
  // Older files call the type `type`.
  const name = inner.get('rope_type') === undefined ? 'type' : 'rope_type';
  const scaling = readScaling(inner, name, positions);
  return scaling === undefined ? { theta } : { theta, scaling };
}

/** An empty object says nothing. */
function isSaid(value: Json | undefined): boolean {
  return value !== undefined && !(value !== null && typeof value === 'object' && Object.keys(value).length === 0);
}

function readScaling(inner: ConfigFields, key: string, positions: number): RopeScaling | undefined {
  const type = inner.get(key) ?? 'default';
  const factor = (fallback?: number): number => inner.positive('factor', MOST_FACTOR, fallback);
  const original = (): number => inner.whole('original_max_position_embeddings', [1, 1 << 24], positions);
  switch (type) {
    case 'default':
      return undefined;
    case 'linear':
    case 'dynamic':
      return { type, factor: factor() };
    case 'llama3': {
      const [lowFrequencyFactor, highFrequencyFactor] = ['low_freq_factor', 'high_freq_factor'].map((name) =>
        inner.positive(name, MOST_FACTOR),
      ) as [number, number];
      if (highFrequencyFactor <= lowFrequencyFactor) throw inner.fault('high_freq_factor', 'more than low_freq_factor');
      return { type, factor: factor(), lowFrequencyFactor, highFrequencyFactor, originalPositions: original() };
    }
    case 'yarn': {
      const originalPositions = original();
      const scale = factor(positions / originalPositions);
      return {
        type,
        factor: scale,
        originalPositions,
        betaFast: inner.positive('beta_fast', MOST_FACTOR, 32),
        betaSlow: inner.positive('beta_slow', MOST_FACTOR, 1),
        attentionFactor: inner.positive('attention_factor', MOST_FACTOR, impliedAttentionFactor(inner, scale)),
        truncate: inner.flag('truncate', true),
      };
    }
    default:
      throw inner.fault(key, 'default, linear, dynamic, llama3 or yarn', 'The model would compute something else.');
  }
}

function impliedAttentionFactor(inner: ConfigFields, factor: number): number {
  const [scale, allScale] = [inner.get('mscale'), inner.get('mscale_all_dim')];
  if (typeof scale !== 'number' || typeof allScale !== 'number' || scale === 0 || allScale === 0) {
    return yarnAttentionFactor(factor);
  }
  return yarnAttentionFactor(factor, scale) / yarnAttentionFactor(factor, allScale);
}

/** The same as keys of a `config.json` that old and new libraries read. */
export function writeRotation({ theta, scaling }: Rotation): { [key: string]: Json } {
  if (scaling === undefined) return { rope_theta: theta };
  return { rope_theta: theta, rope_scaling: { rope_type: scaling.type, ...scalingFields(scaling) } };
}

function scalingFields(scaling: RopeScaling): { [key: string]: Json } {
  switch (scaling.type) {
    case 'llama3':
      return {
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalPositions,
      };
    case 'yarn':
      return {
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalPositions,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        attention_factor: scaling.attentionFactor,
        truncate: scaling.truncate,
      };
    default:
      return { factor: scaling.factor };
  }
}
