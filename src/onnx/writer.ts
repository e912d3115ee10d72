import { InputError } from '../util/errors.js';
import {
  isExternal,
  ONNX_DATA_TYPES,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from './model.js';
import { MAX_MESSAGE_BYTES, messageTooLarge, ProtoWriter } from './protobuf-writer.js';

/**
 * Encodes a model as a `ModelProto`, the content of an `.onnx` file.
 *
 * @returns a view of a buffer of its own; tensors were copied into it.
 * @throws {InputError} if it would pass 2 GiB, an integer is not exact, or a tensor's bytes do not fit its shape.
 */
export function encodeModel(model: OnnxModel): Uint8Array {
  const embedded = embeddedBytes(model.graph);
  if (embedded > MAX_MESSAGE_BYTES) throw messageTooLarge(embedded);
  const writer = new ProtoWriter(embedded + 256 * model.graph.nodes.length + 4096);
  // Fields go last to first: the writer fills its buffer from the end.
  writeFrameEnd(writer, model);
  writer.message(7, () => writeGraph(writer, model.graph));
  writeFrameStart(writer, model);
  return writer.finish();
}

/** The fields of a `ModelProto` but for its graph. */
export function encodeModelFrame(model: Omit<OnnxModel, 'graph'>): Uint8Array {
  const writer = new ProtoWriter();
  writeFrameEnd(writer, model);
  writeFrameStart(writer, model);
  return writer.finish();
}

/** A `GraphProto`. @throws {InputError} as `encodeModel`. */
export function encodeGraph(graph: OnnxGraph): Uint8Array {
  const writer = new ProtoWriter(embeddedBytes(graph) + 256 * graph.nodes.length + 4096);
  writeGraph(writer, graph);
  return writer.finish();
}

/** The fields of a `TensorProto` but for its bytes. */
export function encodeTensorFrame({ name, type, dims }: Omit<OnnxTensor, 'data'>): Uint8Array {
  const writer = new ProtoWriter(256);
  writeTensorFrame(writer, { name, type, dims });
  return writer.finish();
}

function writeFrameEnd(writer: ProtoWriter, model: Omit<OnnxModel, 'graph'>): void {
  writeStringMap(writer, 14, model.metadata ?? {});
  for (const [domain, version] of reversed(Object.entries(model.opsets))) {
    writer.message(8, () => {
      writer.int(2, version);
      writer.string(1, domain);
    });
  }
}

function writeFrameStart(writer: ProtoWriter, { irVersion, producer }: Omit<OnnxModel, 'graph'>): void {
  writer.string(2, producer);
  writer.int(1, irVersion);
}

function embeddedBytes(graph: OnnxGraph): number {
  let total = 0;
  for (const { data } of graph.initializers) if (!isExternal(data)) total += data.length + 64;
  for (const { attributes } of graph.nodes) {
    for (const key in attributes) {
      const attribute = attributes[key]!;
      if (attribute.kind === 'tensor' && !isExternal(attribute.value.data)) total += attribute.value.data.length;
    }
  }
  return total;
}

function writeGraph(writer: ProtoWriter, graph: OnnxGraph): void {
  for (const output of reversed(graph.outputs)) writer.message(12, () => writeValueInfo(writer, output));
  for (const input of reversed(graph.inputs)) writer.message(11, () => writeValueInfo(writer, input));
  for (const tensor of reversed(graph.initializers)) writer.message(5, () => writeTensor(writer, tensor));
  writer.string(2, graph.name);
  for (const node of reversed(graph.nodes)) writer.message(1, () => writeNode(writer, node));
}

function writeNode(writer: ProtoWriter, node: OnnxNode): void {
  if (node.domain !== undefined && node.domain !== '') writer.string(7, node.domain);
  if (node.attributes !== undefined) {
    for (const [name, attribute] of reversed(Object.entries(node.attributes))) {
      writer.message(5, () => writeAttribute(writer, name, attribute));
    }
  }
  writer.string(4, node.op);
  if (node.name !== undefined) writer.string(3, node.name);
  for (const output of reversed(node.outputs)) writer.string(2, output);
  for (const input of reversed(node.inputs)) writer.string(1, input);
}

/** `AttributeProto.AttributeType` of each kind. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

function writeAttribute(writer: ProtoWriter, name: string, attribute: OnnxAttribute): void {
  writer.int(20, ATTRIBUTE_TYPES[attribute.kind]);
  switch (attribute.kind) {
    case 'ints':
      for (const value of reversed(attribute.value)) writer.int(8, value);
      break;
    case 'floats':
      for (const value of reversed(attribute.value)) writer.float(7, value);
      break;
    case 'tensor':
      writer.message(5, () => writeTensor(writer, attribute.value));
      break;
    case 'string':
      writer.string(4, attribute.value);
      break;
    case 'int':
      writer.int(3, attribute.value);
      break;
    case 'float':
      writer.float(2, attribute.value);
      break;
  }
  writer.string(1, name);
}

function writeTensor(writer: ProtoWriter, { name, type, dims, data }: OnnxTensor): void {
  const { bytes } = ONNX_DATA_TYPES[type];
  const expected = dims.reduce((product, dim) => product * dim, bytes);
  if (data.length !== expected) {
    throw new InputError('a tensor whose bytes do not fit its shape', {
      where: `ONNX writer, tensor '${name}'`,
      expected: `${expected} bytes for ${type} [${dims.join(', ')}]`,
      got: `${data.length} bytes`,
    });
  }
  if (isExternal(data)) {
    writer.int(14, 1);
    writeStringMap(writer, 13, {
      location: data.location,
      offset: String(data.offset),
      length: String(data.length),
    });
  } else {
    writer.bytes(9, data);
  }
  writeTensorFrame(writer, { name, type, dims });
}

function writeTensorFrame(writer: ProtoWriter, { name, type, dims }: Omit<OnnxTensor, 'data'>): void {
  writer.string(8, name);
  writer.int(2, ONNX_DATA_TYPES[type].code);
  for (const dim of reversed(dims)) writer.int(1, dim);
}

function writeValueInfo(writer: ProtoWriter, { name, type, dims, sequence = false }: OnnxValueInfo): void {
  const writeShape = (): void => {
    for (const dim of reversed(dims)) {
      writer.message(1, () => {
        if (typeof dim === 'number') writer.int(1, dim);
        else if (dim !== '') writer.string(2, dim);
      });
    }
  };
  const writeType = (): void =>
    writer.message(1, () => {
      if (!sequence) writer.message(2, writeShape);
      writer.int(1, ONNX_DATA_TYPES[type].code);
    });
  writer.message(2, () => {
    if (sequence) writer.message(4, () => writer.message(1, writeType));
    else writeType();
  });
  writer.string(1, name);
}

/** Repeated `StringStringEntryProto`. */
function writeStringMap(writer: ProtoWriter, field: number, map: Readonly<Record<string, string>>): void {
  for (const [key, value] of reversed(Object.entries(map))) {
    writer.message(field, () => {
      writer.string(2, value);
      writer.string(1, key);
    });
  }
}

function* reversed<T>(items: readonly T[]): Generator<T> {
  for (let index = items.length - 1; index >= 0; index--) yield items[index]!;
}
