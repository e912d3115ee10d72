import { Variable } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import { type RopeScaling, rotaryFrequencies } from './rope-scaling.js';

/** The rotation tables of rotary position embedding, `[positions, width/2]` each. They are not weights. */
export interface RotaryTables {
  readonly cosines: Variable;
  readonly sines: Variable;
}

/**
 * `cos(p·θ^(−2i/width))` and `sin(…)` for position p and pair i (Su et al. 2021).
 * @param width of a head; @param theta base of the wavelengths, 10,000 in the paper; @param scaling for longer contexts.
 */
export function rotaryTables(
  positions: number,
  width: number,
  theta: number = 10_000,
  scaling?: RopeScaling,
): RotaryTables {
  if (!(width > 0 && width % 2 === 0)) {
    throw new InputError('rotary positions turn pairs', {
      where: 'rotaryTables',
      expected: 'an even width',
      got: `${width}`,
    });
  }
  const half = width / 2;
  const { frequencies, factor } = rotaryFrequencies(width, theta, scaling);
  const cosines = new Float32Array(positions * half);
  const sines = new Float32Array(positions * half);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      const angle = p * frequencies[i]!;
      cosines[p * half + i] = factor * Math.cos(angle);
      sines[p * half + i] = factor * Math.sin(angle);
    }
  }
  const variable = (name: string, data: Float32Array): Variable =>
    new Variable(name, { dtype: 'float32', shape: [positions, half], data } as never);
  return { cosines: variable('rope.cosines', cosines), sines: variable('rope.sines', sines) };
}
