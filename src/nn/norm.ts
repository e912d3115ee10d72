import { layerNorm, rmsNorm } from '../tensor/ops/normalization.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import { onesInit, Parameter, zerosInit } from './parameter.js';

export interface NormConfig {
  readonly width: number;
  /** Added to the variance; default 1e-5. */
  readonly epsilon?: number;
  /** LayerNorm alone; default true. */
  readonly bias?: boolean;
}

/** Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019). */
export class RmsNorm extends Module {
  readonly config: NormConfig;
  readonly weight: Parameter;

  constructor(config: NormConfig) {
    super();
    this.config = config;
    this.weight = new Parameter([config.width], onesInit);
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.tensor, this.config.epsilon);
  }
}

/** Layer normalisation over the last axis (Ba et al. 2016). */
export class LayerNorm extends Module {
  readonly config: NormConfig;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(config: NormConfig) {
    super();
    this.config = config;
    this.weight = new Parameter([config.width], onesInit);
    this.bias = (config.bias ?? true) ? new Parameter([config.width], zerosInit) : undefined;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.tensor, this.bias?.tensor, this.config.epsilon);
  }
}
