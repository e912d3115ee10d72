import { defineSingleOutputOp } from '../op.js';
import { equalShapes, formatShape, type Shape, ShapeError } from '../shape.js';
import { requireFloating, sameDType, type Tensor } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { gather } from './gather.js';
import { reshape } from './layout.js';
import { concat, split } from './slice.js';
import { neg } from './unary.js';

const rotaryOp = defineSingleOutputOp<null>({
  name: 'rotary',
  infer: ([x, positions, cosines, sines]) => {
    requireFloating('rotary', x!);
    sameDType('rotary', [x!, cosines!, sines!]);
    const width = x!.shape.at(-1)!;
    const half: Shape = [cosines!.shape[0]!, typeof width === 'number' ? width / 2 : width];
    if (x!.shape.length !== 4 || !equalShapes(cosines!.shape, half) || !equalShapes(sines!.shape, half)) {
      throw new ShapeError('the rotation tables do not fit', {
        where: 'rotary',
        expected: 'x [B, H, T, D], cosines and sines [P, D/2]',
        got: [x!, cosines!, sines!].map((t) => formatShape(t.shape)).join(', '),
      });
    }
    if (positions!.dtype !== 'int64' || positions!.shape.length !== 2) {
      throw new ShapeError('positions must be int64 [B, T] or [1, T]', {
        where: 'rotary',
        got: `${positions!.dtype} ${formatShape(positions!.shape)}`,
      });
    }
    return [x!];
  },
  vjp: ({ outputs: [g], node }) => {
    const [, positions, cosines, sines] = node.inputs as [Tensor, Tensor, Tensor, Tensor];
    return [g && rotary(g, positions, cosines, neg(sines))];
  },
  decompose: ([x, positions, cosines, sines]) => {
    const [batch, time] = positions!.shape as [number, number];
    const half = cosines!.shape[1]!;
    const at = (table: Tensor): Tensor => reshape(gather(table, positions!), [batch, 1, time, half]);
    const [cosine, sine] = [at(cosines!), at(sines!)];
    const [first, second] = split(x!, [half, half], -1) as [Tensor, Tensor];
    return [concat([sub(mul(first, cosine), mul(second, sine)), add(mul(second, cosine), mul(first, sine))], 3)];
  },
  onnx: (emit, [x, positions, cosines, sines], { inputs }) => {
    const [type, where] = inputs as [(typeof inputs)[0], (typeof inputs)[0]];
    if (type.dtype === 'float64' || emit.device === 'portable') return undefined;
    // The node wants positions for each row of the batch.
    const rows = equalShapes([where.shape[0]!], [type.shape[0]!])
      ? positions!
      : emit.node('Expand', [positions!, emit.shape([type.shape[0]!, where.shape[1]!])])[0]!;
    return emit.node('RotaryEmbedding', [x!, rows, cosines!, sines!], { interleaved: 0 }, { domain: 'com.microsoft' });
  },
  samples: () => [
    {
      inputs: [
        { shape: [2, 3, 4, 8] },
        { shape: [1, 4], dtype: 'int64', values: [0, 1, 2, 3] },
        { shape: [6, 4], low: -1, high: 1 },
        { shape: [6, 4], low: -1, high: 1 },
      ],
      attributes: null,
    },
    {
      inputs: [
        { shape: [2, 1, 3, 4] },
        { shape: [2, 3], dtype: 'int64', values: [3, 4, 5, 0, 1, 2] },
        { shape: [6, 2], low: -1, high: 1 },
        { shape: [6, 2], low: -1, high: 1 },
      ],
      attributes: null,
    },
  ],
});

/**
 * Rotary position embedding (Su et al. 2021) in the half-split layout of Llama: with `x = [a, b]` cut in two halves,
 * `[a·cos − b·sin, b·cos + a·sin]`, where row `p` of the tables belongs to position `p`. `x [B, H, T, D]`, positions
 * int64 `[B, T]` or `[1, T]`, tables `[P, D/2]`. The tables get no gradient. Gradient: rotated back.
 */
export function rotary(x: Tensor, positions: Tensor, cosines: Tensor, sines: Tensor): Tensor {
  return rotaryOp([x, positions, cosines, sines], null);
}
