import type { EncoderDecoder } from '../models/encoder-decoder.js';
import { projectedCrossEntropy } from '../nn/project.js';
import { array } from '../runtime/array.js';
import { type CompiledFunction, compile } from '../runtime/compile.js';
import type { Device } from '../runtime/device.js';
import { reshape } from '../tensor/ops/layout.js';
import { dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';

/** Log-probabilities of a given answer to a text, by one pass without a cache; one program for all lengths. */
export class AnswerScorer {
  private readonly model: EncoderDecoder;
  private readonly program: CompiledFunction<Tensor>;

  constructor(model: EncoderDecoder, device: Device) {
    this.model = model;
    const [read, written] = [
      [1, dim('S')],
      [1, dim('T')],
    ] as const;
    this.program = compile(
      ({ text, inputs, targets }: { text: Tensor; inputs: Tensor; targets: Tensor }): Tensor => {
        const hidden = model.hidden(inputs, { hidden: model.encode({ ids: text }) });
        const rows = reshape(hidden, [inputs.shape[1]!, model.config.width]);
        return projectedCrossEntropy(rows, model.headWeight, targets);
      },
      { device, shapes: { '0.text': read, '0.inputs': written, '0.targets': [dim('T')] } },
    );
  }

  /** `ln p(answerₜ | text, answer₍<t₎)` in nats; not below −87, where numbers end. */
  async score(text: readonly number[], answer: readonly number[]): Promise<Float32Array> {
    const count = answer.length;
    if (count === 0) return new Float32Array(0);
    const losses = (await this.program({
      text: array(Int32Array.from(text), [1, text.length]),
      inputs: array(Int32Array.from([this.model.config.decoderStartId, ...answer.slice(0, -1)]), [1, count]),
      targets: array(Int32Array.from(answer), [count]),
    })) as HostArray;
    return (losses.data as Float32Array).map((loss) => -loss);
  }

  async release(): Promise<void> {
    await this.program.release();
  }
}
