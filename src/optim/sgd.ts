import { add, mul, sub } from '../tensor/ops/binary.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Variable } from '../tensor/variable.js';
import { isDecayed, type Optimizer, stateLike, type Updates } from './optimizer.js';

export interface SgdConfig {
  /** Share of the last step that is kept; default 0.9. */
  readonly momentum?: number;
  /** Pull of matrices towards zero; default 0. */
  readonly weightDecay?: number;
}

/** Stochastic gradient descent with momentum (Polyak 1964): `u ← μu + g`, `w ← w − η·u − η·λ·w`. */
export class Sgd implements Optimizer {
  readonly config: Required<SgdConfig>;
  readonly state: readonly Variable[];
  readonly scalarCount = 2;
  private readonly velocities: ReadonlyMap<Variable, Variable>;

  constructor(parameters: readonly Variable[], config: SgdConfig = {}) {
    this.config = { momentum: 0.9, weightDecay: 0, ...config };
    this.velocities = new Map(parameters.map((parameter) => [parameter, stateLike(parameter, 'sgd.velocity')]));
    this.state = [...this.velocities.values()];
  }

  scalars(_step: number, learningRate: number): number[] {
    return [learningRate, 1 - learningRate * this.config.weightDecay];
  }

  update(parameters: readonly Variable[], gradients: readonly Tensor[], scalars: readonly Tensor[]): Updates {
    const [rate, keep] = scalars as readonly [Tensor, Tensor];
    return parameters.flatMap((parameter, i) => {
      const velocity = this.velocities.get(parameter)!;
      const next = add(mul(velocity.tensor, this.config.momentum), gradients[i]!);
      const decays = isDecayed(parameter) && this.config.weightDecay > 0;
      const kept = decays ? mul(parameter.tensor, keep) : parameter.tensor;
      return [[velocity, next] as const, [parameter, sub(kept, mul(next, rate))] as const];
    });
  }
}
