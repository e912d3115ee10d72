import type { OnnxModel } from '../../src/onnx/model.js';
import { encodeModel } from '../../src/onnx/writer.js';
import { type Cases, concatenated, cuts, patched } from './damages.js';

type Part = Uint8Array | string;

function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const int = (field: number, value: number | bigint): Uint8Array => concatenated(varint(field * 8), varint(value));
/** A field of bytes. @param announced its length, as the file says it. */
const bytes = (field: number, content: Part, announced?: number | bigint): Uint8Array => {
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  return concatenated(varint(field * 8 + 2), varint(announced ?? body.length), body);
};
const message = (field: number, ...parts: Part[]): Uint8Array => bytes(field, concatenated(...parts));

const OPSET = message(8, bytes(1, ''), int(2, 21));
const node = (...parts: Part[]): Uint8Array => message(1, bytes(1, 'x'), bytes(2, 'y'), bytes(4, 'Relu'), ...parts);
const value = (field: number, name: string, ...type: Part[]): Uint8Array =>
  message(field, bytes(1, name), message(2, message(1, int(1, 1), ...type)));
const shape = (...sizes: Part[]): Uint8Array => message(2, ...sizes.map((size) => message(1, size)));
const GRAPH = [node(), bytes(2, 'g'), value(11, 'x', shape(int(1, 2))), value(12, 'y', shape(int(1, 2)))];
const model = (...graph: Part[]): Uint8Array => concatenated(int(1, 10), message(7, ...graph), OPSET);
const tensor = (...parts: Part[]): Uint8Array => model(message(5, bytes(8, 'w'), ...parts), ...GRAPH);
const raw = (dims: readonly (number | bigint)[], type: number, length: number): Uint8Array =>
  tensor(...dims.map((dim) => int(1, dim)), int(2, type), bytes(9, new Uint8Array(length)));
const entry = (key: string, text: string): Uint8Array => message(13, bytes(1, key), bytes(2, text));
const external = (...entries: Uint8Array[]): Uint8Array => tensor(int(1, 2), int(2, 1), ...entries, int(14, 1));
const attribute = (...parts: Part[]): Uint8Array =>
  model(node(message(5, bytes(1, 'alpha'), ...parts)), ...GRAPH.slice(1));

const MODEL: OnnxModel = {
  irVersion: 10,
  opsets: { '': 21 },
  producer: 'corpus',
  metadata: { a: 'b' },
  graph: {
    name: 'g',
    nodes: [
      {
        op: 'Gemm',
        inputs: ['x', 'w'],
        outputs: ['y'],
        attributes: { alpha: { kind: 'float', value: 2 }, axes: { kind: 'ints', value: [1, -1] } },
      },
    ],
    initializers: [{ name: 'w', type: 'float32', dims: [2, 2], data: new Uint8Array(16) }],
    inputs: [{ name: 'x', type: 'float32', dims: ['N', 2] }],
    outputs: [{ name: 'y', type: 'float32', dims: ['N', 2] }],
  },
};

export const GOOD_ONNX: Uint8Array = encodeModel(MODEL);

export function onnxCases(): Cases {
  const long = Uint8Array.from([...Array(10).fill(0xff), 1]);
  const half = GOOD_ONNX.length >> 1;
  return {
    ...cuts(GOOD_ONNX, [0, 1, 3, 10, 20, half, GOOD_ONNX.length - 1]),
    blank: '   ',
    'is-a-text': 'this is no model, but an apology for one',
    'is-all-ones': new Uint8Array(200).fill(255),
    'is-all-zeros': new Uint8Array(200),
    'graph-missing': concatenated(int(1, 10), OPSET),
    'graph-twice': concatenated(model(...GRAPH), message(7, ...GRAPH)),
    'graph-longer-than-the-file': concatenated(int(1, 10), bytes(7, 'abc', 1000)),
    'graph-length-2-to-the-31': concatenated(int(1, 10), bytes(7, 'abc', 2 ** 31)),
    'graph-length-2-to-the-63': concatenated(int(1, 10), bytes(7, 'abc', 2n ** 63n)),
    'graph-is-a-number': concatenated(int(7, 5), OPSET),
    'number-of-eleven-bytes': concatenated(varint(8), long),
    'number-without-end': concatenated(varint(8), Uint8Array.of(0xff, 0xff)),
    'field-zero': concatenated(Uint8Array.of(0, 1), GOOD_ONNX),
    'field-beyond-32-bits': concatenated(varint(2n ** 40n), GOOD_ONNX),
    'wire-type-of-groups': concatenated(Uint8Array.of(0x0b, 0x0c), GOOD_ONNX),
    'wire-type-seven': concatenated(Uint8Array.of(0x0f), GOOD_ONNX),
    'version-is-a-text': concatenated(bytes(1, 'ten'), message(7, ...GRAPH)),
    'version-beyond-53-bits': concatenated(int(1, 2n ** 60n), message(7, ...GRAPH)),
    'producer-is-not-utf-8': concatenated(bytes(2, Uint8Array.of(0xff)), GOOD_ONNX),
    'domain-of-the-prototype': concatenated(message(8, bytes(1, '__proto__'), int(2, 1)), GOOD_ONNX),
    'metadata-of-the-prototype': concatenated(message(14, bytes(1, '__proto__'), bytes(2, 'x')), GOOD_ONNX),
    'functions-of-its-own': concatenated(GOOD_ONNX, message(25, bytes(1, 'f'))),
    'node-without-operation': model(message(1, bytes(1, 'x')), ...GRAPH.slice(1)),
    'node-longer-than-the-graph': model(bytes(1, 'x', 4000)),
    'node-name-is-not-utf-8': model(message(1, bytes(4, Uint8Array.of(0xc0, 0x80)))),
    'attribute-without-type': attribute(int(3, 1)),
    'attribute-is-a-graph': attribute(message(6, ...GRAPH), int(20, 5)),
    'attribute-of-strings': attribute(bytes(9, 'a'), int(20, 8)),
    'attribute-tensor-missing': attribute(int(20, 4)),
    'attribute-type-unknown': attribute(int(20, 99)),
    'attribute-beyond-53-bits': attribute(int(3, 2n ** 62n), int(20, 2)),
    'attribute-floats-cut-off': attribute(bytes(7, Uint8Array.of(1, 2, 3)), int(20, 6)),
    'attribute-name-of-the-prototype': model(
      node(message(5, bytes(1, '__proto__'), int(3, 1), int(20, 2))),
      ...GRAPH.slice(1),
    ),
    'input-is-a-sequence': model(message(11, bytes(1, 'x'), message(2, message(4, int(1, 1)))), ...GRAPH),
    'input-without-type': model(message(11, bytes(1, 'x')), ...GRAPH),
    'input-of-strings': model(message(11, bytes(1, 'x'), message(2, message(1, int(1, 8)))), ...GRAPH),
    'input-without-rank': model(value(11, 'x'), ...GRAPH),
    'input-of-negative-size': model(value(11, 'z', shape(int(1, -1))), ...GRAPH),
    'input-size-beyond-53-bits': model(value(11, 'z', shape(int(1, 2n ** 62n))), ...GRAPH),
    'input-size-is-not-utf-8': model(value(11, 'z', shape(bytes(2, Uint8Array.of(0xff)))), ...GRAPH),
    'tensor-in-segments': tensor(message(3, int(1, 0))),
    'tensor-sparse': model(message(15, 'x'), ...GRAPH),
    'tensor-without-type': tensor(int(1, 1)),
    'tensor-of-strings': tensor(int(1, 1), int(2, 8), bytes(6, 'x')),
    'tensor-type-unknown': raw([1], 99, 4),
    'tensor-of-float8': raw([4], 17, 4),
    'tensor-size-negative': raw([-1], 1, 4),
    'tensor-size-beyond-53-bits': raw([2n ** 60n], 1, 4),
    'tensor-shape-overflows': raw([2 ** 32, 2 ** 32], 1, 4),
    'tensor-shape-overflows-to-zero': raw([2 ** 32, 2 ** 32, 2 ** 32, 0], 1, 0),
    'tensor-of-rank-3000': raw(Array(3000).fill(1), 3, 2),
    'tensor-too-short': raw([2, 2], 1, 15),
    'tensor-too-long': raw([2, 2], 1, 17),
    'tensor-without-elements': tensor(int(1, 4), int(2, 1)),
    'tensor-floats-in-half': tensor(int(1, 1), int(2, 1), bytes(4, Uint8Array.of(1, 2, 3))),
    'tensor-floats-for-integers': tensor(int(1, 1), int(2, 7), bytes(4, new Uint8Array(4))),
    'tensor-integers-without-end': tensor(int(1, 1), int(2, 7), bytes(7, Uint8Array.of(0xff))),
    'tensor-name-steers-the-terminal': model(message(5, bytes(8, '\u001b[2J\u202e'), int(2, 99)), ...GRAPH),
    'external-without-location': external(entry('offset', '0')),
    'external-location-empty': external(entry('location', '')),
    'external-missing': external(entry('location', 'absent.data')),
    'external-leads-out': external(entry('location', '../outside.data')),
    'external-leads-out-and-back': external(entry('location', '../x/../../outside.data')),
    'external-is-absolute': external(entry('location', '/etc/hostname')),
    'external-is-the-folder': external(entry('location', '.')),
    'external-is-a-device': external(entry('location', '/dev/zero')),
    'external-holds-a-zero-byte': external(entry('location', 'a\0b')),
    'external-past-the-end': external(entry('location', 'model.onnx'), entry('offset', '100000')),
    'external-offset-negative': external(entry('location', 'model.onnx'), entry('offset', '-8')),
    'external-offset-is-a-word': external(entry('location', 'model.onnx'), entry('offset', 'ten')),
    'external-offset-infinite': external(entry('location', 'model.onnx'), entry('offset', '1e400')),
    'external-length-of-another-shape': external(entry('location', 'model.onnx'), entry('length', '4')),
    'external-length-2-to-the-53': external(entry('location', 'model.onnx'), entry('length', '9007199254740992')),
    'external-is-the-model': external(entry('location', 'model.onnx')),
    'first-byte-changed': patched(GOOD_ONNX, 0, [0x1a]),
    'last-byte-changed': patched(GOOD_ONNX, -1, [0xff]),
  };
}
