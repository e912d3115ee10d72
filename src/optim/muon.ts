import { add, mul, sub } from '../tensor/ops/binary.js';
import { matrixTranspose } from '../tensor/ops/layout.js';
import { matmul } from '../tensor/ops/matmul.js';
import { sumOfSquares } from '../tensor/ops/reduce.js';
import { reciprocal, sqrt } from '../tensor/ops/unary.js';
import { staticShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Variable } from '../tensor/variable.js';
import { AdamW, type AdamWConfig } from './adamw.js';
import { type Optimizer, stateLike, type Updates } from './optimizer.js';

export interface MuonConfig {
  /** Share of the last step that is kept; default 0.95. */
  readonly momentum?: number;
  /** Newton–Schulz iterations; default 5. */
  readonly iterations?: number;
  readonly weightDecay?: number;
  /** For what is not a hidden matrix: embeddings, the head, norms and biases. */
  readonly adamw?: AdamWConfig;
}

/**
 * The nearest semi-orthogonal matrix, roughly: the quintic Newton–Schulz iteration with the coefficients of Jordan et
 * al. 2024, whose singular values land within [0.7, 1.2]. `[n, m] → [n, m]`.
 */
export function orthogonalize(x: Tensor, iterations: number): Tensor {
  const [rows, columns] = staticShape(x.shape) as readonly [number, number];
  const tall = rows > columns;
  let y = tall ? matrixTranspose(x) : x;
  y = mul(y, reciprocal(add(sqrt(sumOfSquares(y)), 1e-7)));
  for (let i = 0; i < iterations; i++) {
    const gram = matmul(y, y, { transposeB: true });
    const mixed = add(mul(gram, -4.775), matmul(gram, gram, { alpha: 2.0315 }));
    y = add(mul(y, 3.4445), matmul(mixed, y));
  }
  return tall ? matrixTranspose(y) : y;
}

/**
 * Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal before they are applied, scaled by
 * `0.2·√max(n, m)` so that a step has the size of AdamW's (Liu et al. 2025). Embeddings, the head and vectors are left
 * to AdamW.
 */
export class Muon implements Optimizer {
  readonly config: Required<MuonConfig>;
  readonly state: readonly Variable[];
  readonly scalarCount: number;
  private readonly velocities: ReadonlyMap<Variable, Variable>;
  private readonly adamw: AdamW;

  constructor(parameters: readonly Variable[], config: MuonConfig = {}) {
    this.config = { momentum: 0.95, iterations: 5, weightDecay: 0.1, adamw: {}, ...config };
    const hidden = parameters.filter(isHiddenMatrix);
    this.velocities = new Map(hidden.map((parameter) => [parameter, stateLike(parameter, 'muon.velocity')]));
    this.adamw = new AdamW(
      parameters.filter((parameter) => !isHiddenMatrix(parameter)),
      this.config.adamw,
    );
    this.scalarCount = 2 + this.adamw.scalarCount;
    this.state = [...this.velocities.values(), ...this.adamw.state];
  }

  scalars(step: number, learningRate: number): number[] {
    return [learningRate, 1 - learningRate * this.config.weightDecay, ...this.adamw.scalars(step, learningRate)];
  }

  update(parameters: readonly Variable[], gradients: readonly Tensor[], scalars: readonly Tensor[]): Updates {
    const { momentum, iterations } = this.config;
    const [rate, keep, ...rest] = scalars as readonly [Tensor, Tensor, ...Tensor[]];
    const updates: (readonly [Variable, Tensor])[] = [];
    const others: [Variable, Tensor][] = [];
    parameters.forEach((parameter, i) => {
      const velocity = this.velocities.get(parameter);
      const gradient = gradients[i]!;
      if (!velocity) {
        others.push([parameter, gradient]);
        return;
      }
      const next = add(mul(velocity.tensor, momentum), gradient);
      const nesterov = add(mul(next, momentum), gradient);
      const scale = 0.2 * Math.sqrt(Math.max(...parameter.shape));
      const step = mul(mul(orthogonalize(nesterov, iterations), scale), rate);
      updates.push([velocity, next], [parameter, sub(mul(parameter.tensor, keep), step)]);
    });
    const [names, their] = [others.map(([parameter]) => parameter), others.map(([, gradient]) => gradient)];
    return [...updates, ...this.adamw.update(names, their, rest)];
  }
}

/** A matrix between hidden layers; tables that are indexed by tokens are not. */
function isHiddenMatrix(parameter: Variable): boolean {
  return parameter.shape.length === 2 && !/^(embedding|head)\b/.test(parameter.name);
}
