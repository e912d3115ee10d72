import type { OnnxNode, OnnxTensor, OnnxValueInfo } from '../onnx/model.js';
import type { StreamedTensor } from '../onnx/streamed-file.js';
import { float32ToFloat16 } from '../util/half.js';
import {
  bytesOf,
  constantNumbers,
  type ExportGraph,
  type ExportWeight,
  intAttribute,
  withNodes,
} from './onnx-graph.js';

/** `TensorProto.DataType` of the two types. */
const FLOAT32 = 1;
const FLOAT16 = 10;

/** The largest number of float16. */
const LARGEST = 65_504;

/** Sums of many numbers and what is raised to powers overflow or lose too much in float16. */
const ALWAYS_FULL: ReadonlySet<string> = new Set([
  'Softmax',
  'LogSoftmax',
  'LayerNormalization',
  'SimplifiedLayerNormalization',
  'ReduceSum',
  'ReduceMean',
  'ReduceMax',
  'Pow',
  'Sqrt',
  'Reciprocal',
]);

/** Products, and what only moves numbers to where they are kept: in float16 whatever they are given. */
const ALWAYS_HALF: ReadonlySet<string> = new Set(['MatMul', 'FusedMatMul', 'Gemm', 'Concat']);

/** Operators whose result has no floating type, whatever they read. */
const NOT_FLOATING: ReadonlySet<string> = new Set([
  'Shape',
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'Not',
  'And',
  'Or',
  'ArgMax',
]);

type Precision = 'half' | 'full';

/**
 * Weights in float16, computed with in float32: each is converted where it is read. For models whose inner values pass
 * what float16 can hold (T5).
 */
export function storeHalf(graph: ExportGraph): ExportGraph {
  const matrices = graph.weights.filter(({ dims }) => dims.length >= 2);
  const stored = new Set(matrices.map(({ name }) => name));
  const casts = matrices.map(({ name }): OnnxNode => castNode(halfName(name), name, FLOAT32));
  return withNodes(graph, [...casts, ...graph.model.graph.nodes], {
    weights: graph.weights.filter(({ name }) => !stored.has(name)),
    tensors: [...graph.tensors, ...matrices.map(halfTensor)],
  });
}

/**
 * The graph in float16: weights, products, and the keys and values that go in and out. Norms, softmax and masked scores
 * stay float32; results other than keys and values are float32 too, as programs that pool or sample expect them.
 */
export function computeHalf(graph: ExportGraph): ExportGraph {
  return new HalfRewriting(graph).run();
}

const halfName = (name: string): string => `${name}.float16`;

function castNode(from: string, to: string, type: number): OnnxNode {
  return { op: 'Cast', name: to, inputs: [from], outputs: [to], attributes: { to: { kind: 'int', value: type } } };
}

function halfTensor({ name, dims, values }: ExportWeight): StreamedTensor {
  return { name: halfName(name), type: 'float16', dims, read: async () => bytesOf(float32ToFloat16(await values())) };
}

class HalfRewriting {
  private readonly graph: ExportGraph;
  private readonly weights: ReadonlyMap<string, ExportWeight>;
  private readonly constants: ReadonlyMap<string, Float32Array>;
  /** The precision of every floating value that is computed or comes in. */
  private readonly precisions = new Map<string, Precision>();
  /** Values that are there in the other precision too, under its name. */
  private readonly converted = new Map<string, string>();
  private readonly nodes: OnnxNode[] = [];
  private readonly halves = new Map<string, StreamedTensor>();
  private readonly halfConstants: OnnxTensor[] = [];

  constructor(graph: ExportGraph) {
    this.graph = graph;
    this.weights = new Map(graph.weights.map((weight) => [weight.name, weight]));
    this.constants = constantNumbers(graph);
  }

  run(): ExportGraph {
    const { inputs, outputs, initializers } = this.graph.model.graph;
    const halfInputs = inputs.map((value): OnnxValueInfo => {
      if (value.type !== 'float32') return value;
      this.precisions.set(value.name, 'half');
      return { ...value, type: 'float16' };
    });
    const renamed = new Map(outputs.map(({ name }) => [name, `${name}.inner`]));
    for (const node of this.graph.model.graph.nodes) this.rewrite(withNames(node, renamed));
    const halfOutputs = outputs.map((value): OnnxValueInfo => {
      const inner = renamed.get(value.name)!;
      const wanted: Precision = value.name.startsWith('present.') ? 'half' : 'full';
      this.nodes.push({ op: 'Identity', name: value.name, inputs: [this.as(inner, wanted)], outputs: [value.name] });
      return { ...value, type: wanted === 'half' ? 'float16' : 'float32' };
    });
    return withNodes(this.graph, withoutIdentities(this.nodes), {
      inputs: halfInputs,
      outputs: halfOutputs,
      tensors: [...this.graph.tensors, ...this.halves.values()],
      initializers: [...initializers, ...this.halfConstants],
    });
  }

  private rewrite(node: OnnxNode): void {
    if (node.op === 'Cast' && intAttribute(node, 'to', 0) === FLOAT32) {
      this.nodes.push(node);
      this.precisions.set(node.outputs[0]!, 'full');
      return;
    }
    const floating = node.inputs.filter((name) => this.isFloating(name));
    if (floating.length === 0) {
      this.nodes.push(node);
      return;
    }
    const precision = this.precisionOf(node, floating);
    const inputs = node.inputs.map((name) => (this.isFloating(name) ? this.as(name, precision) : name));
    this.nodes.push({ ...node, inputs });
    if (NOT_FLOATING.has(node.op)) return;
    for (const output of node.outputs) this.precisions.set(output, precision);
  }

  private isFloating(name: string): boolean {
    return this.precisions.has(name) || this.weights.has(name) || this.constants.has(name);
  }

  /** Weights and constants take the precision of what they meet; of two computed values the finer wins. */
  private precisionOf({ op, name = '' }: OnnxNode, floating: readonly string[]): Precision {
    if (ALWAYS_FULL.has(op) || name.includes('Norm')) return 'full';
    if (floating.some((each) => this.constants.get(each)?.some((value) => Math.abs(value) > LARGEST))) return 'full';
    if (ALWAYS_HALF.has(op)) return 'half';
    return floating.some((each) => this.precisions.get(each) === 'full') ? 'full' : 'half';
  }

  /** The name under which a value is there in a precision. */
  private as(name: string, precision: Precision): string {
    const own = this.precisions.get(name);
    if (own === precision) return name;
    if (own === undefined && precision === 'full') return name;
    const known = this.converted.get(name);
    if (known !== undefined) return known;
    const other = precision === 'half' ? halfName(name) : `${name}.float32`;
    this.converted.set(name, other);
    const weight = this.weights.get(name);
    const constant = this.constants.get(name);
    if (weight) this.halves.set(other, halfTensor(weight));
    else if (constant) this.enterConstant(name, other, constant);
    else this.nodes.push(castNode(name, other, precision === 'half' ? FLOAT16 : FLOAT32));
    return other;
  }

  private enterConstant(name: string, other: string, numbers: Float32Array): void {
    const { dims } = this.graph.model.graph.initializers.find((each) => each.name === name)!;
    this.halfConstants.push({ name: other, type: 'float16', dims, data: bytesOf(float32ToFloat16(numbers)) });
  }
}

function withNames(node: OnnxNode, renamed: ReadonlyMap<string, string>): OnnxNode {
  const rename = (name: string): string => renamed.get(name) ?? name;
  return { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) };
}

/** Lets what an `Identity` passes on have the name that it gives it, where it is computed in the graph. */
function withoutIdentities(nodes: readonly OnnxNode[]): OnnxNode[] {
  const made = new Set(nodes.filter(({ op }) => op !== 'Identity').flatMap((node) => node.outputs));
  const renamed = new Map<string, string>();
  for (const { op, inputs, outputs } of nodes) {
    if (op === 'Identity' && made.has(inputs[0]!) && !renamed.has(inputs[0]!)) renamed.set(inputs[0]!, outputs[0]!);
  }
  return nodes
    .filter(({ op, inputs, outputs }) => !(op === 'Identity' && renamed.get(inputs[0]!) === outputs[0]))
    .map((node) => withNames(node, renamed));
}
