import { defineSingleOutputOp } from '../op.js';
import { type Dim, formatShape, multiplyDims, type Shape, ShapeError } from '../shape.js';
import { requireFloating, type Tensor } from '../tensor.js';
import { mul, sub } from './binary.js';
import { cast } from './create.js';
import { gather } from './gather.js';
import { reshape } from './layout.js';
import { matmul } from './matmul.js';
import { concat } from './slice.js';
import { floor } from './unary.js';

/** How the numbers of a weight are packed: so many bits each, and so many in a row share a scale. */
export interface BlockFormat {
  readonly bits: 4 | 8;
  readonly block: number;
}

interface QuantizedMatmulAttributes extends BlockFormat {
  /** Products in whole numbers of 8 bits, the other operand rounded to them by block; else in float32. */
  readonly integer: boolean;
}

/** `[N, blocks, bytes]` → outputs N and inputs K. */
function matrixOf(packed: Shape, { bits, block }: BlockFormat): { readonly outputs: number; readonly inputs: number } {
  const [outputs, blocks, bytes] = packed as readonly [number, number, number];
  if (packed.length !== 3 || bytes !== (block * bits) / 8) {
    throw new ShapeError('the packed weight does not fit its format', {
      where: 'quantizedMatmul',
      expected: `[N, K/${block}, ${(block * bits) / 8}]`,
      got: formatShape(packed),
    });
  }
  return { outputs, inputs: blocks * block };
}

const quantizedMatmulOp = defineSingleOutputOp<QuantizedMatmulAttributes>({
  name: 'quantizedMatmul',
  infer: ([x, packed, scales], attributes) => {
    requireFloating('quantizedMatmul', x!);
    const { outputs, inputs } = matrixOf(packed!.shape, attributes);
    const fits = x!.shape.at(-1) === inputs && packed!.dtype === 'uint8';
    if (!fits || formatShape(scales!.shape) !== formatShape(packed!.shape.slice(0, 2))) {
      throw new ShapeError('the operands do not fit', {
        where: 'quantizedMatmul',
        expected: `x […, ${inputs}], uint8 packed, scales ${formatShape(packed!.shape.slice(0, 2))}`,
        got: [x!, packed!, scales!].map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`).join(', '),
      });
    }
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), outputs] }];
  },
  // The weight is fixed; what it multiplies may depend on something that learns.
  vjp: ({ outputs: [g], node, attributes }) => {
    const [, packed, scales] = node.inputs as readonly [Tensor, Tensor, Tensor];
    return [g && matmul(g, dequantized(packed, scales, attributes))];
  },
  decompose: ([x, packed, scales], attributes) => {
    const weight = dequantized(packed!, scales!, attributes);
    const rows = x!.shape.slice(0, -1).reduce(multiplyDims, 1);
    const product = matmul(reshape(x!, [rows, x!.shape.at(-1)!]), weight, { transposeB: true });
    return [reshape(product, [...x!.shape.slice(0, -1), weight.shape[0]!])];
  },
  onnx: (emit, inputs, { inputs: types, attributes: { bits, block, integer } }) => {
    if (emit.device === 'portable' || types[0]!.dtype !== 'float32') return undefined;
    const { outputs: N, inputs: K } = matrixOf(types[1]!.shape, { bits, block });
    const attributes = { K, N, bits, block_size: block, accuracy_level: integer ? 4 : 1 };
    return emit.node('MatMulNBits', inputs, attributes, { domain: 'com.microsoft' });
  },
  samples: () =>
    ([4, 8] as const).map((bits) => ({
      inputs: [
        { shape: [2, 3, 32] },
        { shape: [5, 2, (16 * bits) / 8], dtype: 'uint8' as const, low: 0, high: 256 },
        { shape: [5, 2], low: 0.1, high: 1 },
      ],
      attributes: { bits, block: 16, integer: false },
    })),
});

/**
 * The numbers behind a packed weight: `(q − 2^(bits−1)) · scale`, with one scale for each block of a row. Of two 4-bit
 * numbers in a byte the first is the lower one. uint8 `[…, blocks, bytes]` and scales `[…, blocks]` → `[…, blocks · block]`.
 */
export function dequantized(packed: Tensor, scales: Tensor, { bits, block }: BlockFormat): Tensor {
  const lead = packed.shape.slice(0, -1);
  const bytes = cast(packed, scales.dtype);
  const pairs = (): Tensor => {
    const high = floor(mul(bytes, 1 / 16));
    const low = sub(bytes, mul(high, 16));
    const each: readonly Dim[] = [...packed.shape, 1];
    return reshape(concat([reshape(low, each), reshape(high, each)], each.length - 1), [...lead, block]);
  };
  const numbers = sub(bits === 4 ? pairs() : bytes, 2 ** (bits - 1));
  const scaled = mul(numbers, reshape(scales, [...lead, 1]));
  const rest = lead.slice(0, -1);
  return reshape(scaled, [...rest, multiplyDims(lead.at(-1)!, block)]);
}

/**
 * `x · Wᵀ` with a weight packed in blocks: `x […, K]`, packed uint8 `[N, K/block, block·bits/8]`, scales `[N, K/block]` →
 * `[…, N]`. One node on CPU and GPU, which unpacks while it multiplies. Gradient: by x alone.
 */
export function quantizedMatmul(
  x: Tensor,
  packed: Tensor,
  scales: Tensor,
  { bits, block, integer = true }: BlockFormat & { readonly integer?: boolean },
): Tensor {
  return quantizedMatmulOp([x, packed, scales], { bits, block, integer });
}

/** Rows of a packed table, unpacked: integers `[…S]` → `[…S, K]`. */
export function quantizedRows(ids: Tensor, packed: Tensor, scales: Tensor, format: BlockFormat): Tensor {
  return dequantized(gather(packed, ids), gather(scales, ids), format);
}
