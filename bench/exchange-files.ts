/**
 * Writes one Llama of random weights as every format that is compared: the same weights for every program.
 *
 *     npx tsx bench/exchange-files.ts FOLDER [--tiny]
 *
 * FOLDER/llama (safetensors and ONNX), FOLDER/llama-{F16,Q8_0,Q4_0}.gguf.
 */
import path from 'node:path';
import { exportOnnx } from '../src/exchange/onnx-export.js';
import { writeGguf } from '../src/models/gguf-write.js';
import { Llama } from '../src/models/llama.js';
import { saveModel } from '../src/models/save.js';
import { weightsOf } from '../src/nn/module.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';

const [folder, flag] = process.argv.slice(2) as [string, string?];
const tiny = flag === '--tiny';
const model = new Llama({
  vocabularySize: tiny ? 512 : 49_152,
  width: tiny ? 64 : 576,
  layers: tiny ? 2 : 30,
  heads: tiny ? 2 : 9,
  keyHeads: tiny ? 1 : 3,
  hidden: tiny ? 128 : 1536,
  positions: 2048,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
});
let state = 1;
for (const parameter of model.parameters()) {
  const weights = weightsOf(parameter);
  if (parameter.shape.length === 1) {
    weights.fill(1);
    continue;
  }
  for (let i = 0; i < weights.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    weights[i] = state * 2 ** -31 * 0.05;
  }
}
// Its ids are given as numbers; the tokenizer only has to be there.
const tokenizer = await trainByteBpe(['the cat sat on the mat and the rat sat on the cat'], {
  vocabularySize: 264,
  specialTokens: ['<|endoftext|>'],
});
const saved = { model, tokenizer };
await saveModel(path.join(folder, 'llama'), saved);
await exportOnnx(path.join(folder, 'llama-onnx'), saved, { dtypes: ['fp32', 'fp16', 'int8', 'q4'], fused: true });
for (const type of ['F16', 'Q8_0', 'Q4_0'] as const)
  await writeGguf(path.join(folder, `llama-${type}.gguf`), saved, { type });
