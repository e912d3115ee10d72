import { QUANTIZED_BLOCK, type QuantizedWeight, quantizeWeight } from '../nn/quantized-weight.js';
import type { OnnxAttribute, OnnxNode } from '../onnx/model.js';
import type { StreamedTensor } from '../onnx/streamed-file.js';
import type { HostArray } from '../tensor/variable.js';
import {
  bytesOf,
  type ExportGraph,
  type ExportWeight,
  intAttribute,
  isMatrixTranspose,
  withNodes,
} from './onnx-graph.js';

export interface QuantizeOptions {
  /** Bits of the weights of linear layers; tables and heads that share a matrix keep 8. */
  readonly bits: 4 | 8;
  /**
   * In what numbers products are taken, in the codes of ONNX Runtime: 1 is float32, 4 (the default) rounds the other
   * operand to 8 bits, block by block, which a processor multiplies several times as fast.
   */
  readonly accuracyLevel?: 0 | 1 | 4;
}

/** Tables with fewer rows are not worth packing. */
const FEWEST_ROWS = 512;

/** The weight that turns hidden vectors into logits, where it is not the table: it decides every token, and keeps 8 bits. */
const HEAD = 'head.weight';

const MICROSOFT = 'com.microsoft';

/** A product `x · Wᵀ` of the graph with a weight `[outputs, inputs]`. */
interface WeightProduct {
  readonly node: OnnxNode;
  readonly weight: ExportWeight;
}

/**
 * Puts weights of 4 or 8 bits in blocks of 32, each with a scale, in place of float32 ones: products become
 * `MatMulNBits`, and the table of words, where its rows are whole blocks, `GatherBlockQuantized`. A head that is the
 * table shares its numbers, which both read at 8 bits.
 *
 * Both are ONNX Runtime's own operators, which its programs for servers, browsers (WebAssembly) and GPUs (WebGPU) have
 * alike. `DynamicQuantizeLinear` with `MatMulInteger`, the standard's way to 8 bits, has one scale for a whole row of
 * weights and one for all activations, and does not run on WebGPU.
 *
 * @param table the input whose numbers choose rows of the table of words.
 */
export function quantizeGraph(graph: ExportGraph, options: QuantizeOptions, table = 'input_ids'): ExportGraph {
  const { nodes } = graph.model.graph;
  const weights = new Map(graph.weights.map((weight) => [weight.name, weight]));
  const products = new Map(findProducts(nodes, weights).map((product) => [product.node, product]));
  const lookups = new Map<OnnxNode, ExportWeight>();
  for (const node of nodes) {
    const weight = weights.get(node.inputs[0] ?? '');
    if (node.op === 'Gather' && node.inputs[1] === table && weight && isPackable(weight)) lookups.set(node, weight);
  }
  const shared = new Set([...lookups.values()].map(({ name }) => name));
  const tensors = new Map<string, StreamedTensor>();
  const rewritten = nodes.flatMap((node): OnnxNode[] => {
    const lookup = lookups.get(node);
    if (lookup) return [lookupNode(node, packed(lookup, 8, tensors, true))];
    const product = products.get(node);
    if (!product) return [node];
    const { name } = product.weight;
    const isTable = shared.has(name);
    const bits = isTable || name === HEAD ? 8 : options.bits;
    const names = packed(product.weight, bits, tensors, isTable);
    const view = isTable ? blockView(product.weight, names.packed, tensors) : undefined;
    const read = view ? { ...names, packed: view.outputs[0]! } : names;
    return [...(view ? [view] : []), productNode(product, read, bits, options.accuracyLevel ?? 4)];
  });
  const live = withoutDead(
    rewritten,
    graph.model.graph.outputs.map(({ name }) => name),
  );
  return withNodes(graph, live, {
    tensors: [...graph.tensors, ...tensors.values()],
    opsets: { ...graph.model.opsets, [MICROSOFT]: 1 },
  });
}

function isPackable({ dims: [rows, columns] }: ExportWeight): boolean {
  return rows! >= FEWEST_ROWS && columns! % QUANTIZED_BLOCK === 0;
}

/** Products with a weight that is turned: `MatMul` behind a `Transpose`, or a `FusedMatMul` that turns it itself. */
function findProducts(nodes: readonly OnnxNode[], weights: ReadonlyMap<string, ExportWeight>): WeightProduct[] {
  const turned = new Map<string, ExportWeight>();
  const products: WeightProduct[] = [];
  for (const node of nodes) {
    const own = weights.get(node.inputs[0] ?? '');
    if (own && own.dims.length === 2 && isMatrixTranspose(node)) turned.set(node.outputs[0]!, own);
    const behind = node.op === 'MatMul' ? turned.get(node.inputs[1]!) : undefined;
    const inside = node.op === 'FusedMatMul' && isPlainTurned(node) ? weights.get(node.inputs[1]!) : undefined;
    const weight = behind ?? inside;
    if (weight?.dims.length === 2) products.push({ node, weight });
  }
  return products;
}

function isPlainTurned(node: OnnxNode): boolean {
  const alpha = node.attributes?.alpha;
  const isPlain = alpha === undefined || (alpha.kind === 'float' && alpha.value === 1);
  return isPlain && intAttribute(node, 'transA', 0) === 0 && intAttribute(node, 'transB', 0) === 1;
}

interface PackedNames {
  readonly packed: string;
  readonly scales: string;
}

/** Enters the packed numbers of a weight `[N, K]`: as a table `[N, bytes]` where the weight is one, else `[N, blocks, bytes]`. */
function packed(
  weight: ExportWeight,
  bits: 4 | 8,
  tensors: Map<string, StreamedTensor>,
  isTable: boolean,
): PackedNames {
  const { name, dims } = weight;
  const [rows, columns] = dims as readonly [number, number];
  const blocks = Math.ceil(columns / QUANTIZED_BLOCK);
  const names = { packed: `${name}.packed`, scales: `${name}.scales` };
  if (tensors.has(names.packed)) return names;
  // Packed when the first of the two is due, and forgotten with the second.
  let work: Promise<QuantizedWeight> | undefined;
  const start = async (): Promise<QuantizedWeight> => {
    const values = wholeBlocks(await weight.values(), rows, columns);
    return quantizeWeight(name, values, [rows, blocks * QUANTIZED_BLOCK], bits);
  };
  const bytes = (QUANTIZED_BLOCK * bits) / 8;
  tensors.set(names.packed, {
    name: names.packed,
    type: 'uint8',
    dims: isTable ? [rows, blocks * bytes] : [rows, blocks, bytes],
    read: async () => {
      work = start();
      return bytesOf(((await work).packed.value as HostArray).data);
    },
  });
  tensors.set(names.scales, {
    name: names.scales,
    type: 'float32',
    dims: [rows, blocks],
    read: async () => {
      const done = await (work ?? start());
      work = undefined;
      return bytesOf((done.scales.value as HostArray).data);
    },
  });
  return names;
}

/** Rows filled up with zeros to whole blocks, which change no product. */
function wholeBlocks(values: Float32Array, rows: number, columns: number): Float32Array {
  const width = Math.ceil(columns / QUANTIZED_BLOCK) * QUANTIZED_BLOCK;
  if (width === columns) return values;
  const filled = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) filled.set(values.subarray(row * columns, (row + 1) * columns), row * width);
  return filled;
}

/** The table's bytes `[N, K]` as the product wants them, `[N, blocks, bytes]`: they are in the file once. */
function blockView({ dims }: ExportWeight, table: string, tensors: Map<string, StreamedTensor>): OnnxNode {
  const [rows, columns] = dims as readonly [number, number];
  const sizes = BigInt64Array.from([rows, columns / QUANTIZED_BLOCK, QUANTIZED_BLOCK], BigInt);
  const shape = `${table}.shape`;
  tensors.set(shape, { name: shape, type: 'int64', dims: [3], read: () => bytesOf(sizes) });
  const output = `${table}.blocks`;
  return { op: 'Reshape', name: output, inputs: [table, shape], outputs: [output] };
}

const ints = (values: Readonly<Record<string, number>>): Record<string, OnnxAttribute> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { kind: 'int', value } as const]));

function productNode(
  { node, weight }: WeightProduct,
  names: PackedNames,
  bits: 4 | 8,
  accuracyLevel: number,
): OnnxNode {
  const [N, K] = weight.dims as readonly [number, number];
  return {
    ...node,
    op: 'MatMulNBits',
    domain: MICROSOFT,
    inputs: [node.inputs[0]!, names.packed, names.scales],
    attributes: ints({ K, N, bits, block_size: QUANTIZED_BLOCK, accuracy_level: accuracyLevel }),
  };
}

function lookupNode(node: OnnxNode, names: PackedNames): OnnxNode {
  return {
    ...node,
    op: 'GatherBlockQuantized',
    domain: MICROSOFT,
    inputs: [names.packed, node.inputs[1]!, names.scales],
    attributes: ints({ gather_axis: 0, quantize_axis: 1, block_size: QUANTIZED_BLOCK, bits: 8 }),
  };
}

/** The nodes that an output depends on. */
function withoutDead(nodes: readonly OnnxNode[], outputs: readonly string[]): OnnxNode[] {
  const wanted = new Set(outputs);
  const live: OnnxNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    for (const name of node.inputs) wanted.add(name);
    live.push(node);
  }
  return live.reverse();
}
