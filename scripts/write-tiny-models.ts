/**
 * Writes tiny random models and what they compute, for `check-hugging-face.py` to hold against another library.
 *
 *     npx tsx scripts/write-tiny-models.ts FOLDER
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Llama, type LlamaConfig } from '../src/models/llama.js';
import { llamaTensors } from '../src/models/llama-hf.js';
import { saveModel } from '../src/models/save.js';
import { initialize, weightsOf } from '../src/nn/module.js';
import { array } from '../src/runtime/array.js';
import { compile } from '../src/runtime/compile.js';
import { grad } from '../src/tensor/grad.js';
import { mul } from '../src/tensor/ops/binary.js';
import { mean } from '../src/tensor/ops/reduce.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import { END_OF_TEXT } from '../src/tokenizer/tokenizer.js';
import { Random } from '../src/util/random.js';

const base: LlamaConfig = {
  vocabularySize: 300,
  width: 64,
  layers: 3,
  heads: 4,
  keyHeads: 2,
  hidden: 160,
  positions: 64,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};

const variants: Readonly<Record<string, Partial<LlamaConfig>>> = {
  tied: {},
  untied: { tiedHead: false, keyHeads: 4, theta: 500_000, epsilon: 1e-6 },
  'query-key-norm': { queryKeyNorm: true, keyHeads: 1 },
};

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: write-tiny-models.ts FOLDER');
const tokenizer = await trainByteBpe(['the cat sat on the mat'], { vocabularySize: 262, specialTokens: [END_OF_TEXT] });

for (const [name, change] of Object.entries(variants)) {
  const config = { ...base, ...change };
  const model = initialize(new Llama(config), 1);
  // Larger than a first value is, and no norm left at 1, so that a mistake shows in the logits.
  const random = new Random(2, name);
  for (const parameter of model.parameters()) {
    const data = weightsOf(parameter);
    for (let i = 0; i < data.length; i++) data[i] = data[i]! * 2 + 0.1 * random.normal();
  }
  const ids = Int32Array.from({ length: 2 * 40 }, () => random.integer(config.vocabularySize));
  const parameters = model.parameters();
  const run = compile((input: Tensor) => {
    const logits = model.forward(input);
    // A scalar that needs no more than the logits: the mean of their squares.
    const loss = mean(mul(logits, logits));
    return {
      logits,
      gradients: grad(
        loss,
        parameters.map(({ tensor }) => tensor),
      ),
    };
  });
  const { logits, gradients } = await run(array(ids, [2, 40]));
  const nameOf = new Map(llamaTensors(config).map((place) => [place.path, place.name]));
  const paths = [...model.namedParameters()].map(([place]) => place);
  await saveModel(path.join(folder, name), { model, tokenizer });
  writeFileSync(
    path.join(folder, `${name}.expected.json`),
    JSON.stringify({
      ids: [...ids],
      shape: [2, 40],
      logits: [...logits.data].map(Number),
      gradients: Object.fromEntries(paths.map((place, i) => [nameOf.get(place), [...gradients[i]!.data].map(Number)])),
    }),
  );
  await run.release();
  console.log(`${name}: ${model.size} weights`);
}
