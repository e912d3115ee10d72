import { describe, expect, it } from 'vitest';
import { fuseResiduals } from './fuse-residuals.js';
import type { OnnxModel, OnnxNode } from './model.js';

const add = (a: string, b: string, output: string): OnnxNode => ({ op: 'Add', inputs: [a, b], outputs: [output] });
const identity = (x: string, output: string): OnnxNode => ({ op: 'Identity', inputs: [x], outputs: [output] });
const norm = (x: string, weight: string, output: string): OnnxNode => ({
  op: 'SimplifiedLayerNormalization',
  name: output,
  inputs: [x, weight],
  outputs: [output],
  attributes: { epsilon: { kind: 'float', value: 1e-6 } },
});

function nodesOf(...nodes: OnnxNode[]): readonly OnnxNode[] {
  const model: OnnxModel = {
    irVersion: 10,
    opsets: { '': 21, 'com.microsoft': 1 },
    producer: 'test',
    graph: { name: 'test', nodes, initializers: [], inputs: [], outputs: [] },
  };
  return fuseResiduals(model).graph.nodes;
}

describe('fuseResiduals', () => {
  it('takes a sum and its norm together, where the sum stands, and keeps the sum', () => {
    const nodes = nodesOf(
      identity('a', 'x'),
      identity('b', 'y'),
      add('x', 'y', 's'),
      identity('s', 'z'),
      norm('s', 'w', 'n'),
    );
    expect(nodes.map(({ op }) => op)).toEqual(['Identity', 'Identity', 'SkipSimplifiedLayerNormalization', 'Identity']);
    expect(nodes[2]).toMatchObject({ inputs: ['x', 'y', 'w'], outputs: ['n', '', '', 's'] });
  });

  it('leaves a sum with a weight, which may be smaller than what it is added to', () => {
    expect(nodesOf(identity('a', 'x'), add('x', 'bias', 's'), norm('s', 'w', 'n')).map(({ op }) => op)).toEqual([
      'Identity',
      'Add',
      'SimplifiedLayerNormalization',
    ]);
  });

  it('leaves a norm whose weight is computed after the sum', () => {
    const nodes = nodesOf(
      identity('a', 'x'),
      identity('b', 'y'),
      add('x', 'y', 's'),
      identity('v', 'w'),
      norm('s', 'w', 'n'),
    );
    expect(nodes.map(({ op }) => op)).not.toContain('SkipSimplifiedLayerNormalization');
  });

  it('takes a sum that two norms read together with the first of them', () => {
    const nodes = nodesOf(
      identity('a', 'x'),
      identity('b', 'y'),
      add('x', 'y', 's'),
      norm('s', 'w', 'n'),
      norm('s', 'v', 'm'),
    );
    expect(nodes.slice(2).map(({ op, inputs }) => [op, inputs])).toEqual([
      ['SkipSimplifiedLayerNormalization', ['x', 'y', 'w']],
      ['SimplifiedLayerNormalization', ['s', 'v']],
    ]);
  });
});
