import type { OnnxNode, OnnxTensor } from '../onnx/model.js';
import { bytesOf, type ExportGraph, withNodes } from './onnx-graph.js';

/**
 * Writes `SimplifiedLayerNormalization` out in operators of the standard. ONNX Runtime keeps that one in the standard's
 * domain, where no other tool knows it, and makes it again from just these nodes when it opens the file.
 */
export function standardNorms(graph: ExportGraph): ExportGraph {
  const constants: OnnxTensor[] = [];
  const number = (name: string, value: number): string => {
    if (!constants.some((each) => each.name === name)) {
      constants.push({ name, type: 'float32', dims: [], data: bytesOf(Float32Array.of(value)) });
    }
    return name;
  };
  const axes = 'norm.axes';
  const nodes = graph.model.graph.nodes.flatMap((node): OnnxNode[] => {
    if (node.op !== 'SimplifiedLayerNormalization') return [node];
    const [x, weight] = node.inputs as [string, string];
    const { name = node.outputs[0]!, attributes } = node;
    const epsilon = attributes?.epsilon?.kind === 'float' ? attributes.epsilon.value : 1e-5;
    const step = (op: string, part: string, ...inputs: string[]): OnnxNode => ({
      op,
      name: `${name}/${part}`,
      inputs,
      outputs: [`${name}/${part}`],
    });
    return [
      step('Pow', 'square', x, number('norm.two', 2)),
      {
        ...step('ReduceMean', 'mean', `${name}/square`, axes),
        attributes: { keepdims: { kind: 'int', value: 1 } },
      },
      step('Add', 'shifted', `${name}/mean`, number(`norm.epsilon.${epsilon}`, epsilon)),
      step('Sqrt', 'root', `${name}/shifted`),
      step('Div', 'normal', x, `${name}/root`),
      { ...step('Mul', 'scaled', `${name}/normal`, weight), outputs: [node.outputs[0]!] },
    ];
  });
  constants.push({ name: axes, type: 'int64', dims: [1], data: bytesOf(BigInt64Array.of(-1n)) });
  return withNodes(graph, nodes, { initializers: [...graph.model.graph.initializers, ...constants] });
}
