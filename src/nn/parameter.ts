import { type ArrayValue, type HostArray, Variable } from '../tensor/variable.js';
import { hashText, philox4x32 } from '../util/random.js';
import { dequantizeWeight, type QuantizedWeight } from './quantized-weight.js';

/** Fills an array with a module's first weights. `stream` names the random numbers, so order does not matter. */
export type Initializer = (data: Float32Array, seed: number, stream: string) => void;

/** A weight: a variable that training may change. */
export class Parameter extends Variable {
  /** False freezes it: no gradient, no update. */
  trainable = true;
  readonly initializer: Initializer;
  #quantized: QuantizedWeight | undefined;

  constructor(shape: readonly number[], initializer: Initializer) {
    const size = shape.reduce((product, n) => product * n, 1);
    super('parameter', { dtype: 'float32', shape, data: new Float32Array(size) } as never);
    this.initializer = initializer;
  }

  /** The same weight packed into few bits, once `quantize` has put it in the place of the numbers. */
  get quantized(): QuantizedWeight | undefined {
    return this.#quantized;
  }

  /** Keeps a packed weight instead of the numbers, whose memory is let go. It is frozen. */
  quantize(weight: QuantizedWeight): void {
    this.#quantized = weight;
    this.trainable = false;
    super.value = { dtype: this.dtype, shape: this.shape, data: EMPTY } as never;
  }

  /** The numbers; of a packed weight, what it stands for, unpacked at each call. */
  override get value(): ArrayValue {
    if (!this.#quantized) return super.value;
    return { dtype: 'float32', shape: this.shape, data: dequantizeWeight(this.#quantized) } as HostArray;
  }

  override set value(next: ArrayValue) {
    super.value = next;
    this.#quantized = undefined;
  }
}

const EMPTY = new Float32Array(0);

export const zerosInit: Initializer = (data) => {
  data.fill(0);
};

export const onesInit: Initializer = (data) => {
  data.fill(1);
};

/** Normal with mean 0, by Box and Muller over Philox blocks. */
export function normalInit(deviation: number): Initializer {
  return (data, seed, stream) => {
    const words = new Uint32Array(4);
    const key = [seed >>> 0, hashText(stream)] as const;
    for (let i = 0; i < data.length; i += 4) {
      philox4x32([i >>> 2, 0, 0, 1], key, words);
      for (let half = 0; half < 4; half += 2) {
        const radius = deviation * Math.sqrt(-2 * Math.log((words[half]! + 0.5) * 2 ** -32));
        const angle = 2 * Math.PI * words[half + 1]! * 2 ** -32;
        if (i + half < data.length) data[i + half] = radius * Math.cos(angle);
        if (i + half + 1 < data.length) data[i + half + 1] = radius * Math.sin(angle);
      }
    }
  };
}
