import { mul } from '../tensor/ops/binary.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Activation, activate } from './feed-forward.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import type { Initializer } from './parameter.js';

export interface GatedFeedForwardConfig {
  readonly width: number;
  readonly hidden: number;
  readonly activation: Activation;
  readonly init?: Initializer;
  readonly outputInit?: Initializer;
}

/**
 * `W_down · (activation(W_gate · x) · (W_up · x))` with any activation (Shazeer 2020, "GLU Variants Improve
 * Transformer"), without biases. `[...S, width] → [...S, width]`.
 */
export class GatedFeedForward extends Module {
  readonly config: GatedFeedForwardConfig;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;

  constructor(config: GatedFeedForwardConfig) {
    super();
    this.config = config;
    const { width, hidden, init, outputInit } = config;
    const inner = { inputs: width, outputs: hidden, ...(init ? { init } : {}) };
    this.gate = new Linear(inner);
    this.up = new Linear(inner);
    this.down = new Linear({ inputs: hidden, outputs: width, ...(outputInit ? { init: outputInit } : {}) });
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(mul(activate(this.config.activation, this.gate.forward(x)), this.up.forward(x)));
  }
}
