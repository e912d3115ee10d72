import type { DType } from '../dtype.js';
import { defineSingleOutputOp, type ReferenceArray } from '../op.js';
import { equalShapes, formatShape, normalizeAxis, type Shape, ShapeError, sizeOf, stridesOf } from '../shape.js';
import { sameDType, type Tensor } from '../tensor.js';
import { equal, where } from './compare.js';
import { cast, iota, requireInteger, scalar, zeros } from './create.js';
import { reshape, transpose } from './layout.js';

const product = (shape: readonly number[]): number => shape.reduce((p, n) => p * n, 1);

const gatherOp = defineSingleOutputOp<{ readonly axis: number }>({
  name: 'gather',
  infer: ([x, indices], { axis }) => {
    requireInteger('gather', indices!);
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)] }];
  },
  vjp: ({ outputs: [g], node, attributes: { axis } }) => {
    const [x, indices] = node.inputs as [Tensor, Tensor];
    if (!g) return [];
    // Bring the gathered axis to the front, add the rows up there, and bring it back.
    const count = indices.rank;
    const front = g.shape.map((_, i) => (i < count ? axis + i : i < axis + count ? i - count : i));
    const rows = scatterAddRows(
      zeros([x.shape[axis]!, ...x.shape.filter((_, i) => i !== axis)], x.dtype),
      reshape(indices, [sizeOf(indices.shape)]),
      reshape(transpose(g, front), [sizeOf(indices.shape), ...x.shape.filter((_, i) => i !== axis)]),
    );
    const back = x.shape.map((_, i) => (i === axis ? 0 : i < axis ? i + 1 : i));
    return [transpose(rows, back), undefined];
  },
  reference: ([x, indices], { axis }, [output]) => {
    const inner = product(x!.shape.slice(axis + 1));
    const outer = product(x!.shape.slice(0, axis));
    const size = x!.shape[axis]!;
    const out = new Float64Array(product(output!.shape));
    let at = 0;
    for (let i = 0; i < outer; i++) {
      for (const index of indices!.data) {
        const from = (i * size + (index < 0 ? index + size : index)) * inner;
        out.set(x!.data.subarray(from, from + inner), at);
        at += inner;
      }
    }
    return [out];
  },
  onnx: (emit, [x, indices], { attributes: { axis } }) => emit.node('Gather', [x!, indices!], { axis }),
  samples: () => [
    {
      inputs: [{ shape: [5, 3] }, { shape: [2, 2], dtype: 'int64', values: [4, 0, 1, 4] }],
      attributes: { axis: 0 },
    },
    { inputs: [{ shape: [2, 4, 3] }, { shape: [3], dtype: 'int64', values: [3, 3, 1] }], attributes: { axis: 1 } },
  ],
});

/**
 * Slices of `x` chosen by index along an axis: with `x` a table `[V, D]` and indices `[...S]`, rows `[...S, D]` (an
 * embedding). Gradient: rows added up where they came from.
 */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  return gatherOp([x, indices], { axis: normalizeAxis(axis, x.rank, 'gather') });
}

const scatterAddRowsOp = defineSingleOutputOp<null>({
  name: 'scatterAddRows',
  infer: ([base, indices, rows]) => {
    sameDType('scatterAddRows', [base!, rows!]);
    requireInteger('scatterAddRows', indices!);
    const expected: Shape = [...indices!.shape, ...base!.shape.slice(1)];
    if (indices!.shape.length !== 1 || !equalShapes(rows!.shape, expected)) {
      throw new ShapeError('rows and indices do not fit', {
        where: 'scatterAddRows',
        expected: `indices [N] and rows [N, ${base!.shape.slice(1).join(', ')}]`,
        got: `${formatShape(indices!.shape)} and ${formatShape(rows!.shape)}`,
      });
    }
    return [base!];
  },
  vjp: ({ outputs: [g], node }) => (g ? [g, undefined, gather(g, node.inputs[1]!)] : []),
  reference: ([base, indices, rows]) => {
    const out = base!.data.slice();
    const width = product(base!.shape.slice(1));
    indices!.data.forEach((index, n) => {
      for (let i = 0; i < width; i++) out[index * width + i]! += rows!.data[n * width + i]!;
    });
    return [out];
  },
  onnx: (emit, [base, indices, rows], { inputs }) => {
    const index = inputs[1]!.dtype === 'int64' ? indices! : emit.node('Cast', [indices!], { to: 7 })[0]!;
    const [column] = emit.node('Unsqueeze', [index, emit.ints([1])]);
    return emit.node('ScatterND', [base!, column!, rows!], { reduction: 'add' });
  },
  samples: () => [
    {
      inputs: [{ shape: [4, 3] }, { shape: [5], dtype: 'int64', values: [0, 3, 3, 1, 3] }, { shape: [5, 3] }],
      attributes: null,
    },
  ],
});

/** `base` with `rows[n]` added to its row `indices[n]`, repeated indices add up. */
export function scatterAddRows(base: Tensor, indices: Tensor, rows: Tensor): Tensor {
  return scatterAddRowsOp([base, indices, rows], null);
}

/** Visits the positions that an element-wise gather along an axis touches. */
function visitElements(
  indices: ReferenceArray,
  x: ReferenceArray,
  axis: number,
  visit: (from: number, to: number) => void,
): void {
  const own = stridesOf(indices.shape);
  const strides = stridesOf(x.shape);
  indices.data.forEach((index, i) => {
    let at = 0;
    indices.shape.forEach((n, k) => {
      const coordinate = k === axis ? index : Math.floor(i / own[k]!) % n;
      at += coordinate * strides[k]!;
    });
    visit(at, i);
  });
}

const gatherElementsOp = defineSingleOutputOp<{ readonly axis: number }>({
  name: 'gatherElements',
  infer: ([x, indices]) => {
    requireInteger('gatherElements', indices!);
    return [{ dtype: x!.dtype, shape: indices!.shape }];
  },
  vjp: ({ outputs: [g], node, attributes: { axis } }) => {
    const [x, indices] = node.inputs as [Tensor, Tensor];
    return [g && scatterAddElements(zeros(x.shape, x.dtype), indices, g, axis), undefined];
  },
  reference: ([x, indices], { axis }) => {
    const out = new Float64Array(indices!.data.length);
    visitElements(indices!, x!, axis, (from, to) => {
      out[to] = x!.data[from]!;
    });
    return [out];
  },
  onnx: (emit, [x, indices], { attributes: { axis } }) => emit.node('GatherElements', [x!, indices!], { axis }),
  samples: () => [
    { inputs: [{ shape: [3, 4] }, { shape: [3, 2], dtype: 'int64', low: 0, high: 4 }], attributes: { axis: 1 } },
  ],
});

/** `out[i, j] = x[i, indices[i, j]]` (for axis 1, and so on). Gradient: added up where it came from. */
export function gatherElements(x: Tensor, indices: Tensor, axis = -1): Tensor {
  return gatherElementsOp([x, indices], { axis: normalizeAxis(axis, x.rank, 'gatherElements') });
}

const scatterAddElementsOp = defineSingleOutputOp<{ readonly axis: number }>({
  name: 'scatterAddElements',
  infer: ([base, indices, updates]) => {
    sameDType('scatterAddElements', [base!, updates!]);
    requireInteger('scatterAddElements', indices!);
    if (!equalShapes(indices!.shape, updates!.shape)) {
      throw new ShapeError('indices and updates differ in shape', {
        where: 'scatterAddElements',
        got: `${formatShape(indices!.shape)} and ${formatShape(updates!.shape)}`,
      });
    }
    return [base!];
  },
  vjp: ({ outputs: [g], node, attributes: { axis } }) =>
    g ? [g, undefined, gatherElements(g, node.inputs[1]!, axis)] : [],
  reference: ([base, indices, updates], { axis }) => {
    const out = base!.data.slice();
    visitElements(indices!, base!, axis, (to, from) => {
      out[to]! += updates!.data[from]!;
    });
    return [out];
  },
  onnx: (emit, [base, indices, updates], { attributes: { axis } }) =>
    emit.node('ScatterElements', [base!, indices!, updates!], { axis, reduction: 'add' }),
  samples: () => [
    {
      inputs: [{ shape: [3, 4] }, { shape: [3, 2], dtype: 'int64', low: 0, high: 4 }, { shape: [3, 2] }],
      attributes: { axis: 1 },
    },
  ],
});

/** `base` with `updates[i, j]` added at `[i, indices[i, j]]` (for axis 1, and so on). */
export function scatterAddElements(base: Tensor, indices: Tensor, updates: Tensor, axis = -1): Tensor {
  return scatterAddElementsOp([base, indices, updates], { axis: normalizeAxis(axis, base.rank, 'scatterAddElements') });
}

/** 1 at the index, 0 elsewhere, on a new last axis: `[...S] → [...S, depth]`. */
export function oneHot(indices: Tensor, depth: number, dtype: DType = 'float32'): Tensor {
  requireInteger('oneHot', indices);
  const classes = cast(iota(depth), indices.dtype);
  return where(equal(reshape(indices, [...indices.shape, 1]), classes), scalar(1, dtype), scalar(0, dtype));
}
