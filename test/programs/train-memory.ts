/** Two training steps of a Llama; prints the peak of the process's memory. `recompute` as argument. */
import { Llama } from '../../src/models/llama.js';
import { initialize } from '../../src/nn/module.js';
import { AdamW } from '../../src/optim/adamw.js';
import { array } from '../../src/runtime/array.js';
import { cpu } from '../../src/runtime/device.js';
import { languageModelLoss } from '../../src/train/language-model.js';
import { TrainStep } from '../../src/train/step.js';

const [rows, columns, vocabularySize] = [16, 128, 256];
const shape = { vocabularySize, width: 96, layers: 8, heads: 3, keyHeads: 3, hidden: 256, positions: columns };
const config = { ...shape, theta: 10_000, epsilon: 1e-5, tiedHead: true, queryKeyNorm: false };
const model = initialize(new Llama(config), 1);
const step = new TrainStep({
  model,
  loss: languageModelLoss(model, { recompute: process.argv[2] === 'recompute' }),
  optimizer: new AdamW(model.parameters()),
  clipNorm: 1,
  device: cpu({ threads: 1 }),
});
const ids = array(new Int32Array(rows * columns).fill(7), [rows, columns]);
const batch = { inputs: ids, targets: ids, weights: array(new Float32Array(rows * columns).fill(1), [rows, columns]) };
for (const number of [1, 2]) await step.run([batch], rows * columns, number, 1e-3);
process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);
