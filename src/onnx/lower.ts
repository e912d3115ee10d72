import type { DType, TypedArray } from '../tensor/dtype.js';
import { fromNumbers } from '../tensor/dtype.js';
import type { EmitAttribute, Emitter } from '../tensor/op.js';
import { type Dim, type Shape, ShapeError, SymbolicDim } from '../tensor/shape.js';
import { type Node, nodesOf, type Tensor, type TensorType } from '../tensor/tensor.js';
import { type HostArray, isInput, variableOf } from '../tensor/variable.js';
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from './model.js';

/** The operator set of every graph that Athanor writes, and the file format version that goes with it. */
export const OPSET = 20;
export const IR_VERSION = 9;

export interface LoweredGraph {
  readonly model: OnnxModel;
  /** The placeholders and variables that became graph inputs, with the names that they have there. */
  readonly inputs: readonly { readonly name: string; readonly tensor: Tensor }[];
  /** What is known of the values in the graph, for messages. */
  readonly types: ReadonlyMap<string, TensorType>;
}

/**
 * Writes recorded tensors as an ONNX graph. Nodes that no output needs are left out, and equal computations are
 * written once. Nodes are named after the op that they come from, `gather_12`, parts of a fused op
 * `attention/softmax_3`.
 *
 * @param outputs names and tensors of the graph's outputs.
 * @param device which fused nodes may be used; `portable` for a file that any ONNX tool opens.
 */
export function lower(
  outputs: readonly { readonly name: string; readonly tensor: Tensor }[],
  device: Emitter['device'],
): LoweredGraph {
  const lowering = new Lowering(
    device,
    outputs.map(({ name }) => name),
  );
  lowering.run(outputs.map(({ tensor }) => tensor));
  return lowering.finish(outputs);
}

function onnxDims(shape: Shape): (number | string)[] {
  return shape.map((size) => (typeof size === 'number' ? size : size.toString()));
}

function onnxAttribute(value: EmitAttribute): OnnxAttribute {
  if (typeof value === 'number') return { kind: 'int', value };
  if (typeof value === 'string') return { kind: 'string', value };
  if ('float' in value) return { kind: 'float', value: value.float };
  return { kind: 'ints', value };
}

class Lowering implements Emitter {
  readonly device: Emitter['device'];
  private readonly names = new Map<Tensor, string>();
  private readonly nodes: OnnxNode[] = [];
  private readonly initializers: OnnxTensor[] = [];
  private readonly inputs: { name: string; tensor: Tensor }[] = [];
  /** Written computations by what they compute: equal ones are shared. */
  private readonly written = new Map<string, string[]>();
  /** Where each symbolic size can be read off: an input and its axis. */
  private readonly symbols = new Map<string, { input: string; axis: number }>();
  /** Every name in the graph: variables are named by people, and must not meet a node's output by chance. */
  private readonly taken: Set<string>;
  private counter = 0;
  private current = '';

  constructor(device: Emitter['device'], outputs: readonly string[]) {
    this.device = device;
    this.taken = new Set(outputs);
    if (this.taken.size < outputs.length || this.taken.has('')) {
      throw new ShapeError('every output needs a name of its own', { where: 'lower', got: outputs.join(', ') });
    }
  }

  private fresh(wanted: string): string {
    let name = wanted === '' ? 'value' : wanted;
    for (let i = 1; this.taken.has(name); i++) name = `${wanted}#${i}`;
    this.taken.add(name);
    return name;
  }

  run(wanted: readonly Tensor[]): void {
    const nodes = nodesOf(wanted).filter((node) => node.outputs.some((output) => !this.names.has(output)));
    for (const node of nodes) if (isLeaf(node)) this.writeInput(node.outputs[0]!);
    for (const node of nodes) if (!isLeaf(node)) this.writeNode(node);
  }

  private writeInput(tensor: Tensor): void {
    const variable = variableOf(tensor);
    const given = variable ? variable.name : (tensor.node.attributes as { name: string }).name;
    const name = this.fresh(given);
    this.names.set(tensor, name);
    if (variable?.constant) {
      const { data } = variable.value as HostArray;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      this.initializers.push({ name, type: tensor.dtype, dims: variable.shape, data: bytes });
      return;
    }
    this.inputs.push({ name, tensor });
    tensor.shape.forEach((size, axis) => {
      if (size instanceof SymbolicDim && !this.symbols.has(size.toString())) {
        this.symbols.set(size.toString(), { input: name, axis });
      }
    });
  }

  private writeNode(node: Node): void {
    const { op, attributes } = node;
    const inputs = node.inputs.map((input) => this.names.get(input)!);
    const outer = this.current;
    this.current = outer === '' ? op.name : `${outer}/${op.name}`;
    let outputs = op.onnx?.(this, inputs, { inputs: node.inputs, outputs: node.outputs, attributes });
    if (!outputs && op.decompose) {
      const parts = op.decompose(node.inputs, attributes);
      this.run(parts);
      outputs = parts.map((part) => this.names.get(part)!);
    }
    if (!outputs) throw new ShapeError('the op cannot be written as ONNX', { where: op.name });
    this.current = outer;
    node.outputs.forEach((output, i) => {
      if (outputs[i] !== undefined) this.names.set(output, outputs[i]);
    });
  }

  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, EmitAttribute>> = {},
    { domain = '', outputs = 1 }: { readonly domain?: string; readonly outputs?: number } = {},
  ): string[] {
    const key = JSON.stringify([domain, op, inputs, attributes]);
    const known = this.written.get(key);
    if (known && known.length >= outputs) return known;
    const name = this.fresh(`${this.current}_${this.counter++}`);
    const results = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : this.fresh(`${name}.${i}`)));
    this.nodes.push({
      op,
      name,
      inputs,
      outputs: results,
      ...(domain === '' ? {} : { domain }),
      attributes: Object.fromEntries(Object.entries(attributes).map(([at, value]) => [at, onnxAttribute(value)])),
    });
    this.written.set(key, results);
    return results;
  }

  constant(dtype: DType, shape: readonly number[], data: TypedArray): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = bytes.length <= 64 ? `${dtype}[${shape.join()}]${bytes.join()}` : undefined;
    const known = key === undefined ? undefined : this.written.get(key);
    if (known) return known[0]!;
    const name = this.fresh(`constant_${this.counter++}`);
    this.initializers.push({ name, type: dtype, dims: shape, data: bytes });
    if (key !== undefined) this.written.set(key, [name]);
    return name;
  }

  ints(values: readonly number[]): string {
    return this.constant('int64', [values.length], fromNumbers('int64', values));
  }

  scalar(dtype: DType, value: number): string {
    return this.constant(dtype, [], fromNumbers(dtype, [value]));
  }

  shape(shape: Shape): string {
    if (shape.every((size) => typeof size === 'number')) return this.ints(shape as readonly number[]);
    const parts = shape.map((size) => this.dimension(size));
    return parts.length === 1 ? parts[0]! : this.node('Concat', parts, { axis: 0 })[0]!;
  }

  /** A dimension as an int64 vector of one element: the polynomial computed from the inputs' sizes. */
  private dimension(size: Dim): string {
    if (typeof size === 'number') return this.ints([size]);
    const exact = this.symbols.get(size.toString());
    if (exact) return this.sizeOfInput(exact);
    const terms = [...size.terms].map(([monomial, factor]) => {
      if (monomial === '') return this.ints([factor]);
      const factors = monomial.split('*').map((name) => {
        const source = this.symbols.get(name);
        if (!source) throw new ShapeError(`no input has the dimension ${name}`, { where: this.current });
        return this.sizeOfInput(source);
      });
      if (factor !== 1) factors.unshift(this.ints([factor]));
      return factors.reduce((product, next) => this.node('Mul', [product, next])[0]!);
    });
    return terms.reduce((total, term) => this.node('Add', [total, term])[0]!);
  }

  private sizeOfInput({ input, axis }: { input: string; axis: number }): string {
    return this.node('Shape', [input], { start: axis, end: axis + 1 })[0]!;
  }

  finish(outputs: readonly { readonly name: string; readonly tensor: Tensor }[]): LoweredGraph {
    const produced = new Set(this.nodes.flatMap((node) => node.outputs));
    const renamed = new Map<string, string>();
    const values: OnnxValueInfo[] = [];
    for (const { name, tensor } of outputs) {
      const value = this.names.get(tensor)!;
      values.push({ name, type: tensor.dtype, dims: onnxDims(tensor.shape) });
      if (produced.has(value) && !renamed.has(value)) renamed.set(value, name);
      else this.nodes.push({ op: 'Identity', inputs: [value], outputs: [name] });
    }
    const rename = (name: string): string => renamed.get(name) ?? name;
    const nodes = this.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    }));
    const live = liveNodes(nodes, values);
    const read = new Set(live.flatMap((node) => node.inputs));
    const graph: OnnxGraph = {
      name: 'athanor',
      nodes: live,
      initializers: this.initializers.filter(({ name }) => read.has(name)),
      inputs: this.inputs.map(({ name, tensor }) => ({ name, type: tensor.dtype, dims: onnxDims(tensor.shape) })),
      outputs: values,
    };
    const opsets = { '': OPSET, ...(this.device === 'portable' ? {} : { 'com.microsoft': 1 }) };
    const types = new Map<string, TensorType>();
    for (const [tensor, name] of this.names) types.set(rename(name), tensor);
    return { model: { irVersion: IR_VERSION, opsets, producer: 'athanor', graph }, inputs: this.inputs, types };
  }
}

/** The nodes that some output depends on. */
function liveNodes(nodes: readonly OnnxNode[], outputs: readonly OnnxValueInfo[]): OnnxNode[] {
  const wanted = new Set(outputs.map(({ name }) => name));
  const live: OnnxNode[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    for (const input of node.inputs) wanted.add(input);
    live.push(node);
  }
  return live.reverse();
}

function isLeaf(node: Node): boolean {
  const [output] = node.outputs;
  return isInput(output!) || variableOf(output!) !== undefined;
}
