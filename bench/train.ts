/** Trains the benchmark GPT for some steps: `tsx bench/train.ts 4,256,4,128,16,4096 12 2`. Prints one JSON object. */
import { initialize } from '../src/nn/module.js';
import { AdamW } from '../src/optim/adamw.js';
import { array } from '../src/runtime/array.js';
import { cpu } from '../src/runtime/device.js';
import { TrainStep } from '../src/train/step.js';
import { Random } from '../src/util/random.js';
import { BenchGpt } from './gpt.js';

const [shape = '4,256,4,128,16,4096', stepCount = '12', threads = '2', profilePrefix] = process.argv.slice(2);
const [layers, width, heads, time, batch, vocabularySize] = shape.split(',').map(Number) as [number, number, number, number, number, number];
const model = initialize(new BenchGpt({ layers, width, heads, time, batch, vocabularySize }), 1);
const step = new TrainStep({
  model,
  loss: (tensors) => model.loss(tensors),
  optimizer: new AdamW(model.parameters()),
  clipNorm: 1,
  device: cpu({ threads: Number(threads) }),
  ...(profilePrefix === undefined ? {} : { profilePrefix }),
});
const random = new Random(1);
const draw = () => {
  const inputs = new Int32Array(batch * time);
  const targets = new Int32Array(batch * time);
  for (let b = 0; b < batch; b++) {
    let token = random.integer(vocabularySize);
    for (let t = 0; t < time; t++) {
      inputs[b * time + t] = token;
      token = (token * 3 + 7) % vocabularySize;
      targets[b * time + t] = token;
    }
  }
  return { inputs: array(inputs, [batch, time]), targets: array(targets, [batch, time]) };
};
const compileSeconds = await step.prepare(draw());
const times: number[] = [];
let lossPerToken = 0;
for (let i = 1; i <= Number(stepCount); i++) {
  const data = draw();
  const start = performance.now();
  const { lossSum } = await step.run([data], batch * time, i, 1e-3);
  times.push(performance.now() - start);
  lossPerToken = lossSum / (batch * time);
}
const sorted = times.slice(2).sort((a, b) => a - b);
const ms = sorted[sorted.length >> 1]!;
const report = {
  shape,
  threads: Number(threads),
  parameters: model.size,
  compileMs: Math.round(compileSeconds * 1000),
  firstMs: Math.round(times[0]!),
  ms: Number(ms.toFixed(1)),
  fastestMs: Number(sorted[0]!.toFixed(1)),
  tokensPerSecond: Math.round((batch * time * 1000) / ms),
  gflops: Number((model.stepFlops / ms / 1e6).toFixed(1)),
  peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  loss: Number(lossPerToken.toFixed(4)),
};
await step.release();
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
