import type { OnnxGraph, OnnxNode } from '../onnx/model.js';

/** Nodes whose output element i needs element i of its same-shaped inputs alone: they may write over an input. */
const ELEMENTWISE = new Set(['Add', 'Sub', 'Mul', 'Div', 'Where', 'Neg', 'Sqrt', 'Max', 'Min', 'Cast', 'Identity']);

/** Nodes that an optimizer may turn into another name for their first input. Those of `false` change its shape. */
const VIEWS: ReadonlyMap<string, boolean> = new Map([
  ...['Identity', 'Cast'].map((op) => [op, true] as const),
  ...['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Transpose', 'Expand', 'Slice', 'Split', 'Concat', 'Pad'].map(
    (op) => [op, false] as const,
  ),
]);

/** Views as well if the other operand is a constant, which may be 0 or 1. */
const NEUTRAL = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Nodes made to update an input in place: output index → input index. */
const IN_PLACE: Record<string, ReadonlyMap<number, number>> = {
  GroupQueryAttention: new Map([
    [1, 3],
    [2, 4],
  ]),
};

/**
 * Which updated variables may be written into their own memory while the graph runs.
 *
 * ONNX Runtime does not know that an output shares memory with an input, so it may overwrite a weight before a later
 * node has read it. That cannot happen if
 *
 * 1. every node that reads the weight, also through views of it, is the writer or one of its ancestors: then it comes
 *    first in any order that respects the data flow;
 * 2. the writer works element by element, or is made for it;
 * 3. no optimizer can merge a reader into the writer and make one node of them that does not work element by element
 *    (a product and the addition after it become one Gemm).
 *
 * What fails the check gets a second buffer instead.
 *
 * @param graph nodes in an order in which inputs come first.
 * @param pairs graph inputs and the outputs that replace them. @returns the input names that are safe.
 */
export function safeDonations(graph: OnnxGraph, pairs: readonly { input: string; output: string }[]): Set<string> {
  const flow = new DataFlow(graph);
  const candidates = pairs.flatMap(({ input, output }) => {
    const writer = flow.producer.get(output);
    const uses = writer && usesOf(input, flow);
    return uses && !uses.escapes && writesInPlace(writer, input, output, uses) ? [{ input, writer, ...uses }] : [];
  });
  const isAncestor = ancestry(
    graph,
    flow,
    candidates.flatMap(({ readers }) => readers),
  );
  return new Set(
    candidates
      .filter(
        ({ readers, writer }) =>
          readers.every((node) => node === writer || isAncestor(node, writer)) && !canMerge(writer, readers, flow),
      )
      .map(({ input }) => input),
  );
}

/** Who makes and who reads each value of a graph. */
class DataFlow {
  readonly producer = new Map<string, OnnxNode>();
  readonly readers = new Map<string, OnnxNode[]>();
  readonly outputs: ReadonlySet<string>;
  readonly constants: ReadonlySet<string>;

  constructor(graph: OnnxGraph) {
    this.outputs = new Set(graph.outputs.map(({ name }) => name));
    this.constants = new Set(graph.initializers.map(({ name }) => name));
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.producer.set(output, node);
      for (const input of new Set(node.inputs)) {
        const known = this.readers.get(input);
        if (known) known.push(node);
        else this.readers.set(input, [node]);
      }
    }
  }
}

interface Uses {
  /** The nodes that read the variable or a view of it. */
  readonly readers: readonly OnnxNode[];
  /** Those among them that read a view of another shape. */
  readonly reshaped: ReadonlySet<OnnxNode>;
  /** A view leaves the graph: it would be overwritten under its reader's eyes. */
  readonly escapes: boolean;
}

function usesOf(input: string, { readers, outputs, constants }: DataFlow): Uses {
  const reading = new Set<OnnxNode>();
  const reshaped = new Set<OnnxNode>();
  const pending = [{ name: input, sameShape: true }];
  let escapes = false;
  for (let next = pending.pop(); next; next = pending.pop()) {
    for (const node of readers.get(next.name) ?? []) {
      reading.add(node);
      if (!next.sameShape) reshaped.add(node);
      const { name } = next;
      const neutral = NEUTRAL.has(node.op) && node.inputs.some((other) => other !== name && constants.has(other));
      if (!neutral && !(VIEWS.has(node.op) && node.inputs.includes(name))) continue;
      // The new value itself is no view to worry about: nothing but the graph's reader follows it.
      if (node.outputs.some((view) => outputs.has(view)) && !ELEMENTWISE.has(node.op)) escapes = true;
      const sameShape = next.sameShape && (neutral || VIEWS.get(node.op)!);
      pending.push(...node.outputs.map((output) => ({ name: output, sameShape })));
    }
  }
  return { readers: [...reading], reshaped, escapes };
}

function writesInPlace(writer: OnnxNode, input: string, output: string, { readers, reshaped }: Uses): boolean {
  const aliases = IN_PLACE[writer.op];
  if (aliases) {
    const from = aliases.get(writer.outputs.indexOf(output));
    return from !== undefined && writer.inputs[from] === input && readers.length === 1;
  }
  // A view of another shape means another order of the elements.
  return ELEMENTWISE.has(writer.op) && !reshaped.has(writer);
}

/** Answers whether a node, one of `asked`, comes before another in the data flow: a row of bits for each node. */
function ancestry(
  graph: OnnxGraph,
  { producer }: DataFlow,
  asked: readonly OnnxNode[],
): (earlier: OnnxNode, later: OnnxNode) => boolean {
  const columns = new Map([...new Set(asked)].map((node, i) => [node, i]));
  const words = Math.ceil(columns.size / 32);
  const rows = new Map<OnnxNode, Uint32Array>();
  for (const node of graph.nodes) {
    const row = new Uint32Array(words);
    for (const input of new Set(node.inputs.map((name) => producer.get(name)))) {
      if (!input) continue;
      const before = rows.get(input);
      if (before) for (let i = 0; i < words; i++) row[i]! |= before[i]!;
      const column = columns.get(input);
      if (column !== undefined) row[column >> 5]! |= 1 << (column & 31);
    }
    rows.set(node, row);
  }
  return (earlier, later) => {
    const column = columns.get(earlier)!;
    return (rows.get(later)![column >> 5]! & (1 << (column & 31))) !== 0;
  };
}

/** Whether a reader could be merged into the writer: it serves the writer alone, by a way that is not element-wise. */
function canMerge(writer: OnnxNode, readers: readonly OnnxNode[], flow: DataFlow): boolean {
  if (IN_PLACE[writer.op]) return false;
  const wanted = new Set(readers);
  const plain = new Map([[writer, true]]);
  const pending = [writer];
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const input of node.inputs) {
      const parent = flow.producer.get(input);
      if (!parent || plain.has(parent)) continue;
      const servesWriter = parent.outputs.every(
        (output) => !flow.outputs.has(output) && (flow.readers.get(output) ?? []).every((reader) => plain.has(reader)),
      );
      if (!servesWriter) continue;
      const onlyElementwise =
        ELEMENTWISE.has(parent.op) &&
        parent.outputs.every((output) => (flow.readers.get(output) ?? []).every((reader) => plain.get(reader)));
      if (!onlyElementwise && wanted.has(parent)) return true;
      plain.set(parent, onlyElementwise);
      pending.push(parent);
    }
  }
  return false;
}
