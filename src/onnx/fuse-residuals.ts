import type { OnnxModel, OnnxNode } from './model.js';

/** The same model with each sum that is normalised at once computed in one node with its root-mean-square norm. */
export function fuseResiduals(model: OnnxModel): OnnxModel {
  const { graph } = model;
  const sums = new Map(graph.nodes.filter(({ op }) => op === 'Add').map((node) => [node.outputs[0]!, node]));
  const fused = new Map<OnnxNode, OnnxNode | undefined>();
  for (const norm of graph.nodes) {
    if (norm.op !== 'SimplifiedLayerNormalization') continue;
    const sum = sums.get(norm.inputs[0]!);
    if (sum === undefined || fused.has(sum)) continue;
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
