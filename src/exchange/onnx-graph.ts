import type { LoweredGraph } from '../onnx/lower.js';
import { isExternal, type OnnxModel, type OnnxNode, type OnnxValueInfo } from '../onnx/model.js';
import type { StreamedTensor } from '../onnx/streamed-file.js';
import { isGpuArray } from '../runtime/array.js';
import { moveToHost } from '../runtime/gpu.js';
import type { HostArray, Variable } from '../tensor/variable.js';
import { variableOf } from '../tensor/variable.js';

/** A weight of a graph that is to be written; its numbers are taken from the model when they are due. */
export interface ExportWeight {
  readonly name: string;
  readonly dims: readonly number[];
  /** float32, row-major. */
  values(): Float32Array | Promise<Float32Array>;
}

/** A graph on its way into a file: passes turn it from one form into another. */
export interface ExportGraph {
  readonly model: OnnxModel;
  /** float32 weights, which nodes read by their names. */
  readonly weights: readonly ExportWeight[];
  /** Initializers that a pass has made. */
  readonly tensors: readonly StreamedTensor[];
}

/** The bytes of an array, shared. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

async function hostValues({ value }: Variable): Promise<Float32Array> {
  return (isGpuArray(value) ? await moveToHost(value) : (value as HostArray)).data as Float32Array;
}

/** A lowered graph whose variables are weights in the file, no longer inputs. */
export function exportGraph({ model, inputs }: LoweredGraph): ExportGraph {
  const variables = inputs.flatMap(({ name, tensor }) => {
    const variable = variableOf(tensor);
    return variable ? [{ name, variable }] : [];
  });
  const names = new Set(variables.map(({ name }) => name));
  return {
    model: {
      ...model,
      graph: { ...model.graph, inputs: model.graph.inputs.filter(({ name }) => !names.has(name)) },
    },
    weights: variables.map(({ name, variable }) => ({
      name,
      dims: variable.shape,
      values: () => hostValues(variable),
    })),
    tensors: [],
  };
}

/** What is written: all weights as float32. */
export function streamedTensors({ weights, tensors }: ExportGraph): StreamedTensor[] {
  return [
    ...weights.map(
      ({ name, dims, values }): StreamedTensor => ({
        name,
        type: 'float32',
        dims,
        read: async () => bytesOf(await values()),
      }),
    ),
    ...tensors,
  ];
}

/** The graph with other nodes; weights and constants that none of them reads are dropped. */
export function withNodes(
  graph: ExportGraph,
  nodes: readonly OnnxNode[],
  changes: Partial<Pick<ExportGraph, 'weights' | 'tensors'>> & {
    readonly inputs?: readonly OnnxValueInfo[];
    readonly outputs?: readonly OnnxValueInfo[];
    readonly initializers?: OnnxModel['graph']['initializers'];
    readonly opsets?: OnnxModel['opsets'];
  } = {},
): ExportGraph {
  const { model } = graph;
  const { weights = graph.weights, tensors = graph.tensors, opsets = model.opsets } = changes;
  const { inputs = model.graph.inputs, outputs = model.graph.outputs } = changes;
  const { initializers = model.graph.initializers } = changes;
  const read = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.map(({ name }) => name)]);
  const isRead = ({ name }: { readonly name: string }): boolean => read.has(name);
  return {
    model: {
      ...model,
      opsets,
      graph: { ...model.graph, nodes, inputs, outputs, initializers: initializers.filter(isRead) },
    },
    weights: weights.filter(isRead),
    tensors: tensors.filter(isRead),
  };
}

/** An attribute that is a whole number, or `fallback`. */
export function intAttribute({ attributes }: OnnxNode, name: string, fallback: number): number {
  const attribute = attributes?.[name];
  return attribute?.kind === 'int' ? attribute.value : fallback;
}

/** An attribute that is a list of whole numbers. */
export function intsAttribute({ attributes }: OnnxNode, name: string): readonly number[] | undefined {
  const attribute = attributes?.[name];
  return attribute?.kind === 'ints' ? attribute.value : undefined;
}

/** Whether a node only exchanges the two axes of a matrix. */
export function isMatrixTranspose(node: OnnxNode): boolean {
  return node.op === 'Transpose' && intsAttribute(node, 'perm')?.join() === '1,0';
}

/**
 * Weights that are read through an exchange of their axes alone are kept that way round in the file, so that no program
 * has to turn them when it opens it. A table that is read both ways (a tied head) stays as it is.
 */
export function foldTransposedWeights(graph: ExportGraph): ExportGraph {
  const { nodes } = graph.model.graph;
  const readers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  const folded = new Set<OnnxNode>();
  const weights = graph.weights.map((weight): ExportWeight => {
    const own = readers.get(weight.name) ?? [];
    const [node] = own;
    if (own.length !== 1 || weight.dims.length !== 2 || !isMatrixTranspose(node!)) return weight;
    folded.add(node!);
    const [rows, columns] = weight.dims as readonly [number, number];
    return {
      name: node!.outputs[0]!,
      dims: [columns, rows],
      values: async () => transposed(await weight.values(), rows, columns),
    };
  });
  return withNodes(
    graph,
    nodes.filter((node) => !folded.has(node)),
    { weights },
  );
}

/** Columns that are turned at once: a cache line's worth, so that neither side is walked in long steps. */
const TILE = 32;

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let column = 0; column < columns; column++) {
      for (let row = top; row < bottom; row++) turned[column * rows + row] = values[row * columns + column]!;
    }
  }
  return turned;
}

/** The numbers of a small float32 constant in the graph. */
export function constantNumbers(graph: ExportGraph): ReadonlyMap<string, Float32Array> {
  const constants = new Map<string, Float32Array>();
  for (const { name, type, data } of graph.model.graph.initializers) {
    if (type !== 'float32' || isExternal(data)) continue;
    constants.set(name, new Float32Array(data.slice().buffer));
  }
  return constants;
}
