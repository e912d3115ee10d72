import { gelu, geluTanh, reluSquared, silu } from '../tensor/ops/activation.js';
import { mul } from '../tensor/ops/binary.js';
import { relu } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import type { Initializer } from './parameter.js';

const ACTIVATIONS = { gelu, geluTanh, relu, reluSquared, silu } as const;

/** The function between the two layers of a feed-forward. `geluTanh` is GPT-2's approximation of GELU. */
export type Activation = keyof typeof ACTIVATIONS;

/** An activation by its name, element by element. */
export function activate(activation: Activation, x: Tensor): Tensor {
  return ACTIVATIONS[activation](x);
}

export interface FeedForwardConfig {
  readonly width: number;
  readonly hidden: number;
  readonly activation: Activation;
  readonly bias?: boolean;
  readonly init?: Initializer;
  readonly outputInit?: Initializer;
}

/** `W₂ · activation(W₁ · x)`, position by position. `[...S, width] → [...S, width]`. */
export class FeedForward extends Module {
  readonly config: FeedForwardConfig;
  readonly up: Linear;
  readonly down: Linear;

  constructor(config: FeedForwardConfig) {
    super();
    this.config = config;
    const { width, hidden, bias = false, init, outputInit } = config;
    this.up = new Linear({ inputs: width, outputs: hidden, bias, ...(init ? { init } : {}) });
    this.down = new Linear({ inputs: hidden, outputs: width, bias, ...(outputInit ? { init: outputInit } : {}) });
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(activate(this.config.activation, this.up.forward(x)));
  }
}

export interface SwiGluConfig {
  readonly width: number;
  readonly hidden: number;
  readonly bias?: boolean;
  readonly init?: Initializer;
  readonly outputInit?: Initializer;
}

/** `W_down · (silu(W_gate · x) · (W_up · x))` (Shazeer 2020). `[...S, width] → [...S, width]`. */
export class SwiGlu extends Module {
  readonly config: SwiGluConfig;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;

  constructor(config: SwiGluConfig) {
    super();
    this.config = config;
    const { width, hidden, bias = false, init, outputInit } = config;
    const inner = { bias, ...(init ? { init } : {}) };
    this.gate = new Linear({ inputs: width, outputs: hidden, ...inner });
    this.up = new Linear({ inputs: width, outputs: hidden, ...inner });
    this.down = new Linear({ inputs: hidden, outputs: width, bias, ...(outputInit ? { init: outputInit } : {}) });
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(mul(silu(this.gate.forward(x)), this.up.forward(x)));
  }
}
