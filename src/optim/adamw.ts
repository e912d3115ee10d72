import { add, div, mul, sub } from '../tensor/ops/binary.js';
import { sqrt, square } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Variable } from '../tensor/variable.js';
import { isDecayed, type Optimizer, stateLike, type Updates } from './optimizer.js';

export interface AdamWConfig {
  /** Decay of the mean of gradients; default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients; default 0.95. */
  readonly beta2?: number;
  /** Added to the root; default 1e-8. */
  readonly epsilon?: number;
  /** Pull of matrices towards zero, a step: `learningRate · weightDecay · w`; default 0.1. */
  readonly weightDecay?: number;
}

/**
 * AdamW (Loshchilov and Hutter 2017, algorithm 2):
 *
 *     m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²
 *     w ← w − η·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε) − η·λ·w
 *
 * The state holds `M = m/(1−β₁)` and `V = v/(1−β₂)`, which saves two passes over memory; with `A = η(1−β₁)/(1−β₁ᵗ)` and
 * `B = √((1−β₂)/(1−β₂ᵗ))` the step is `w − M / ((B/A)√V + ε/A)`.
 */
export class AdamW implements Optimizer {
  readonly config: Required<AdamWConfig>;
  readonly state: readonly Variable[];
  readonly scalarCount = 3;
  private readonly moments: ReadonlyMap<Variable, { readonly first: Variable; readonly second: Variable }>;

  constructor(parameters: readonly Variable[], config: AdamWConfig = {}) {
    this.config = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, ...config };
    this.moments = new Map(
      parameters.map((parameter) => [
        parameter,
        { first: stateLike(parameter, 'adamw.first'), second: stateLike(parameter, 'adamw.second') },
      ]),
    );
    this.state = [...this.moments.values()].flatMap(({ first, second }) => [first, second]);
  }

  scalars(step: number, learningRate: number): number[] {
    const { beta1, beta2, epsilon, weightDecay } = this.config;
    const rate = Math.max((learningRate * (1 - beta1)) / (1 - beta1 ** step), 1e-30);
    const root = Math.sqrt((1 - beta2) / (1 - beta2 ** step));
    return [root / rate, epsilon / rate, 1 - learningRate * weightDecay];
  }

  update(parameters: readonly Variable[], gradients: readonly Tensor[], scalars: readonly Tensor[]): Updates {
    const { beta1, beta2, weightDecay } = this.config;
    const [rootFactor, epsilon, keep] = scalars as readonly [Tensor, Tensor, Tensor];
    return parameters.flatMap((parameter, i) => {
      const { first, second } = this.moments.get(parameter)!;
      const gradient = gradients[i]!;
      const m = add(mul(first.tensor, beta1), gradient);
      const v = add(mul(second.tensor, beta2), square(gradient));
      const step = div(m, add(mul(sqrt(v), rootFactor), epsilon));
      const kept = isDecayed(parameter) && weightDecay > 0 ? mul(parameter.tensor, keep) : parameter.tensor;
      return [
        [first, m],
        [second, v],
        [parameter, sub(kept, step)],
      ] as const;
    });
  }
}
