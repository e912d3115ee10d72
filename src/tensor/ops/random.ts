import { philox4x32 } from '../../util/random.js';
import type { DType } from '../dtype.js';
import { isFloating } from '../dtype.js';
import { defineSingleOutputOp, type Emitter } from '../op.js';
import { multiplyDims, type Shape, ShapeError, staticSize } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { add, div, mul } from './binary.js';
import { less, where } from './compare.js';
import { cast } from './create.js';
import { reshape } from './layout.js';
import { slice } from './slice.js';
import { cos, log, sqrt } from './unary.js';

interface RandomBitsAttributes {
  readonly shape: readonly number[];
  /** Tells several draws from one key apart. */
  readonly tag: number;
}

const randomBitsOp = defineSingleOutputOp<RandomBitsAttributes>({
  name: 'randomBits',
  infer: ([key], { shape }) => {
    if (key!.dtype !== 'int64' || staticSize(key!.shape) !== 2) {
      throw new ShapeError('a key is two int64 words', { where: 'random', got: `${key!.dtype} of ${key!.shape}` });
    }
    return [{ dtype: 'int64', shape }];
  },
  reference: ([key], { shape, tag }) => {
    const size = staticSize(shape);
    const words = new Uint32Array(Math.ceil(size / 4) * 4);
    const [k0, k1] = [key!.data[0]! >>> 0, key!.data[1]! >>> 0];
    for (let block = 0; block < words.length / 4; block++) philox4x32([block, 0, tag, 0], [k0, k1], words, block * 4);
    return [Float64Array.from(words.subarray(0, size))];
  },
  onnx: (emit, [key], { attributes }) => [emitPhilox(emit, key!, attributes)],
  samples: () => [
    { inputs: [{ shape: [2], dtype: 'int64', values: [7, 123456789] }], attributes: { shape: [3, 5], tag: 2 } },
  ],
});

/** Philox 4x32-10 in int64 arithmetic: products wrap, and the high word comes from an unsigned shift. */
function emitPhilox(emit: Emitter, key: string, { shape, tag }: RandomBitsAttributes): string {
  const size = staticSize(shape);
  const one = (op: string, ...inputs: string[]): string => emit.node(op, inputs)[0]!;
  const word = (value: number): string => emit.ints([value]);
  const mask = word(0xffffffff);
  const low = (x: string): string => one('BitwiseAnd', x, mask);
  const shift = emit.constant('uint8', [1], Uint8Array.of(32));
  const unsigned = (x: string): string => emit.node('Cast', [x], { to: 13 })[0]!;
  const wide = unsigned(emit.node('Cast', [shift], { to: 7 })[0]!);
  const high = (x: string): string => {
    const [shifted] = emit.node('BitShift', [unsigned(x), wide], { direction: 'RIGHT' });
    return emit.node('Cast', [shifted!], { to: 7 })[0]!;
  };
  const xor = (a: string, b: string): string => one('BitwiseXor', a, b);

  const blocks = Math.ceil(size / 4);
  let c0 = emit.node('Range', [emit.scalar('int64', 0), emit.scalar('int64', blocks), emit.scalar('int64', 1)])[0]!;
  const zero = one('Mul', c0, word(0));
  let [c1, c2, c3] = [zero, one('Add', zero, word(tag)), zero];
  let [k0, k1] = emit.node('Split', [low(key), emit.ints([1, 1])], { axis: 0 }, { outputs: 2 }) as [string, string];
  for (let round = 0; round < 10; round++) {
    const product0 = one('Mul', c0, word(0xd2511f53));
    const product1 = one('Mul', c2, word(0xcd9e8d57));
    c0 = xor(xor(high(product1), c1), k0);
    c2 = xor(xor(high(product0), c3), k1);
    c1 = low(product1);
    c3 = low(product0);
    k0 = low(one('Add', k0, word(0x9e3779b9)));
    k1 = low(one('Add', k1, word(0xbb67ae85)));
  }
  const columns = [c0, c1, c2, c3].map((c) => one('Unsqueeze', c, emit.ints([1])));
  const [table] = emit.node('Concat', columns, { axis: 1 });
  const flat = one('Reshape', table!, emit.ints([-1]));
  const cut = one('Slice', flat, emit.ints([0]), emit.ints([size]));
  return one('Reshape', cut, emit.ints(shape));
}

/**
 * Uniform 32-bit words (as int64) of the Philox stream that a key names; the same on every device and in plain
 * JavaScript (`util/random`). The key, int64 `[2]`, is an ordinary input: feed another one at each step.
 */
export function randomBits(key: Tensor, shape: readonly number[], tag = 0): Tensor {
  return randomBitsOp([key], { shape, tag });
}

/** Uniform in [0, 1), 24 bits. */
export function uniform(key: Tensor, shape: readonly number[], dtype: DType = 'float32', tag = 0): Tensor {
  return mul(cast(div(randomBits(key, shape, tag), 256), dtype), 2 ** -24);
}

/** Standard normal by Box and Muller. */
export function normal(key: Tensor, shape: readonly number[], dtype: DType = 'float32', tag = 0): Tensor {
  const size = staticSize(shape);
  const words = uniform(key, [2 * size], dtype, tag);
  const radius = sqrt(mul(log(add(slice(words, 0, 0, size), 2 ** -25)), -2));
  return reshape(mul(radius, cos(mul(slice(words, 0, size), 2 * Math.PI))), shape);
}

/** Dropout (Srivastava et al. 2014): zero with the given probability, else scaled by `1/(1 − rate)`. */
export function dropout(x: Tensor, rate: number, key: Tensor, tag = 0): Tensor {
  if (rate === 0) return x;
  if (!isFloating(x.dtype) || !(rate >= 0 && rate < 1)) {
    throw new ShapeError('the rate must be in [0, 1)', { where: 'dropout', got: `${rate}` });
  }
  const shape: Shape = x.shape;
  const total = shape.reduce(multiplyDims, 1);
  if (typeof total !== 'number') throw new ShapeError('the shape must be known', { where: 'dropout' });
  const keep = 1 - rate;
  return where(less(uniform(key, shape as readonly number[], x.dtype, tag), keep), mul(x, 1 / keep), 0);
}
