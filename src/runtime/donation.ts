import type { OnnxGraph, OnnxNode } from '../onnx/model.js';

/** Nodes whose output element i needs element i of its same-shaped inputs alone: they may write over an input. */
const ELEMENTWISE = new Set(['Add', 'Sub', 'Mul', 'Div', 'Where', 'Neg', 'Sqrt', 'Max', 'Min', 'Cast', 'Identity']);

/** Nodes whose output may share the memory of their first input. */
const VIEWS = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Flatten']);

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
 * node has read it. That cannot happen if every node that reads the weight comes before the one that writes it, in
 * any order that respects the data flow: if every reader is the writer or one of its ancestors, and the writer works
 * element by element (or is made for it). Here that is checked; what fails the check gets a second buffer instead.
 *
 * @param pairs graph inputs and the outputs that replace them. @returns the input names that are safe.
 */
export function safeDonations(graph: OnnxGraph, pairs: readonly { input: string; output: string }[]): Set<string> {
  const producer = new Map<string, OnnxNode>();
  const readers = new Map<string, OnnxNode[]>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) producer.set(output, node);
    for (const input of new Set(node.inputs)) {
      const known = readers.get(input);
      if (known) known.push(node);
      else readers.set(input, [node]);
    }
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const safe = new Set<string>();
  for (const { input, output } of pairs) {
    const writer = producer.get(output);
    if (!writer) continue;
    const { reading, escapes } = readersThroughViews(input, readers, outputs);
    if (escapes || !writesInPlace(writer, input, output, reading)) continue;
    const before = ancestorsOf(writer, producer);
    if (reading.every((node) => node === writer || before.has(node))) safe.add(input);
  }
  return safe;
}

function readersThroughViews(
  input: string,
  readers: ReadonlyMap<string, readonly OnnxNode[]>,
  outputs: ReadonlySet<string>,
): { reading: OnnxNode[]; escapes: boolean } {
  const reading: OnnxNode[] = [];
  const pending = [input];
  let escapes = false;
  while (pending.length > 0) {
    const name = pending.pop()!;
    for (const node of readers.get(name) ?? []) {
      reading.push(node);
      if (!VIEWS.has(node.op) || node.inputs[0] !== name) continue;
      // A view that leaves the graph would be overwritten under its reader's eyes.
      if (node.outputs.some((view) => outputs.has(view))) escapes = true;
      pending.push(...node.outputs);
    }
  }
  return { reading, escapes };
}

function writesInPlace(writer: OnnxNode, input: string, output: string, reading: readonly OnnxNode[]): boolean {
  const aliases = IN_PLACE[writer.op];
  if (aliases) {
    const from = aliases.get(writer.outputs.indexOf(output));
    return from !== undefined && writer.inputs[from] === input && reading.length === 1;
  }
  if (!ELEMENTWISE.has(writer.op)) return false;
  // Reading the variable through a view could mean another shape, and so another order of the elements.
  return !reading.includes(writer) || writer.inputs.includes(input);
}

function ancestorsOf(node: OnnxNode, producer: ReadonlyMap<string, OnnxNode>): Set<OnnxNode> {
  const seen = new Set<OnnxNode>();
  const stack: OnnxNode[] = [node];
  while (stack.length > 0) {
    for (const input of stack.pop()!.inputs) {
      const parent = producer.get(input);
      if (parent && !seen.has(parent)) {
        seen.add(parent);
        stack.push(parent);
      }
    }
  }
  return seen;
}
