import { defineOp, defineSingleOutputOp } from '../op.js';
import {
  addDims,
  type Dim,
  equalDims,
  equalShapes,
  formatShape,
  multiplyDims,
  normalizeAxis,
  type Shape,
  ShapeError,
  stridesOf,
} from '../shape.js';
import { sameDType, type Tensor } from '../tensor.js';
import { zeros } from './create.js';

interface SliceAttributes {
  readonly axis: number;
  readonly start: Dim;
  readonly length: Dim;
}

const sliceOp = defineSingleOutputOp<SliceAttributes>({
  name: 'slice',
  infer: ([x], { axis, start, length }) => {
    const size = x!.shape[axis]!;
    const end = addDims(start, length);
    if (
      typeof end === 'number' &&
      typeof size === 'number' &&
      (Number(start) < 0 || Number(length) < 0 || end > size)
    ) {
      throw new ShapeError('the slice leaves the tensor', {
        where: 'slice',
        expected: `a range within 0 and ${size} on axis ${axis} of ${formatShape(x!.shape)}`,
        got: `${start} to ${end}`,
      });
    }
    return [{ dtype: x!.dtype, shape: x!.shape.map((n, i) => (i === axis ? length : n)) }];
  },
  vjp: ({ outputs: [g], node, attributes: { axis, start, length } }) => {
    const size = node.inputs[0]!.shape[axis]!;
    const after = addDims(size, multiplyDims(-1, addDims(start, length)));
    return [g && padAxis(g, axis, start, after)];
  },
  reference: ([x], { axis, start }, [output]) => {
    const from = stridesOf(x!.shape);
    const to = stridesOf(output!.shape);
    const out = new Float64Array(output!.shape.reduce((p, n) => p * n, 1));
    return [
      out.map((_, i) => {
        let index = Number(start) * from[axis]!;
        output!.shape.forEach((n, k) => {
          index += (Math.floor(i / to[k]!) % n) * from[k]!;
        });
        return x!.data[index]!;
      }),
    ];
  },
  onnx: (emit, [x], { attributes: { axis, start, length } }) =>
    emit.node('Slice', [x!, emit.shape([start]), emit.shape([addDims(start, length)]), emit.ints([axis])]),
  samples: () => [
    { inputs: [{ shape: [3, 5] }], attributes: { axis: 1, start: 1, length: 3 } },
    { inputs: [{ shape: [4] }], attributes: { axis: 0, start: 0, length: 2 } },
  ],
});

/** Elements `start` to `end` (exclusive; by default the end) along an axis. Gradient: padded with zeros. */
export function slice(x: Tensor, axis: number, start: Dim, end?: Dim): Tensor {
  const at = normalizeAxis(axis, x.rank, 'slice');
  const stop = end ?? x.shape[at]!;
  const length = addDims(stop, multiplyDims(-1, start));
  return start === 0 && equalDims(length, x.shape[at]!) ? x : sliceOp([x], { axis: at, start, length });
}

interface PadAttributes {
  readonly before: Shape;
  readonly after: Shape;
  readonly value: number;
}

const padOp = defineSingleOutputOp<PadAttributes>({
  name: 'pad',
  infer: ([x], { before, after }) => {
    if (before.length !== x!.shape.length || after.length !== x!.shape.length) {
      throw new ShapeError('needs one amount for each axis', { where: 'pad', got: formatShape(before) });
    }
    return [{ dtype: x!.dtype, shape: x!.shape.map((n, i) => addDims(n, addDims(before[i]!, after[i]!))) }];
  },
  vjp: ({ outputs: [g], node, attributes: { before } }) => {
    const shape = node.inputs[0]!.shape;
    return [g && shape.reduce((inner, n, axis) => slice(inner, axis, before[axis]!, addDims(before[axis]!, n)), g)];
  },
  reference: ([x], { before, value }, [output]) => {
    const out = new Float64Array(output!.shape.reduce((p, n) => p * n, 1)).fill(value);
    const from = stridesOf(x!.shape);
    const to = stridesOf(output!.shape);
    x!.data.forEach((element, i) => {
      let index = 0;
      x!.shape.forEach((n, k) => {
        index += ((Math.floor(i / from[k]!) % n) + Number(before[k]!)) * to[k]!;
      });
      out[index] = element;
    });
    return [out];
  },
  onnx: (emit, [x], { inputs, attributes: { before, after, value } }) =>
    emit.node('Pad', [x!, emit.shape([...before, ...after]), emit.scalar(inputs[0]!.dtype, value)]),
  samples: () => [{ inputs: [{ shape: [2, 3] }], attributes: { before: [1, 0], after: [0, 2], value: 0.5 } }],
});

/** Surrounds with `value`; `before` and `after` give the amount on each axis. Gradient: sliced back. */
export function pad(x: Tensor, before: Shape, after: Shape, value = 0): Tensor {
  return padOp([x], { before, after, value });
}

function padAxis(x: Tensor, axis: number, before: Dim, after: Dim): Tensor {
  const none: Dim[] = x.shape.map(() => 0);
  return pad(x, none.with(axis, before), none.with(axis, after));
}

const concatOp = defineSingleOutputOp<{ readonly axis: number }>({
  name: 'concat',
  infer: (inputs, { axis }) => {
    const dtype = sameDType('concat', inputs);
    const rest = (shape: Shape) => shape.filter((_, i) => i !== axis);
    if (inputs.some((x) => !equalShapes(rest(x.shape), rest(inputs[0]!.shape)))) {
      throw new ShapeError('the other axes differ', {
        where: `concat on axis ${axis}`,
        got: inputs.map((x) => formatShape(x.shape)).join(', '),
      });
    }
    const total = inputs.map((x) => x.shape[axis]!).reduce(addDims, 0);
    return [{ dtype, shape: inputs[0]!.shape.map((n, i) => (i === axis ? total : n)) }];
  },
  vjp: ({ outputs: [g], node, attributes: { axis } }) => {
    if (!g) return [];
    const sizes = node.inputs.map((x) => x.shape[axis]!);
    return split(g, sizes, axis);
  },
  reference: (inputs, { axis }, [output]) => {
    const out = new Float64Array(output!.shape.reduce((p, n) => p * n, 1));
    const inner = output!.shape.slice(axis + 1).reduce((p, n) => p * n, 1);
    const outer = output!.shape.slice(0, axis).reduce((p, n) => p * n, 1);
    let at = 0;
    for (let i = 0; i < outer; i++) {
      for (const x of inputs) {
        const run = x.shape[axis]! * inner;
        out.set(x.data.subarray(i * run, (i + 1) * run), at);
        at += run;
      }
    }
    return [out];
  },
  onnx: (emit, inputs, { attributes: { axis } }) => emit.node('Concat', inputs, { axis }),
  samples: () => [
    { inputs: [{ shape: [2, 3] }, { shape: [2, 1] }, { shape: [2, 2] }], attributes: { axis: 1 } },
    { inputs: [{ shape: [1, 3] }, { shape: [2, 3] }], attributes: { axis: 0 } },
  ],
});

/** Joins tensors along an axis. Gradient: split back. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (tensors.length === 0)
    throw new ShapeError('nothing to join', { where: 'concat', expected: 'at least one tensor' });
  const [first] = tensors;
  return tensors.length === 1 ? first! : concatOp(tensors, { axis: normalizeAxis(axis, first!.rank, 'concat') });
}

const splitOp = defineOp<{ readonly sizes: Shape; readonly axis: number }>({
  name: 'split',
  infer: ([x], { sizes, axis }) => {
    if (!equalDims(sizes.reduce(addDims, 0), x!.shape[axis]!)) {
      throw new ShapeError('the parts do not add up', {
        where: `split on axis ${axis}`,
        expected: `${x!.shape[axis]}`,
        got: sizes.join(' + '),
      });
    }
    return sizes.map((size) => ({ dtype: x!.dtype, shape: x!.shape.map((n, i) => (i === axis ? size : n)) }));
  },
  vjp: ({ outputs, node, attributes: { axis } }) => [
    concat(
      outputs.map((g, i) => g ?? zeros(node.outputs[i]!.shape, node.outputs[i]!.dtype)),
      axis,
    ),
  ],
  reference: ([x], { axis }, outputs) => {
    const inner = x!.shape.slice(axis + 1).reduce((p, n) => p * n, 1);
    const outer = x!.shape.slice(0, axis).reduce((p, n) => p * n, 1);
    const parts = outputs.map((output) => new Float64Array(output.shape.reduce((p, n) => p * n, 1)));
    let at = 0;
    for (let i = 0; i < outer; i++) {
      parts.forEach((part, k) => {
        const run = outputs[k]!.shape[axis]! * inner;
        part.set(x!.data.subarray(at, at + run), i * run);
        at += run;
      });
    }
    return parts;
  },
  onnx: (emit, [x], { attributes: { sizes, axis } }) =>
    emit.node('Split', [x!, emit.shape(sizes)], { axis }, { outputs: sizes.length }),
  samples: () => [
    { inputs: [{ shape: [2, 6] }], attributes: { sizes: [1, 3, 2], axis: 1 } },
    { inputs: [{ shape: [4, 2] }], attributes: { sizes: [2, 2], axis: 0 } },
  ],
});

/** Cuts into parts of the given sizes along an axis. Gradient: joined again. */
export function split(x: Tensor, sizes: Shape, axis: number): readonly Tensor[] {
  return sizes.length === 1 ? [x] : splitOp([x], { sizes, axis: normalizeAxis(axis, x.rank, 'split') });
}
