import fc from 'fast-check';
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { AthanorError, CorruptFileError, InputError } from '../util/errors.js';
import type { OnnxModel } from './model.js';
import { decodeModel } from './reader.js';
import { encodeModel } from './writer.js';

const { onnx } = onnxProto;
type GraphFields = onnxProto.onnx.IGraphProto;

function foreign(graph: GraphFields): OnnxModel {
  const bytes = onnx.ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }).finish();
  return decodeModel(bytes);
}

function initializerOf(fields: onnxProto.onnx.ITensorProto): Uint8Array {
  const [tensor] = foreign({ initializer: [{ name: 't', ...fields }] }).graph.initializers;
  return tensor!.data as Uint8Array;
}

const sample: OnnxModel = {
  irVersion: 9,
  opsets: { '': 20, 'com.microsoft': 1 },
  producer: 'athanor',
  graph: {
    name: 'g',
    nodes: [
      { op: 'FusedMatMul', domain: 'com.microsoft', inputs: ['x', 'w'], outputs: ['h'] },
      { op: 'Softmax', inputs: ['h'], outputs: ['y'], attributes: { axis: { kind: 'int', value: -1 } } },
    ],
    initializers: [{ name: 'w', type: 'float32', dims: [2, 2], data: new Uint8Array(16).fill(7) }],
    inputs: [{ name: 'x', type: 'float32', dims: ['T', 2] }],
    outputs: [{ name: 'y', type: 'float32', dims: ['T', 2] }],
  },
};

describe('decodeModel', () => {
  it('turns typed element lists into raw bytes', () => {
    const { DataType } = onnx.TensorProto;
    expect(initializerOf({ dataType: DataType.FLOAT, dims: [3], floatData: [1, -2.5, 3] })).toEqual(
      new Uint8Array(Float32Array.of(1, -2.5, 3).buffer),
    );
    expect(initializerOf({ dataType: DataType.DOUBLE, dims: [2], doubleData: [Math.PI, -1] })).toEqual(
      new Uint8Array(Float64Array.of(Math.PI, -1).buffer),
    );
    expect(initializerOf({ dataType: DataType.INT64, dims: [2, 2], int64Data: [0, -1, 2 ** 40, -(2 ** 40)] })).toEqual(
      new Uint8Array(BigInt64Array.of(0n, -1n, 2n ** 40n, -(2n ** 40n)).buffer),
    );
    expect(initializerOf({ dataType: DataType.INT32, dims: [3], int32Data: [1, -1, -(2 ** 31)] })).toEqual(
      new Uint8Array(Int32Array.of(1, -1, -(2 ** 31)).buffer),
    );
    expect(initializerOf({ dataType: DataType.INT8, dims: [3], int32Data: [1, -1, -128] })).toEqual(
      new Uint8Array(Int8Array.of(1, -1, -128).buffer),
    );
    expect(initializerOf({ dataType: DataType.BOOL, dims: [2], int32Data: [1, 0] })).toEqual(Uint8Array.of(1, 0));
    expect(initializerOf({ dataType: DataType.FLOAT16, dims: [1], int32Data: [0x3c00] })).toEqual(Uint8Array.of(0, 60));
    expect(initializerOf({ dataType: DataType.UINT32, dims: [1], uint64Data: [2 ** 32 - 1] })).toEqual(
      Uint8Array.of(255, 255, 255, 255),
    );
  });

  it('reads packed and unpacked lists alike', () => {
    // graph { initializer { dims: [3] packed, data_type: INT64, int64_data: 5, 6, 7 one at a time } }
    const tensor = [0x0a, 1, 3, 0x10, 7, 0x38, 5, 0x38, 6, 0x38, 7];
    const bytes = Uint8Array.of(0x3a, tensor.length + 2, 0x2a, tensor.length, ...tensor);
    const [read] = decodeModel(bytes).graph.initializers;
    expect(read!.dims).toEqual([3]);
    expect(read!.data).toEqual(new Uint8Array(BigInt64Array.of(5n, 6n, 7n).buffer));
  });

  it('passes over fields that it does not know', () => {
    const model = foreign({
      name: 'g',
      docString: 'words',
      node: [{ opType: 'Relu', input: ['x'], output: ['y'], docString: 'words' }],
      valueInfo: [{ name: 'y' }],
    });
    expect(model.graph.nodes).toEqual([{ op: 'Relu', inputs: ['x'], outputs: ['y'] }]);
    // Field 500 of each wire type, before a graph.
    const unknown = [0xa0, 0x1f, 1, 0xa1, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xa2, 0x1f, 1, 9, 0xa5, 0x1f, 0, 0, 0, 0];
    expect(decodeModel(Uint8Array.of(...unknown, 0x3a, 0)).graph.nodes).toEqual([]);
  });

  it('keeps an unknown dimension apart from a symbol and a size', () => {
    const { graph } = foreign({
      input: [
        {
          name: 'x',
          type: {
            tensorType: { elemType: 1, shape: { dim: [{ dimValue: 0 }, { dimParam: 'T' }, {}, { dimValue: -1 }] } },
          },
        },
      ],
    });
    expect(graph.inputs).toEqual([{ name: 'x', type: 'float32', dims: [0, 'T', '', ''] }]);
  });

  it('refuses by name what it would otherwise lose', () => {
    expect(() => foreign({ node: [{ opType: 'If', attribute: [{ name: 'then_branch', type: 5, g: {} }] }] })).toThrow(
      /'then_branch' is of type 5/,
    );
    expect(() => foreign({ sparseInitializer: [{}] })).toThrow(InputError);
    expect(() => foreign({ initializer: [{ name: 's', dataType: 8, dims: [1] }] })).toThrow(/'s' has element type 8/);
    expect(() => foreign({ input: [{ name: 'x', type: { tensorType: { elemType: 1 } } }] })).toThrow(/rank of 'x'/);
    const attribute = [{ name: 'i', type: 2, i: onnxLong('9007199254740993') }];
    expect(() => foreign({ node: [{ opType: 'A', attribute }] })).toThrow(/beyond 53 bits/);
  });

  it('treats a name such as __proto__ as any other', () => {
    const metadata = Object.fromEntries([['__proto__', 'x']]);
    const decoded = decodeModel(encodeModel({ ...sample, metadata }));
    expect(Object.keys(decoded.metadata!)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(decoded.metadata)).toBe(Object.prototype);
  });

  it('refuses a tensor whose data is not what its shape says', () => {
    const tensor = (fields: onnxProto.onnx.ITensorProto) => () => initializerOf({ dataType: 1, ...fields });
    expect(tensor({ dims: [3], floatData: [1] })).toThrow(CorruptFileError);
    expect(tensor({ dims: [2], rawData: new Uint8Array(9) })).toThrow(/needs 8 bytes and has 9/);
    expect(tensor({ dims: [-1] })).toThrow(/negative size/);
    expect(tensor({ dims: [2 ** 40, 2 ** 40] })).toThrow(/impossible shape/);
    expect(tensor({ dims: [2 ** 40] })).toThrow(CorruptFileError);
  });

  it('answers every truncation with CorruptFileError or a shorter valid model, and every damage in an orderly way', () => {
    const bytes = encodeModel(sample);
    for (let length = 0; length < bytes.length; length++) orderly(bytes.slice(0, length));
    expect(() => decodeModel(new Uint8Array(0))).toThrow(/it has no graph/);
    for (let index = 0; index < bytes.length; index++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = bytes.slice();
        damaged[index]! ^= 1 << bit;
        orderly(damaged);
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), orderly), { numRuns: 2000 });
  });

  it('reads only inside the bytes given, and says which file and byte', () => {
    const whole = encodeModel(sample);
    const cut = new Uint8Array(whole.buffer, whole.byteOffset, whole.length - 30);
    expect(() => decodeModel(cut, 'model.onnx')).toThrow(/^model\.onnx, byte \d+: not a valid ONNX model/);
    // A length that claims 4 GiB, and a number without an end.
    expect(() => decodeModel(Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f))).toThrow(/4294967295 bytes announced/);
    expect(() => decodeModel(new Uint8Array(50).fill(0xff))).toThrow(/longer than ten bytes/);
    expect(() => decodeModel(Uint8Array.of(0x0b, 0x0b))).toThrow(/wire type 3/);
  });
});

/** Decoding may succeed or fail, but only with an error of ours. */
function orderly(bytes: Uint8Array): void {
  try {
    decodeModel(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(AthanorError);
  }
}

/** A 64-bit integer in the form that the reference library takes. */
function onnxLong(digits: string): number {
  const value = BigInt(digits);
  return { low: Number(BigInt.asIntN(32, value)), high: Number(value >> 32n), unsigned: false } as unknown as number;
}
