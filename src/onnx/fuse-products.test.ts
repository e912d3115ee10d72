import { describe, expect, it } from 'vitest';
import { fuseProducts } from './fuse-products.js';
import type { OnnxModel, OnnxNode, OnnxTensor } from './model.js';

const K = 32;

/** A weight of 8 bits, `[rows, 32]`, whose bytes are all one number. */
function weight(name: string, rows: number, byte: number): OnnxTensor[] {
  return [
    { name, type: 'uint8', dims: [rows, 1, K], data: new Uint8Array(rows * K).fill(byte) },
    { name: `${name}.scales`, type: 'float32', dims: [rows, 1], data: new Uint8Array(4 * rows).fill(byte) },
  ];
}

function product(x: string, name: string, rows: number, output: string): OnnxNode {
  const attributes = Object.fromEntries(
    Object.entries({ K, N: rows, bits: 8, block_size: 32 }).map(([key, value]) => [
      key,
      { kind: 'int', value } as const,
    ]),
  );
  return {
    op: 'MatMulNBits',
    domain: 'com.microsoft',
    name: output,
    inputs: [x, name, `${name}.scales`],
    outputs: [output],
    attributes,
  };
}

function modelOf(
  nodes: readonly OnnxNode[],
  initializers: readonly OnnxTensor[],
  outputs: readonly string[],
): OnnxModel {
  const value = (name: string) => ({ name, type: 'float32' as const, dims: ['T', ''] });
  return {
    irVersion: 10,
    opsets: { '': 21, 'com.microsoft': 1 },
    producer: 'test',
    graph: { name: 'test', nodes, initializers, inputs: ['x', 'y'].map(value), outputs: outputs.map(value) },
  };
}

/** The first byte of every row of the weight of each product, in the order of the nodes. */
function bytesOfProducts({ graph }: OnnxModel): number[][] {
  const constants = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]));
  expect(constants.size, 'names of constants differ').toBe(graph.initializers.length);
  return graph.nodes
    .filter(({ op }) => op === 'MatMulNBits')
    .map(({ inputs, attributes }) => {
      const { data, dims } = constants.get(inputs[1]!)!;
      expect(dims[0]).toBe((attributes!.N as { value: number }).value);
      return [...(data as Uint8Array)].filter((_, i) => i % K === 0);
    });
}

describe('fuseProducts', () => {
  it('joins products of one operand, and leaves the others', () => {
    const fused = fuseProducts(
      modelOf(
        [product('x', 'a', 2, 'xa'), product('y', 'b', 1, 'yb'), product('x', 'c', 1, 'xc')],
        [...weight('a', 2, 1), ...weight('b', 1, 2), ...weight('c', 1, 3)],
        ['xa', 'yb', 'xc'],
      ),
    );
    expect(bytesOfProducts(fused)).toEqual([[1, 1, 3], [2]]);
    expect(fused.graph.nodes.find(({ op }) => op === 'Split')!.outputs).toEqual(['xa', 'xc']);
  });

  it('keeps weights apart that several groups share', () => {
    const fused = fuseProducts(
      modelOf(
        [
          product('x', 'a', 2, 'xa'),
          product('x', 'b', 1, 'xb'),
          product('y', 'a', 2, 'ya'),
          product('y', 'c', 1, 'yc'),
        ],
        [...weight('a', 2, 1), ...weight('b', 1, 2), ...weight('c', 1, 3)],
        ['xa', 'xb', 'ya', 'yc'],
      ),
    );
    expect(bytesOfProducts(fused)).toEqual([
      [1, 1, 2],
      [1, 1, 3],
    ]);
  });

  it('keeps a weight that is read elsewhere too', () => {
    const lookUp: OnnxNode = { op: 'Gather', inputs: ['a', 'y'], outputs: ['row'] };
    const fused = fuseProducts(
      modelOf(
        [lookUp, product('x', 'a', 2, 'xa'), product('x', 'b', 1, 'xb')],
        [...weight('a', 2, 1), ...weight('b', 1, 2)],
        ['row', 'xa', 'xb'],
      ),
    );
    expect(fused.graph.initializers.map(({ name }) => name)).toContain('a');
    expect(bytesOfProducts(fused)).toEqual([[1, 1, 2]]);
  });
});
