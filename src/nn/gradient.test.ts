import { expect, test } from 'vitest';
import { computed, drawNormal, drawTensor, largestError, randomize } from '../../test/plain-layers.js';
import { grad } from '../tensor/grad.js';
import type { ReferenceArray } from '../tensor/op.js';
import { causalMask } from '../tensor/ops/attention.js';
import { add, mul } from '../tensor/ops/binary.js';
import { tensor } from '../tensor/ops/create.js';
import { dropout } from '../tensor/ops/random.js';
import { sum } from '../tensor/ops/reduce.js';
import { interpret } from '../tensor/reference.js';
import type { Tensor } from '../tensor/tensor.js';
import { input } from '../tensor/variable.js';
import { Attention, type AttentionConfig, type AttentionContext } from './attention.js';
import { FeedForward, type FeedForwardConfig, SwiGlu } from './feed-forward.js';
import { Module } from './module.js';
import { LayerNorm, RmsNorm } from './norm.js';
import { rotaryTables } from './rope.js';

const [WIDTH, TIME] = [4, 3];

interface BlockConfig {
  readonly attention: AttentionConfig;
  readonly activation: 'swiglu' | FeedForwardConfig['activation'];
  readonly norm: 'rms' | 'layer';
}

/** A pre-norm Transformer block. */
class Block extends Module {
  readonly config: BlockConfig;
  readonly first: RmsNorm | LayerNorm;
  readonly attention: Attention;
  readonly second: RmsNorm | LayerNorm;
  readonly feedForward: SwiGlu | FeedForward;

  constructor(config: BlockConfig) {
    super();
    this.config = config;
    const norm = () => (config.norm === 'rms' ? new RmsNorm({ width: WIDTH }) : new LayerNorm({ width: WIDTH }));
    const { activation } = config;
    this.first = norm();
    this.attention = new Attention(config.attention);
    this.second = norm();
    this.feedForward =
      activation === 'swiglu'
        ? new SwiGlu({ width: WIDTH, hidden: 3 })
        : new FeedForward({ width: WIDTH, hidden: 3, bias: true, activation });
  }

  forward(x: Tensor, context: AttentionContext, drop: (h: Tensor, tag: number) => Tensor): Tensor {
    const h = add(x, drop(this.attention.forward(this.first.forward(x), context), 0));
    return add(h, drop(this.feedForward.forward(this.second.forward(h)), 1));
  }
}

const keep = (h: Tensor): Tensor => h;
const causal = { mask: causalMask(TIME), rotation: rotaryTables(8, 2) };
const packed = {
  mask: causalMask(TIME, 'float32', tensor([[0, 1, 1]], 'int64')),
  positions: tensor([[0, 0, 1]], 'int64'),
  rotation: rotaryTables(8, 2),
};
const memory = drawTensor(77, [1, 2, WIDTH]);

test.each<[string, BlockConfig, AttentionContext, (h: Tensor, tag: number) => Tensor]>([
  [
    'Llama: grouped, causal, normalised queries and keys, SwiGLU',
    { attention: { width: WIDTH, heads: 2, keyHeads: 1, queryKeyNorm: true }, activation: 'swiglu', norm: 'rms' },
    causal,
    keep,
  ],
  [
    'GPT-2: biases, layer norms, GELU, dropout',
    { attention: { width: WIDTH, heads: 2, bias: true }, activation: 'geluTanh', norm: 'layer' },
    { mask: causalMask(TIME) },
    (h, tag) => dropout(h, 0.3, tensor([5, 6], 'int64'), tag),
  ],
  [
    'packed documents, squared ReLU',
    { attention: { width: WIDTH, heads: 2 }, activation: 'reluSquared', norm: 'rms' },
    packed,
    keep,
  ],
  [
    'cross-attention, GELU',
    { attention: { width: WIDTH, heads: 2, keyHeads: 1 }, activation: 'gelu', norm: 'layer' },
    { memory },
    keep,
  ],
])('every gradient of a block is the finite difference: %s', (_, config, context, drop) => {
  const block = randomize(new Block(config), 11);
  const x = input('x', 'float32', [1, TIME, WIDTH]);
  const loss = sum(mul(block.forward(x, context, drop), drawTensor(88, [1, TIME, WIDTH])));
  const [paths, parameters] = [
    [...block.namedParameters()].map(([path]) => path),
    [...block.namedParameters()].map(([, parameter]) => parameter),
  ];
  const sources = [x, ...parameters.map(({ tensor: placeholder }) => placeholder)];
  // The interpreter computes in float64 whatever the type, so the steps can be far smaller than float32's.
  const feeds = new Map<Tensor, ReferenceArray>(
    sources.map((source, i) => {
      const shape = source.shape as readonly number[];
      const size = shape.reduce((p, n) => p * n, 1);
      return [source, { dtype: 'float32', shape, data: Float64Array.from(drawNormal(500 + i, size, 0.7)) }];
    }),
  );
  const gradients = interpret(grad(loss, sources), feeds);
  const h = 1e-5;
  for (const [i, source] of sources.entries()) {
    const { data } = feeds.get(source)!;
    const differences = [...data].map((value, k) => {
      data[k] = value + h;
      const [above] = computed(loss, feeds);
      data[k] = value - h;
      const [below] = computed(loss, feeds);
      data[k] = value;
      return (above! - below!) / (2 * h);
    });
    const name = i === 0 ? 'the input' : paths[i - 1]!;
    expect(largestError([...gradients[i]!.data], differences), name).toBeLessThan(1e-7);
    // One bias for all keys moves all scores of a query alike, which the softmax does not see, unless keys are turned.
    const isIdle = name === 'attention.k.bias' && !context.rotation;
    const largest = Math.max(...differences.map(Math.abs));
    expect(isIdle ? 1e-3 - largest : largest, name).toBeGreaterThan(1e-4);
  }
});
