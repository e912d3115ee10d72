import fc from 'fast-check';
import onnxProto from 'onnx-proto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import { ONNX_DATA_TYPES, type OnnxAttribute, type OnnxDataType, type OnnxModel, type OnnxTensor } from './model.js';
import { decodeModel } from './reader.js';
import { encodeModel } from './writer.js';

const { onnx } = onnxProto;

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 8 }));
const safeInteger = fc.oneof(fc.integer(), fc.maxSafeInteger());
const float = fc.float({ noNaN: true });

const tensor: fc.Arbitrary<OnnxTensor> = fc
  .tuple(
    text,
    fc.constantFrom(...(Object.keys(ONNX_DATA_TYPES) as OnnxDataType[])),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  )
  .chain(([name, type, dims]) => {
    const length = dims.reduce((a, b) => a * b, ONNX_DATA_TYPES[type].bytes);
    const data = fc.oneof(
      fc.uint8Array({ minLength: length, maxLength: length }),
      fc.record({
        location: fc.string({ minLength: 1 }),
        offset: fc.maxSafeInteger().map(Math.abs),
        length: fc.constant(length),
      }),
    );
    return data.map((value) => ({ name, type, dims, data: value }));
  });

const attribute: fc.Arbitrary<OnnxAttribute> = fc.oneof(
  fc.record({ kind: fc.constant('int' as const), value: safeInteger }),
  fc.record({ kind: fc.constant('float' as const), value: float }),
  fc.record({ kind: fc.constant('string' as const), value: text }),
  fc.record({ kind: fc.constant('ints' as const), value: fc.array(safeInteger, { maxLength: 5 }) }),
  fc.record({ kind: fc.constant('floats' as const), value: fc.array(float, { maxLength: 5 }) }),
  fc.record({ kind: fc.constant('tensor' as const), value: tensor }),
);

const valueInfo = fc.record({
  name: text,
  type: fc.constantFrom(...(Object.keys(ONNX_DATA_TYPES) as OnnxDataType[])),
  dims: fc.array(fc.oneof(fc.maxSafeInteger().map(Math.abs), text), { maxLength: 4 }),
});

const node = fc.record(
  {
    op: fc.string({ minLength: 1 }),
    domain: fc.string({ minLength: 1 }),
    name: text,
    inputs: fc.array(text, { maxLength: 4 }),
    outputs: fc.array(text, { maxLength: 3 }),
    attributes: fc.dictionary(text, attribute, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
  },
  { requiredKeys: ['op', 'inputs', 'outputs'] },
);

const model: fc.Arbitrary<OnnxModel> = fc.record(
  {
    irVersion: fc.nat(),
    opsets: fc.dictionary(text, fc.nat(), { maxKeys: 3, noNullPrototype: true }),
    producer: text,
    graph: fc.record({
      name: text,
      nodes: fc.array(node, { maxLength: 4 }),
      initializers: fc.array(tensor, { maxLength: 4 }),
      inputs: fc.array(valueInfo, { maxLength: 3 }),
      outputs: fc.array(valueInfo, { maxLength: 3 }),
    }),
    metadata: fc.dictionary(text, text, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
  },
  { requiredKeys: ['irVersion', 'opsets', 'producer', 'graph'] },
);

/** y = x·W + b with W [3, 2]. */
function affineModel(weights: OnnxTensor['data']): OnnxModel {
  return {
    irVersion: 9,
    opsets: { '': 20 },
    producer: 'athanor',
    graph: {
      name: 'affine',
      nodes: [
        { op: 'MatMul', inputs: ['x', 'W'], outputs: ['xW'] },
        { op: 'Add', name: 'add', inputs: ['xW', 'b'], outputs: ['y'] },
      ],
      initializers: [
        { name: 'W', type: 'float32', dims: [3, 2], data: weights },
        { name: 'b', type: 'float32', dims: [2], data: bytesOf([10, 20]) },
      ],
      inputs: [{ name: 'x', type: 'float32', dims: ['batch', 3] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['batch', 2] }],
    },
    metadata: { title: '仿射' },
  };
}

function bytesOf(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

describe('encodeModel', () => {
  it('is undone by decodeModel', () => {
    fc.assert(
      fc.property(model, (value) => {
        expect(decodeModel(encodeModel(value))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('writes what an independent Protocol Buffers library reads back to the same bytes', () => {
    fc.assert(
      fc.property(model, (value) => {
        const bytes = encodeModel(value);
        const parsed = onnx.ModelProto.decode(bytes);
        expect(onnx.ModelProto.verify(parsed)).toBeNull();
        expect(parsed.producerName).toBe(value.producer);
        expect(parsed.graph?.node?.map(({ opType }) => opType)).toEqual(value.graph.nodes.map(({ op }) => op));
        // It orders fields in its own way; what it wrote must mean the same to our reader.
        expect(decodeModel(onnx.ModelProto.encode(parsed).finish())).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps integers of every size', () => {
    for (let bit = 0; bit < 53; bit++) {
      for (const value of [2 ** bit, 2 ** bit - 1, -(2 ** bit)]) {
        const graph = { name: '', nodes: [], initializers: [], inputs: [], outputs: [] };
        const bytes = encodeModel({ irVersion: value, opsets: {}, producer: '', graph });
        expect(String(onnx.ModelProto.decode(bytes).irVersion)).toBe(String(value));
        expect(decodeModel(bytes).irVersion).toBe(value);
      }
    }
  });

  it('makes a model that ONNX Runtime runs', async () => {
    const session = await InferenceSession.create(encodeModel(affineModel(bytesOf([1, 2, 3, 4, 5, 6]))));
    const { y } = await session.run({ x: new Tensor('float32', [1, 0, 0, 1, 1, 1], [2, 3]) });
    expect([...(y!.data as Float32Array)]).toEqual([11, 22, 19, 32]);
    await session.release();
  });

  it('encodes a graph of 5,000 nodes in a few milliseconds', () => {
    const nodes = Array.from({ length: 5000 }, (_, index) => ({
      op: 'Transpose',
      name: `layer.${index % 12}/attention/transpose_${index}`,
      inputs: [`layer.${index % 12}/value_${index}`],
      outputs: [`layer.${index % 12}/value_${index + 1}`],
      attributes: { perm: { kind: 'ints' as const, value: [0, 2, 1, 3] } },
    }));
    const large = { ...affineModel(bytesOf([1, 2, 3, 4, 5, 6])), graph: { ...affineModel(bytesOf([])).graph, nodes } };
    const { initializers } = affineModel(bytesOf([1, 2, 3, 4, 5, 6])).graph;
    const times = Array.from({ length: 7 }, () => {
      const started = performance.now();
      encodeModel({ ...large, graph: { ...large.graph, initializers } });
      return performance.now() - started;
    });
    // About 5 ms; the bound leaves room for a machine that does other work, and none for quadratic copying.
    expect(Math.min(...times)).toBeLessThan(100);
  });

  it('refuses an integer that is not exact, and bytes that do not fit the shape', () => {
    const graph = { name: '', nodes: [], initializers: [], inputs: [], outputs: [] };
    for (const value of [1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => encodeModel({ irVersion: value, opsets: {}, producer: '', graph })).toThrow(InputError);
    }
    expect(() => encodeModel(affineModel(bytesOf([1, 2])))).toThrow(/tensor 'W'[\s\S]*24 bytes[\s\S]*8 bytes/);
  });

  it('refuses a message beyond 2 GiB before it allocates one', () => {
    // One block stands for three tensors; its pages are never touched.
    const data = new Uint8Array(2 ** 30);
    const initializers = ['a', 'b', 'c'].map((name) => ({ name, type: 'uint8' as const, dims: [2 ** 30], data }));
    const graph = { name: '', nodes: [], initializers, inputs: [], outputs: [] };
    expect(() => encodeModel({ irVersion: 9, opsets: { '': 20 }, producer: '', graph })).toThrow(
      /too large for one ONNX file[\s\S]*2 GiB/,
    );
  });
});
