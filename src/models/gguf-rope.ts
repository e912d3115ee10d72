import type { GgufField } from '../gguf/field.js';
import { type RopeScaling, rotaryFrequencies, yarnAttentionFactor } from '../nn/rope-scaling.js';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { GgufFields } from './gguf-fields.js';
import { inferLlama3Scaling } from './gguf-rope-factors.js';

/** The tensor in which llama.cpp's converter keeps Llama 3's scaling: what each pair's frequency is divided by. */
export const ROPE_FACTORS = 'rope_freqs.weight';

const TYPE = 'rope.scaling.type';
const FACTOR = 'rope.scaling.factor';
const ORIGINAL = 'rope.scaling.original_context_length';
const ATTENTION_FACTOR = 'rope.scaling.attn_factor';
const BETA_FAST = 'rope.scaling.yarn_beta_fast';
const BETA_SLOW = 'rope.scaling.yarn_beta_slow';

const FIRST_POSITIONS = [1, 1 << 24] as const;

/** What the rotation is read from, beside the fields. */
export interface GgufRotation {
  readonly headWidth: number;
  readonly theta: number;
  /** The elements of `ROPE_FACTORS`, where it is there. */
  readonly factors: Float32Array | undefined;
}

/**
 * How the rotation is stretched, as `rope_scaling` of a `config.json` says it; undefined where it is not.
 *
 * @throws {InputError} for a scheme that is not built here.
 */
export function readGgufScaling(fields: GgufFields, rotation: GgufRotation): { [key: string]: Json } | undefined {
  const said = readSaidScaling(fields);
  if (rotation.factors === undefined) return said;
  const found = inferLlama3Scaling(rotation.factors, rotation, originalOf(fields));
  if (found === undefined || said !== undefined) {
    throw new InputError('this stretching of the rotation is not supported', {
      where: `${fields.where}: tensor '${ROPE_FACTORS}'`,
      expected: said === undefined ? "factors of Llama 3's scheme" : `no factors beside ${FACTOR}`,
      got: `${rotation.factors.length} factors, from ${rotation.factors[0]} to ${rotation.factors.at(-1)}`,
      hint: 'The model would compute something else without it, so it is not loaded.',
    });
  }
  if (found === 'none') return undefined;
  return {
    rope_type: 'llama3',
    factor: found.factor,
    low_freq_factor: found.lowFrequencyFactor,
    high_freq_factor: found.highFrequencyFactor,
    original_max_position_embeddings: found.originalPositions,
  };
}

function originalOf(fields: GgufFields): number | undefined {
  return fields.get(ORIGINAL) === undefined ? undefined : fields.whole(ORIGINAL, FIRST_POSITIONS);
}

function readSaidScaling(fields: GgufFields): { [key: string]: Json } | undefined {
  fields.unsupported('rope.scaling.alpha', [0]);
  fields.unsupported('rope.scaling.yarn_log_multiplier', [0]);
  fields.unsupported('rope.scaling.yarn_attn_factor', [1, -1]);
  fields.unsupported('rope.scaling.yarn_ext_factor', [1, -1]);
  // Files from before the type had a key of its own scale linearly.
  const key = fields.get(FACTOR) === undefined ? 'rope.scale_linear' : FACTOR;
  const type = fields.text(TYPE) ?? 'linear';
  if (fields.get(key) === undefined || fields.get(key) === 0 || type === 'none') {
    if (type === 'yarn' || !['none', 'linear'].includes(type)) throw fields.fault(FACTOR, `the factor of ${type}`);
    return undefined;
  }
  const factor = fields.positive(key);
  if (type === 'linear') {
    fields.unsupported(ATTENTION_FACTOR, [1]);
    return factor === 1 ? undefined : { rope_type: 'linear', factor };
  }
  if (type !== 'yarn') throw fields.fault(TYPE, 'none, linear or yarn', 'The model would compute something else.');
  return {
    rope_type: 'yarn',
    factor,
    original_max_position_embeddings: fields.whole(ORIGINAL, FIRST_POSITIONS),
    beta_fast: fields.positive(BETA_FAST, 32),
    beta_slow: fields.positive(BETA_SLOW, 1),
    attention_factor: yarnAttentionFactor(factor) * fields.positive(ATTENTION_FACTOR, 1),
    truncate: true,
  };
}

/** A stretched rotation in the form of a GGUF file. */
export interface WrittenScaling {
  /** By keys without the architecture's name. */
  readonly fields: readonly (readonly [string, GgufField])[];
  /** The elements of `ROPE_FACTORS`. */
  readonly factors?: Float32Array;
  /** What llama.cpp does otherwise, in a sentence. */
  readonly note?: string;
}

/** @throws {InputError} for a scheme that llama.cpp does not have. */
export function writeGgufScaling(
  scaling: RopeScaling | undefined,
  architecture: string,
  headWidth: number,
  theta: number,
): WrittenScaling {
  const text = (key: string, value: string): [string, GgufField] => [key, { type: 'string', value }];
  const float = (key: string, value: number): [string, GgufField] => [key, { type: 'f32', value }];
  const whole = (key: string, value: number): [string, GgufField] => [key, { type: 'u32', value }];
  const refuse = (got: string): InputError =>
    new InputError(`llama.cpp cannot stretch the rotation of a ${architecture} so`, {
      where: 'scaling',
      got,
      hint: 'Export the model as safetensors or ONNX.',
    });
  switch (scaling?.type) {
    case undefined:
      return { fields: [] };
    case 'linear':
      return { fields: [text(TYPE, 'linear'), float(FACTOR, scaling.factor)] };
    case 'dynamic':
      // Up to the model's positions, which is as far as a file can say, nothing is scaled.
      return {
        fields: [],
        note: 'llama.cpp has no dynamic stretching: the context ends where the model was trained to.',
      };
    case 'llama3': {
      if (architecture !== 'llama') throw refuse('llama3');
      const plain = rotaryFrequencies(headWidth, theta).frequencies;
      const scaled = rotaryFrequencies(headWidth, theta, scaling).frequencies;
      return {
        fields: [whole(ORIGINAL, scaling.originalPositions)],
        factors: Float32Array.from(plain, (frequency, i) => frequency / scaled[i]!),
      };
    }
    case 'yarn': {
      // llama.cpp knows these values alone here. Often the borders, rounded to whole pairs, are the same with others.
      const known: RopeScaling = { ...scaling, betaFast: 32, betaSlow: 1, truncate: true };
      const [own, theirs] = [scaling, known].map((one) => rotaryFrequencies(headWidth, theta, one).frequencies);
      if (own!.some((frequency, i) => frequency !== theirs![i])) {
        throw refuse(
          `yarn with beta_fast ${scaling.betaFast}, beta_slow ${scaling.betaSlow}, truncate ${scaling.truncate}`,
        );
      }
      const attention = scaling.attentionFactor / yarnAttentionFactor(scaling.factor);
      return {
        fields: [
          text(TYPE, 'yarn'),
          float(FACTOR, scaling.factor),
          whole(ORIGINAL, scaling.originalPositions),
          ...(Math.fround(attention) === 1 ? [] : [float(ATTENTION_FACTOR, attention)]),
          ...(scaling.betaFast === 32 ? [] : [float(BETA_FAST, scaling.betaFast)]),
          ...(scaling.betaSlow === 1 ? [] : [float(BETA_SLOW, scaling.betaSlow)]),
        ],
      };
    }
  }
}
