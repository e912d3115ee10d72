import { ProtoReader } from '../util/protobuf-reader.js';
import {
  type OnnxAttribute,
  type OnnxDataType,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
  onnxDataTypeOf,
} from './model.js';
import { readTensor } from './reader-tensor.js';

/**
 * Decodes a `ModelProto`. Documentation, inferred intermediate shapes and other annotations are passed over; what would
 * change the meaning if it were dropped (sub-graphs, functions, sparse tensors) is refused.
 *
 * @param bytes content of an `.onnx` file; embedded tensors of the result are views of it where they can be.
 * @param where the file's name, for errors.
 * @throws {CorruptFileError} if the bytes are damaged. @throws {InputError} if the model uses what Athanor does not read.
 */
export function decodeModel(bytes: Uint8Array, where = 'ONNX model'): OnnxModel {
  // A plain view: Node's Buffer would hand down its own kind, whose slice() shares memory.
  const reader = new ProtoReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
    file: where,
    kind: 'ONNX model',
  });
  let irVersion = 0;
  let producer = '';
  let graph: OnnxGraph | undefined;
  const opsets: [string, number][] = [];
  const metadata: [string, string][] = [];
  while (reader.next()) {
    if (reader.field === 1) irVersion = reader.int();
    else if (reader.field === 2) producer = reader.string();
    else if (reader.field === 7) graph = readGraph(reader.message());
    else if (reader.field === 8) opsets.push(readOpset(reader.message()));
    else if (reader.field === 14) metadata.push(readStringEntry(reader.message()));
    else if (reader.field === 25) throw reader.unsupported('it defines functions of its own');
  }
  if (graph === undefined) throw reader.corrupt('it has no graph');
  // Object.fromEntries defines keys, so that a hostile '__proto__' becomes a plain one.
  return {
    irVersion,
    opsets: Object.fromEntries(opsets),
    producer,
    graph,
    ...(metadata.length > 0 && { metadata: Object.fromEntries(metadata) }),
  };
}

function readOpset(reader: ProtoReader): [domain: string, version: number] {
  let domain = '';
  let version = 0;
  while (reader.next()) {
    if (reader.field === 1) domain = reader.string();
    else if (reader.field === 2) version = reader.int();
  }
  return [domain, version];
}

function readStringEntry(reader: ProtoReader): [key: string, value: string] {
  let key = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.string();
  }
  return [key, value];
}

function readGraph(reader: ProtoReader): OnnxGraph {
  let name = '';
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const inputs: OnnxValueInfo[] = [];
  const outputs: OnnxValueInfo[] = [];
  while (reader.next()) {
    if (reader.field === 1) nodes.push(readNode(reader.message()));
    else if (reader.field === 2) name = reader.string();
    else if (reader.field === 5) initializers.push(readTensor(reader.message()));
    else if (reader.field === 11) inputs.push(readValueInfo(reader.message()));
    else if (reader.field === 12) outputs.push(readValueInfo(reader.message()));
    else if (reader.field === 15) throw reader.unsupported('it holds sparse tensors');
  }
  return { name, nodes, initializers, inputs, outputs };
}

function readNode(reader: ProtoReader): OnnxNode {
  let op = '';
  let domain = '';
  let name: string | undefined;
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: [string, OnnxAttribute][] = [];
  while (reader.next()) {
    if (reader.field === 1) inputs.push(reader.string());
    else if (reader.field === 2) outputs.push(reader.string());
    else if (reader.field === 3) name = reader.string();
    else if (reader.field === 4) op = reader.string();
    else if (reader.field === 5) attributes.push(readAttribute(reader.message()));
    else if (reader.field === 7) domain = reader.string();
  }
  if (op === '') throw reader.corrupt('a node without an operation');
  return {
    op,
    ...(domain !== '' && { domain }),
    ...(name !== undefined && { name }),
    inputs,
    outputs,
    ...(attributes.length > 0 && { attributes: Object.fromEntries(attributes) }),
  };
}

function readAttribute(reader: ProtoReader): [name: string, attribute: OnnxAttribute] {
  let name = '';
  let type = 0;
  let float = 0;
  let int = 0;
  let string = '';
  let tensor: OnnxTensor | undefined;
  const floats: number[] = [];
  const ints: number[] = [];
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) float = reader.float();
    else if (reader.field === 3) int = reader.int();
    else if (reader.field === 4) string = reader.string();
    else if (reader.field === 5) tensor = readTensor(reader.message());
    else if (reader.field === 7) reader.floats(floats);
    else if (reader.field === 8) reader.ints(ints);
    else if (reader.field === 20) type = reader.int();
  }
  if (type === 1) return [name, { kind: 'float', value: float }];
  if (type === 2) return [name, { kind: 'int', value: int }];
  if (type === 3) return [name, { kind: 'string', value: string }];
  if (type === 4 && tensor !== undefined) return [name, { kind: 'tensor', value: tensor }];
  if (type === 6) return [name, { kind: 'floats', value: floats }];
  if (type === 7) return [name, { kind: 'ints', value: ints }];
  throw reader.unsupported(`attribute '${name}' is of type ${type}`);
}

function readValueInfo(reader: ProtoReader): OnnxValueInfo {
  let name = '';
  let tensorType: ReturnType<typeof readTensorType> | undefined;
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) {
      const type = reader.message();
      while (type.next()) if (type.field === 1) tensorType = readTensorType(type.message());
    }
  }
  if (tensorType === undefined) throw reader.unsupported(`'${name}' is not a tensor`);
  if (tensorType.dims === undefined) throw reader.unsupported(`nothing is said of the rank of '${name}'`);
  return { name, type: tensorType.type, dims: tensorType.dims };
}

function readTensorType(reader: ProtoReader): { type: OnnxDataType; dims: (number | string)[] | undefined } {
  let code = 0;
  let dims: (number | string)[] | undefined;
  while (reader.next()) {
    if (reader.field === 1) code = reader.int();
    else if (reader.field === 2) dims = readShape(reader.message());
  }
  const type = onnxDataTypeOf(code);
  if (type === undefined) throw reader.unsupported(`element type ${code}`);
  return { type, dims };
}

function readShape(reader: ProtoReader): (number | string)[] {
  const dims: (number | string)[] = [];
  while (reader.next()) {
    if (reader.field !== 1) continue;
    const dimension = reader.message();
    let dim: number | string = '';
    while (dimension.next()) {
      if (dimension.field === 1) dim = dimension.int();
      else if (dimension.field === 2) dim = dimension.string();
    }
    // Exporters of old wrote -1 or a negative number for "unknown".
    dims.push(typeof dim === 'number' && dim < 0 ? '' : dim);
  }
  return dims;
}
