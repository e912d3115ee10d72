import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import { type Initializer, normalInit, Parameter } from './parameter.js';
import { lookUp } from './project.js';

export interface EmbeddingConfig {
  readonly count: number;
  readonly width: number;
  /** Default: normal with deviation 0.02. */
  readonly init?: Initializer;
}

/** A table of vectors; integers `[...S]` → `[...S, width]`. */
export class Embedding extends Module {
  readonly config: EmbeddingConfig;
  readonly weight: Parameter;

  constructor(config: EmbeddingConfig) {
    super();
    this.config = config;
    this.weight = new Parameter([config.count, config.width], config.init ?? normalInit(0.02));
  }

  forward(ids: Tensor): Tensor {
    return lookUp(ids, this.weight);
  }
}
