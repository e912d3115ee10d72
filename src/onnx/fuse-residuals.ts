import type { OnnxModel, OnnxNode } from './model.js';

/**
 * The same model with each sum that is normalised at once computed in one node with its root-mean-square norm. A sum with a
 * weight (a bias) stays: the one node does not broadcast as `Add` does.
 */
export function fuseResiduals(model: OnnxModel): OnnxModel {
  const { graph } = model;
  const computed = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const isResidual = ({ op, inputs }: OnnxNode): boolean => op === 'Add' && inputs.every((name) => computed.has(name));
  const sums = new Map(graph.nodes.filter(isResidual).map((node) => [node.outputs[0]!, node]));
  const fused = new Map<OnnxNode, OnnxNode | undefined>();
  for (const norm of graph.nodes) {
    if (norm.op !== 'SimplifiedLayerNormalization') continue;
    const sum = sums.get(norm.inputs[0]!);
    // The norm moves to the sum: its weight must be there already.
    if (sum === undefined || fused.has(sum) || computed.has(norm.inputs[1]!)) continue;
    const { epsilon } = norm.attributes!;
    // It takes the sum's place, so that all that reads either comes after it.
    fused.set(sum, {
      op: 'SkipSimplifiedLayerNormalization',
      domain: 'com.microsoft',
      name: `${norm.name}/skip`,
      inputs: [...sum.inputs, norm.inputs[1]!],
      outputs: [norm.outputs[0]!, '', '', sum.outputs[0]!],
      ...(epsilon === undefined ? {} : { attributes: { epsilon } }),
    });
    fused.set(norm, undefined);
  }
  const nodes = graph.nodes.flatMap((node) => (fused.has(node) ? (fused.get(node) ?? []) : [node]));
  return { ...model, graph: { ...graph, nodes } };
}
