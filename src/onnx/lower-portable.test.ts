import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { Llama } from '../models/llama.js';
import { initialize } from '../nn/module.js';
import { grad } from '../tensor/grad.js';
import { type HostArray, input, variableOf } from '../tensor/variable.js';
import { languageModelLoss } from '../train/language-model.js';
import { lower } from './lower.js';
import { encodeModel } from './writer.js';

const shape = { vocabularySize: 40, width: 32, layers: 2, heads: 4, keyHeads: 2, hidden: 48, positions: 16 };
const model = initialize(new Llama({ ...shape, theta: 10_000, epsilon: 1e-5, tiedHead: true, queryKeyNorm: true }), 1);
const [inputs, targets] = ['inputs', 'targets'].map((name) => input(name, 'int32', [2, 8]));
const weights = input('weights', 'float32', [2, 8]);
const loss = languageModelLoss(model)({ inputs: inputs!, targets: targets!, weights });
const tensors = model.parameters().map(({ tensor }) => tensor);
const outputs = [loss, ...grad(loss, tensors)].map((tensor, i) => ({ name: `out${i}`, tensor }));

async function run(device: 'cpu' | 'portable'): Promise<number[][]> {
  const lowered = lower(outputs, device);
  const session = await InferenceSession.create(encodeModel(lowered.model), { intraOpNumThreads: 1 });
  const ids = Int32Array.from({ length: 16 }, (_, i) => (i * 7) % 40);
  const feeds: Record<string, OrtTensor> = {};
  for (const { name, tensor } of lowered.inputs) {
    const variable = variableOf(tensor);
    if (variable)
      feeds[name] = new OrtTensor('float32', (variable.value as HostArray).data as Float32Array, variable.shape);
    else if (tensor.dtype === 'int32') feeds[name] = new OrtTensor('int32', ids, [2, 8]);
    else feeds[name] = new OrtTensor('float32', new Float32Array(16).fill(1), [2, 8]);
  }
  const results = await session.run(feeds);
  await session.release();
  return outputs.map(({ name }) => [...(results[name]!.data as Float32Array)]);
}

test('a portable graph uses the operators of ONNX alone', () => {
  const { model: onnx } = lower(outputs, 'portable');
  expect(Object.keys(onnx.opsets)).toEqual(['']);
  expect(onnx.graph.nodes.filter(({ domain }) => domain)).toEqual([]);
  expect(onnx.graph.nodes.map(({ op }) => op)).not.toContain('SimplifiedLayerNormalization');
});

test('a training step written portably gives the loss and the gradients of the fused one', async () => {
  const [fused, portable] = [await run('cpu'), await run('portable')];
  fused.forEach((values, i) => {
    const largest = Math.max(...values.map(Math.abs));
    values.forEach((value, k) => {
      expect(Math.abs(portable[i]![k]! - value)).toBeLessThanOrEqual(1e-5 * Math.max(1, largest));
    });
  });
});
