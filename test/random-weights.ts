import { type Module, weightsOf } from '../src/nn/module.js';
import { Random } from '../src/util/random.js';

/**
 * Gives every parameter random numbers of a size at which a tiny model's logits differ clearly: none is 0 or 1, as after
 * initialising, so that one that is lost, or in the wrong place, is seen.
 */
export function randomizeWeights<M extends Module>(model: M, seed: number): M {
  const random = new Random(seed);
  for (const [name, parameter] of model.namedParameters()) {
    parameter.name = name;
    const weights = weightsOf(parameter);
    const [rows = 1, width] = parameter.shape as readonly [number, number?];
    const isTable = /embedding/i.test(name);
    const [mean, spread] =
      width === undefined
        ? /norm.*weight$/i.test(name)
          ? [1, 0.2]
          : [0, 0.2]
        : [0, isTable ? 0.3 : 1.4 / Math.sqrt(width)];
    for (let i = 0; i < rows * (width ?? 1); i++) weights[i] = mean + spread * random.normal();
  }
  return model;
}
