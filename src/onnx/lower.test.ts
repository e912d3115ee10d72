import { expect, test } from 'vitest';
import { add, mul } from '../tensor/ops/binary.js';
import { rmsNorm } from '../tensor/ops/normalization.js';
import { softmax } from '../tensor/ops/softmax.js';
import { topK } from '../tensor/ops/sort.js';
import { exp, neg } from '../tensor/ops/unary.js';
import { dim } from '../tensor/shape.js';
import { input, Variable } from '../tensor/variable.js';
import { lower } from './lower.js';

const x = input('x', 'float32', [3]);
const ops = (...outputs: Parameters<typeof lower>[0]): string[] =>
  lower(outputs, 'cpu').model.graph.nodes.map(({ op }) => op);

test('equal computations are written once', () => {
  const twice = add(exp(mul(x, 2)), neg(exp(mul(x, 2))));
  expect(ops({ name: 'y', tensor: twice })).toEqual(['Mul', 'Exp', 'Neg', 'Add']);
  expect(ops({ name: 'y', tensor: add(exp(x), exp(neg(x))) })).toEqual(['Exp', 'Neg', 'Exp', 'Add']);
});

test('what no output needs is absent, its constants too', () => {
  neg(x);
  mul(x, 7);
  const { graph } = lower([{ name: 'y', tensor: exp(x) }], 'cpu').model;
  expect(graph.nodes.map(({ op }) => op)).toEqual(['Exp']);
  expect(graph.initializers).toEqual([]);
  // On WebGPU the statistics of the norm are nodes of their own, here without a reader.
  const y = rmsNorm(input('h', 'float32', [2, 4]), input('w', 'float32', [4]));
  expect(lower([{ name: 'y', tensor: y }], 'webgpu').model.graph.nodes.map(({ op }) => op)).toEqual([
    'SimplifiedLayerNormalization',
  ]);
});

test('an input, and a value for the second time, pass through a node of their own', () => {
  const y = exp(x);
  expect(ops({ name: 'a', tensor: x }, { name: 'b', tensor: y }, { name: 'c', tensor: y })).toEqual([
    'Exp',
    'Identity',
    'Identity',
  ]);
});

test('names that people give never meet those of nodes and outputs', () => {
  const tensors = ['exp_0', 'exp_1', 'constant_0', 'y', '', '', 'topK_3.1'].map(
    (name) => new Variable(name, { dtype: 'float32', shape: [3] }).tensor,
  );
  const { values } = topK(
    tensors.reduce((total, next) => exp(add(total, mul(next, 3)))),
    2,
  );
  const { graph } = lower([{ name: 'y', tensor: values }], 'cpu').model;
  const made = [...graph.inputs, ...graph.initializers].map(({ name }) => name);
  made.push(...graph.nodes.flatMap(({ outputs }) => outputs));
  expect(made).not.toContain('');
  expect(new Set(made).size).toBe(made.length);
  const known = new Set(made);
  expect(graph.nodes.flatMap(({ inputs }) => inputs).filter((name) => !known.has(name))).toEqual([]);
  const twice = [x, x].map((tensor) => ({ name: 'y', tensor }));
  expect(() => lower(twice, 'cpu')).toThrow(/a name of its own/);
});

test('inputs come before their readers, and the parts of an op carry its name', () => {
  const y = softmax(add(x, 1));
  const { graph } = lower([{ name: 'y', tensor: exp(y) }], 'cpu').model;
  expect(graph.nodes.map(({ name }) => name!.replace(/_\d+$/, ''))).toEqual(['add', 'softmax', 'exp']);
  const seen = new Set([...graph.inputs, ...graph.initializers].map(({ name }) => name));
  for (const { inputs, outputs } of graph.nodes) {
    for (const name of inputs) expect(seen).toContain(name);
    for (const name of outputs) seen.add(name);
  }
});

test('symbolic sizes are written by name', () => {
  const h = input('h', 'float32', [dim('T'), 4]);
  const { graph } = lower([{ name: 'y', tensor: exp(h) }], 'cpu').model;
  expect(graph.inputs[0]!.dims).toEqual(['T', 4]);
  expect(graph.outputs[0]!.dims).toEqual(['T', 4]);
});
