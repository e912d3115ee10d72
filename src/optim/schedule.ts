import { InputError } from '../util/errors.js';

/** The learning rate as a share of its peak, by step (from 0) of all steps. */
export type Schedule = (step: number, steps: number) => number;

export interface ScheduleConfig {
  readonly kind: 'cosine' | 'wsd' | 'constant';
  /** Steps over which the rate rises from 0. */
  readonly warmupSteps: number;
  /** Where it ends, as a share of the peak. */
  readonly finalShare: number;
  /** wsd: share of all steps spent decaying at the end. */
  readonly decayShare: number;
}

/**
 * Linear warm-up, then: `cosine`, half a cosine down to `finalShare` (Loshchilov and Hutter 2016); `wsd`, constant and
 * then linear down over the last `decayShare` of the steps (Hu et al. 2024, "MiniCPM"); `constant`.
 */
export function schedule(config: ScheduleConfig): Schedule {
  const { kind, warmupSteps, finalShare, decayShare } = config;
  if (!(finalShare >= 0 && finalShare <= 1 && decayShare >= 0 && decayShare <= 1 && warmupSteps >= 0)) {
    throw new InputError('out of range', {
      where: 'schedule',
      expected: 'warmupSteps ≥ 0, finalShare and decayShare in [0, 1]',
      got: JSON.stringify(config),
    });
  }
  return (step, steps) => {
    if (step < warmupSteps) return (step + 1) / (warmupSteps + 1);
    const done = steps <= warmupSteps ? 1 : Math.min((step - warmupSteps) / (steps - warmupSteps), 1);
    if (kind === 'cosine') return finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * done));
    if (kind === 'wsd' && decayShare > 0) {
      const left = Math.min((steps - step) / (steps * decayShare), 1);
      return finalShare + (1 - finalShare) * Math.max(left, 0);
    }
    return 1;
  };
}
