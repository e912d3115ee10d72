import { add } from '../tensor/ops/binary.js';
import { reshape } from '../tensor/ops/layout.js';
import { multiplyDims } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import { type Initializer, normalInit, Parameter, zerosInit } from './parameter.js';
import { project } from './project.js';

export interface LinearConfig {
  readonly inputs: number;
  readonly outputs: number;
  readonly bias?: boolean;
  /** Default: normal with deviation 0.02. */
  readonly init?: Initializer;
}

/** `x · weightᵀ + bias`; weight `[outputs, inputs]` as PyTorch and Hugging Face store it. `[...S, in] → [...S, out]`. */
export class Linear extends Module {
  readonly config: LinearConfig;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(config: LinearConfig) {
    super();
    this.config = config;
    this.weight = new Parameter([config.outputs, config.inputs], config.init ?? normalInit(0.02));
    this.bias = config.bias ? new Parameter([config.outputs], zerosInit) : undefined;
  }

  forward(x: Tensor): Tensor {
    // A packed weight takes any number of axes; a plain one is fastest as one product of two matrices.
    if (this.weight.quantized) {
      const y = project(x, this.weight);
      return this.bias ? add(y, this.bias.tensor) : y;
    }
    const rows = x.shape.slice(0, -1).reduce(multiplyDims, 1);
    const flat = reshape(x, [rows, this.config.inputs]);
    const y = project(flat, this.weight);
    return reshape(this.bias ? add(y, this.bias.tensor) : y, [...x.shape.slice(0, -1), this.config.outputs]);
  }
}
