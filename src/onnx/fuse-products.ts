import { isExternal, type OnnxModel, type OnnxNode, type OnnxTensor } from './model.js';

/**
 * The same model with products of one operand and several packed weights (queries, keys and values; gate and up) computed
 * as one: `x·[W₁; W₂]ᵀ`, split afterwards. Attention takes queries, keys and values unsplit. One product of three times
 * the size costs less than three: the operand is prepared once, and threads meet once.
 */
export function fuseProducts(model: OnnxModel): OnnxModel {
  const { graph } = model;
  const constants = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]));
  const groups = new Map<string, OnnxNode[]>();
  for (const node of graph.nodes) {
    const [x, ...weights] = node.inputs;
    if (node.op !== 'MatMulNBits' || weights.length !== 2 || !weights.every((name) => constants.has(name))) continue;
    const { N: _, ...format } = node.attributes!;
    const key = JSON.stringify([x, format]);
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  const replaced = new Map<OnnxNode, readonly OnnxNode[]>();
  const initializers = new Map(constants);
  const split = new Map<string, { readonly whole: string; readonly parts: readonly string[] }>();
  for (const nodes of groups.values()) {
    if (nodes.length < 2) continue;
    const [first] = nodes as [OnnxNode];
    const whole = `${first.outputs[0]}.whole`;
    const sizes = nodes.map(({ attributes }) => (attributes!.N as { value: number }).value);
    const [packed, scales] = [1, 2].map((at) => {
      const parts = nodes.map(({ inputs }) => constants.get(inputs[at]!)!);
      // Named by its product: layers may share a weight and join it with others.
      const joined = joinedRows(parts, `${whole}.${at === 1 ? 'packed' : 'scales'}`);
      initializers.set(joined.name, joined);
      return joined.name;
    }) as [string, string];
    const parts = nodes.map(({ outputs }) => outputs[0]!);
    const sizesName = `${whole}.sizes`;
    const total = sizes.reduce((a, b) => a + b, 0);
    initializers.set(sizesName, {
      name: sizesName,
      type: 'int64',
      dims: [sizes.length],
      data: new Uint8Array(BigInt64Array.from(sizes, BigInt).buffer),
    });
    replaced.set(first, [
      {
        ...first,
        inputs: [first.inputs[0]!, packed, scales],
        outputs: [whole],
        attributes: { ...first.attributes, N: { kind: 'int', value: total } },
      },
      {
        op: 'Split',
        name: `${first.name}/split`,
        inputs: [whole, sizesName],
        outputs: parts,
        attributes: { axis: { kind: 'int', value: -1 } },
      },
    ]);
    for (const node of nodes.slice(1)) replaced.set(node, []);
    split.set(parts.join(), { whole, parts });
  }
  // A product may have been replaced by one that stands at the first of its group: nodes are ordered by what they read.
  const nodes = graph.nodes.flatMap((node) => replaced.get(node) ?? [node]).map((node) => unsplit(node, split));
  const read = new Set([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)]);
  const live = nodes.filter(({ op, outputs }) => op !== 'Split' || outputs.some((name) => read.has(name)));
  const used = new Set(live.flatMap(({ inputs }) => inputs));
  return {
    ...model,
    graph: { ...graph, nodes: live, initializers: [...initializers.values()].filter(({ name }) => used.has(name)) },
  };
}

/** Attention that reads the three parts of one product reads the whole of it instead. */
function unsplit(node: OnnxNode, split: ReadonlyMap<string, { readonly whole: string }>): OnnxNode {
  if (node.op !== 'GroupQueryAttention') return node;
  const whole = split.get(node.inputs.slice(0, 3).join())?.whole;
  return whole === undefined ? node : { ...node, inputs: [whole, '', '', ...node.inputs.slice(3)] };
}

/** Tensors one below the other. */
function joinedRows(parts: readonly OnnxTensor[], name: string): OnnxTensor {
  const [first] = parts as readonly [OnnxTensor];
  const bytes = parts.map(({ data }) => {
    if (isExternal(data)) throw new Error('a constant lies in another file');
    return data;
  });
  const data = new Uint8Array(bytes.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of bytes) {
    data.set(part, at);
    at += part.length;
  }
  const rows = parts.reduce((total, { dims }) => total + dims[0]!, 0);
  return { ...first, name, dims: [rows, ...first.dims.slice(1)], data };
}
