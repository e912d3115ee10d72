import { afterAll, describe, expect, it } from 'vitest';
import { likeTrained } from '../../test/model-contract.js';
import { largestError } from '../../test/plain-layers.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { grad } from '../tensor/grad.js';
import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js';
import { reshape } from '../tensor/ops/layout.js';
import { mean } from '../tensor/ops/reduce.js';
import { logSoftmax } from '../tensor/ops/softmax.js';
import { square } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import { T5 } from './t5.js';
import { mt5Architecture, t5Architecture, t5Tensors } from './t5-hf.js';
import { fitT5Config, readMt5Config, readT5Config, writeT5Config } from './t5-hf-config.js';

const device = cpu({ threads: 1 });
const released: { release(): Promise<void> }[] = [];
afterAll(async () => {
  for (const program of released) await program.release();
});

/** As the published files of the three forms have them. */
const SMALL = { model_type: 't5', d_model: 12, d_kv: 5, d_ff: 20, num_layers: 2, num_heads: 2, vocab_size: 30 };
const FIRST = { ...SMALL, n_positions: 64, decoder_start_token_id: 0, feed_forward_proj: 'relu' };
const FLAN = { ...SMALL, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, num_decoder_layers: 1 };

describe('the configuration', () => {
  it('tells the forms of T5 apart', () => {
    const first = readT5Config(FIRST, 'config.json');
    expect(first).toMatchObject({ activation: 'relu', gated: false, tiedHead: true, scaledHead: true, positions: 64 });
    expect(first).toMatchObject({ headWidth: 5, decoderLayers: 2, buckets: 32, maxDistance: 128, decoderStartId: 0 });
    const flan = readT5Config(FLAN, 'config.json');
    expect(flan).toMatchObject({ activation: 'geluTanh', gated: true, scaledHead: false, decoderLayers: 1 });
    const multilingual = readMt5Config({ ...SMALL, model_type: 'mt5' }, 'config.json');
    expect(multilingual).toMatchObject({ modelType: 'mt5', activation: 'geluTanh', gated: true, scaledHead: false });
    const silu = readT5Config({ ...FLAN, feed_forward_proj: 'gated-silu' }, 'config.json');
    expect(silu).toMatchObject({ activation: 'silu', gated: true });
  });

  it('takes the second name of the activation, and the general names of sizes, where a file has them', () => {
    const named = readT5Config({ ...FLAN, dense_act_fn: 'silu', is_gated_act: true }, 'config.json');
    expect(named).toMatchObject({ activation: 'silu', gated: true });
    expect(readT5Config({ ...FLAN, dense_act_fn: 'gelu_new' }, 'a')).toMatchObject({ activation: 'geluTanh' });
    const general = { hidden_size: 24, num_attention_heads: 5, head_dim: 2, num_hidden_layers: 3 };
    const read = readT5Config({ ...FIRST, ...general }, 'config.json');
    expect(read).toMatchObject({ width: 24, heads: 5, headWidth: 2, layers: 3, decoderLayers: 3 });
  });

  it('lets the weights say whether an unscaled head is tied, and a scaled one is always', () => {
    const head = new Set(['lm_head.weight']);
    const flan = readT5Config(FLAN, 'config.json');
    expect(fitT5Config(flan, head).tiedHead).toBe(false);
    expect(fitT5Config(flan, new Set()).tiedHead).toBe(true);
    const first = readT5Config(FIRST, 'config.json');
    expect(fitT5Config(first, head).tiedHead).toBe(true);
    expect(t5Architecture.isRedundant('lm_head.weight', first)).toBe(true);
    expect(t5Architecture.isRedundant('lm_head.weight', flan)).toBe(false);
    expect(t5Architecture.isRedundant('decoder.embed_tokens.weight', flan)).toBe(true);
  });

  it('is written as it was read', () => {
    const read = [
      readT5Config(FIRST, 'a'),
      fitT5Config(readT5Config(FLAN, 'a'), new Set()),
      fitT5Config(readT5Config(FLAN, 'a'), new Set(['lm_head.weight'])),
      readMt5Config({ ...SMALL, feed_forward_proj: 'gated-silu' }, 'a'),
    ];
    for (const config of read) {
      const architecture = config.modelType === 't5' ? t5Architecture : mt5Architecture;
      const written = writeT5Config(config);
      expect(written.model_type).toBe(config.modelType);
      const held = new Set(t5Tensors(config).map(({ name }) => name));
      expect(fitT5Config(architecture.fromConfig(written, 'b'), held)).toEqual(config);
      expect(architecture.writes(new T5(config))).toBe(true);
    }
    // The name stands for the approximation: the exact function has none behind a gate.
    expect(() => writeT5Config({ ...read[1]!, activation: 'gelu' })).toThrow(InputError);
  });

  it.each([
    [{ d_model: 0 }, /d_model/],
    [{ num_heads: 1.5 }, /num_heads/],
    [{ feed_forward_proj: 'gated-maxout' }, /feed_forward_proj/],
    [{ feed_forward_proj: 3 }, /feed_forward_proj/],
    [{ relative_attention_num_buckets: 7 }, /relative_attention_num_buckets/],
    [{ relative_attention_max_distance: 16 }, /relative_attention_max_distance/],
    [{ relative_attention_max_distance: 1e12 }, /relative_attention_max_distance/],
    [{ decoder_start_token_id: 30 }, /decoder_start_token_id/],
    [{ is_encoder_decoder: false }, /is_encoder_decoder/],
    [{ is_gated_act: true }, /is_gated_act/],
    [{ quantization_config: {} }, /quantization_config/],
  ])('refuses %o', (changes, message) => {
    expect(() => readT5Config({ ...FIRST, ...changes }, 'config.json')).toThrow(message);
  });
});

it.each([FIRST, FLAN])('names every parameter once, with its shape: $feed_forward_proj', (json) => {
  const model = new T5(readT5Config(json, 'config.json'));
  const places = t5Tensors(model.config).map(({ path, shape }) => [path, shape.join()]);
  const parameters = [...model.namedParameters()].map(([path, { shape }]) => [path, shape.join()]);
  expect(places.toSorted()).toEqual(parameters.toSorted());
});

const ids = (rows: readonly (readonly number[])[]): HostArray =>
  array(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length]);
const numbers = ({ data }: HostArray): number[] => [...(data as Float32Array)];

describe.each([
  ['T5', FIRST],
  ['FLAN-T5', FLAN],
])('%s', (_, json) => {
  const model = likeTrained(new T5(readT5Config(json, 'config.json')));
  const text = [3, 9, 27, 4, 1];

  it('does not see what fills a row, on either side', async () => {
    const encode = compile((inputs: { ids: Tensor; mask: Tensor }) => model.encode(inputs), { device });
    released.push(encode);
    const plain = (await encode({ ids: ids([text]), mask: ids([text.map(() => 1)]) })) as HostArray;
    const right = { ids: ids([[...text, 8, 8]]), mask: ids([[...text.map(() => 1), 0, 0]]) };
    const left = { ids: ids([[8, 8, ...text]]), mask: ids([[0, 0, ...text.map(() => 1)]]) };
    const size = numbers(plain).length;
    expect(largestError(numbers((await encode(right)) as HostArray).slice(0, size), numbers(plain))).toBeLessThan(1e-5);
    expect(largestError(numbers((await encode(left)) as HostArray).slice(-size), numbers(plain))).toBeLessThan(1e-5);
  });

  it('writes each token without a look at those that follow', async () => {
    const forward = compile((read: Tensor, written: Tensor) => model.forward({ ids: read }, written), { device });
    released.push(forward);
    const short = numbers((await forward(ids([text]), ids([[0, 7, 9]]))) as HostArray);
    const long = numbers((await forward(ids([text]), ids([[0, 7, 9, 11, 12]]))) as HostArray);
    expect(largestError(long.slice(0, short.length), short)).toBeLessThan(1e-5);
  });

  it('gives the loss of a text given another', async () => {
    const losses = compile(
      (read: Tensor, written: Tensor, targets: Tensor) => {
        const memory = { hidden: model.encode({ ids: read }) };
        const hidden = reshape(model.hidden(written, memory), [4, model.config.width]);
        const logs = logSoftmax(reshape(model.forward({ ids: read }, written), [4, 30]));
        return { loss: linearCrossEntropy(hidden, model.headWeight.tensor, targets), logs };
      },
      { device },
    );
    released.push(losses);
    const targets = [7, 9, 11, 1];
    const { loss, logs } = await losses(ids([text]), ids([[0, 7, 9, 11]]), array(Int32Array.from(targets)));
    const expected = targets.map((target, i) => -numbers(logs)[i * 30 + target]!);
    expect(largestError(numbers(loss), expected)).toBeLessThan(1e-5);
  });

  it('recomputation changes no gradient', async () => {
    const weights = model.parameters().map(({ tensor }) => tensor);
    const gradients = compile(
      (read: Tensor, mask: Tensor, written: Tensor) => {
        const of = (recompute: boolean): readonly Tensor[] => {
          const memory = { hidden: model.encode({ ids: read, mask }, { recompute }), mask };
          return grad(mean(square(model.logits(model.hidden(written, memory, { recompute })))), weights);
        };
        return { kept: of(false), again: of(true) };
      },
      { device },
    );
    released.push(gradients);
    const { kept, again } = await gradients(ids([text]), ids([[1, 1, 1, 1, 0]]), ids([[0, 7, 9, 11]]));
    for (const [i, gradient] of kept.entries()) {
      expect(numbers(gradient).some((value) => value !== 0)).toBe(true);
      expect(largestError(numbers(again[i]!), numbers(gradient))).toBeLessThan(1e-6);
    }
  });
});
