import { expect, test } from 'vitest';
import { Attention } from './attention.js';
import { Embedding } from './embedding.js';
import { SwiGlu } from './feed-forward.js';
import { Linear } from './linear.js';
import { initialize, Module, weightsOf } from './module.js';
import { LayerNorm } from './norm.js';
import { normalInit, Parameter } from './parameter.js';

class Model extends Module {
  readonly config = { note: 'no parameter in here' };
  readonly table = new Embedding({ count: 5, width: 4 });
  readonly layers = [new SwiGlu({ width: 4, hidden: 6 }), new Attention({ width: 4, heads: 2, queryKeyNorm: true })];
  readonly norm = new LayerNorm({ width: 4 });
  readonly scales = [new Parameter([2], normalInit(1)), new Parameter([2], normalInit(1))];
  readonly head = new Linear({ inputs: 4, outputs: 5, bias: true });
  /** The same table by another path. */
  readonly tied = this.table;
}

const NAMES = [
  'table.weight',
  'layers.0.gate.weight',
  'layers.0.up.weight',
  'layers.0.down.weight',
  'layers.1.q.weight',
  'layers.1.k.weight',
  'layers.1.v.weight',
  'layers.1.o.weight',
  'layers.1.queryNorm.weight',
  'layers.1.keyNorm.weight',
  'norm.weight',
  'norm.bias',
  'scales.0',
  'scales.1',
  'head.weight',
  'head.bias',
];

test('parameters are named after their path; one that is reached twice keeps the first', () => {
  const model = initialize(new Model(), 1);
  expect([...model.namedParameters()].map(([path]) => path)).toEqual([...NAMES, 'tied.weight']);
  expect(model.parameters().map(({ name }) => name)).toEqual(NAMES);
  expect(model.size).toBe(20 + 3 * 24 + 4 * 16 + 2 + 2 + 8 + 4 + 25);
});

test('the same seed gives the same weights, another one others, whatever else is in the model', () => {
  const values = (module: Module): Map<string, number[]> =>
    new Map(module.parameters().map((parameter) => [parameter.name, [...weightsOf(parameter)]]));
  const first = values(initialize(new Model(), 7));
  expect(values(initialize(new Model(), 7))).toEqual(first);
  const other = values(initialize(new Model(), 8));
  const drawn = NAMES.filter((name) => !/norm|bias/i.test(name));
  for (const name of drawn) expect(other.get(name)).not.toEqual(first.get(name));
  expect(new Set(drawn.flatMap((name) => first.get(name)!)).size).toBe(20 + 3 * 24 + 4 * 16 + 4 + 20);

  class Part extends Module {
    readonly head = new Linear({ inputs: 4, outputs: 5 });
  }
  expect(values(initialize(new Part(), 7)).get('head.weight')).toEqual(first.get('head.weight'));
});

test('norms start as the identity, biases at zero', () => {
  const model = initialize(new Model(), 1);
  const at = (name: string): number[] => [...weightsOf(model.parameters().find((p) => p.name === name)!)];
  expect(at('norm.weight')).toEqual([1, 1, 1, 1]);
  expect(at('layers.1.queryNorm.weight')).toEqual([1, 1]);
  expect(at('norm.bias')).toEqual([0, 0, 0, 0]);
  expect(at('head.bias')).toEqual([0, 0, 0, 0, 0]);
});

test('frozen parameters are not trainable, and weights elsewhere are no host array', () => {
  const model = initialize(new Model(), 1);
  model.table.weight.trainable = false;
  expect(model.trainableParameters().map(({ name }) => name)).toEqual(NAMES.slice(1));
  model.head.weight.value = { dtype: 'float32', shape: [5, 4] };
  expect(() => weightsOf(model.head.weight)).toThrow(/head\.weight[\s\S]*not in memory/);
});
