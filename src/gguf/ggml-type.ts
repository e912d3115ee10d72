import { InputError } from '../util/errors.js';

/** How the elements of a tensor are stored: in blocks of `blockSize` neighbours of one row, `blockBytes` each. */
export interface GgmlTypeLayout {
  /** The number that stands for the type in a file. */
  readonly id: number;
  readonly blockSize: number;
  readonly blockBytes: number;
}

/**
 * The element types that can be read: three floats, and blocks that share scales. `Q8_0` and `Q4_0` have one float16
 * scale for 32 elements; `Q4_K` and `Q6_K` have 256 elements with small scales inside a block.
 */
export const GGML_TYPES = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
} as const satisfies Readonly<Record<string, GgmlTypeLayout>>;

/** The name of an element type that can be read. */
export type GgmlType = keyof typeof GGML_TYPES;

const TYPE_OF_ID: ReadonlyMap<number, GgmlType> = new Map(
  Object.entries(GGML_TYPES).map(([name, { id }]) => [id, name as GgmlType]),
);

/** Types of the format that are not read, so that a refusal can name them. */
const OTHER_TYPES: ReadonlyMap<number, string> = new Map([
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [13, 'Q5_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
]);

/** The type behind the number in a file, the name of one that is not read, or undefined for a number without a type. */
export function ggmlTypeOf(id: number): { readonly type: GgmlType } | { readonly unread: string } | undefined {
  const type = TYPE_OF_ID.get(id);
  if (type !== undefined) return { type };
  const unread = OTHER_TYPES.get(id);
  return unread === undefined ? undefined : { unread };
}

/**
 * Bytes of a tensor of this type and shape (row-major, the last size is the length of a row).
 *
 * @throws {InputError} if a row is not a whole number of blocks, or a size is not a whole number from 0 on.
 */
export function ggmlByteLength(type: GgmlType, shape: readonly number[], where: string = type): number {
  const { blockSize, blockBytes } = GGML_TYPES[type];
  const count = shape.reduce((product, size) => product * size, 1);
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 0) || !Number.isSafeInteger(count)) {
    throw new InputError('not the shape of a tensor', { where, got: `[${shape.join(', ')}]` });
  }
  const row = shape.at(-1) ?? 1;
  if (row % blockSize !== 0) {
    throw new InputError(`a row is not a whole number of ${type} blocks`, {
      where,
      expected: `a multiple of ${blockSize}`,
      got: `rows of ${row} in shape [${shape.join(', ')}]`,
      hint: 'Store this tensor as F16 or F32.',
    });
  }
  return (count / blockSize) * blockBytes;
}
