import type { Decoder } from '../models/architecture.js';
import { projectedCrossEntropy } from '../nn/project.js';
import { array } from '../runtime/array.js';
import { type CompiledFunction, compile } from '../runtime/compile.js';
import type { Device } from '../runtime/device.js';
import { reshape } from '../tensor/ops/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';

const SMALLEST_LENGTH = 32;

/** Log-probabilities of given tokens, by one pass without a cache. */
export class TokenScorer {
  private readonly model: Decoder;
  private readonly program: CompiledFunction<Tensor>;

  constructor(model: Decoder, device: Device) {
    this.model = model;
    this.program = compile(
      ({ inputs, targets }: { inputs: Tensor; targets: Tensor }): Tensor => {
        const hidden = reshape(model.hidden(inputs), [inputs.shape[1]!, model.config.width]);
        return projectedCrossEntropy(hidden, model.headWeight, targets);
      },
      { device },
    );
  }

  /**
   * `ln p(idsₜ | ids₍<t₎)` in nats for t = 1 … T − 1; not below −87, where numbers end.
   * @throws {InputError} if the ids are more than the model's context and one.
   */
  async score(ids: ArrayLike<number>): Promise<Float32Array> {
    const count = ids.length - 1;
    if (count < 1) return new Float32Array(0);
    const { positions } = this.model.config;
    if (count > positions) {
      throw new InputError('longer than the context of the model', {
        where: 'the text to score',
        expected: `at most ${positions + 1} tokens`,
        got: `${ids.length}`,
        hint: 'Score it in parts.',
      });
    }
    // Few different lengths, so that few programs are compiled. What follows a token does not change it.
    let length = SMALLEST_LENGTH;
    while (length < count) length *= 2;
    length = Math.min(length, positions);
    const inputs = new Int32Array(length);
    const targets = new Int32Array(length);
    for (let i = 0; i < count; i++) {
      inputs[i] = ids[i]!;
      targets[i] = ids[i + 1]!;
    }
    const losses = (await this.program({
      inputs: array(inputs, [1, length]),
      targets: array(targets, [length]),
    })) as HostArray;
    return (losses.data as Float32Array).slice(0, count).map((loss) => -loss);
  }

  async release(): Promise<void> {
    await this.program.release();
  }
}
