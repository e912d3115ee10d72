/**
 * Athanor on a model's files: loading, reading a prompt, generating; what the peers in peers/ do with theirs.
 *
 *     npx tsx bench/generate.ts PLACE BITS THREADS PROMPT TOKENS ROUNDS
 *
 * BITS: 32, 8 or 4; 0 leaves packed weights as the file has them. Prints one JSON object.
 */
import { median, peakRssMb } from '../src/evaluate/bench-machine.js';
import { GenerationEngine } from '../src/generate/engine.js';
import { loadModel } from '../src/models/load.js';
import { cpu } from '../src/runtime/device.js';

const [place, ...numbers] = process.argv.slice(2) as [string, ...string[]];
const [bits, threads, promptTokens, newTokens, rounds] = numbers.map(Number) as [
  number,
  number,
  number,
  number,
  number,
];

const begun = performance.now();
const { model } = await loadModel(place, { packed: bits !== 32, ...(bits === 4 || bits === 8 ? { bits } : {}) });
const readMs = performance.now() - begun;
const engine = new GenerationEngine(model, {
  device: cpu({ threads }),
  batch: 1,
  capacity: promptTokens + newTokens,
});
const { vocabularySize } = model.config;
const prompt = Array.from({ length: promptTokens }, (_, i) => (i * 7 + 1) % vocabularySize);
await engine.generate(prompt.slice(0, 1), { maxTokens: 1, sampling: { temperature: 0 } });
const loadMs = performance.now() - begun;

const [prefills, steps]: [number[], number[]] = [[], []];
for (let round = 0; round <= rounds; round++) {
  const times = [performance.now()];
  for await (const _ of engine.stream(prompt, { maxTokens: newTokens, sampling: { temperature: 0 } })) {
    times.push(performance.now());
  }
  if (round === 0) continue;
  prefills.push(times[1]! - times[0]!);
  steps.push((times.at(-1)! - times[1]!) / (times.length - 2));
}
await engine.release();

/** Bytes of weights that a token takes: every matrix once, the table only where it is the head too. */
const weightBytes = [...new Set(model.parameters())]
  .filter((parameter) => parameter.name !== 'embedding.weight' || parameter === model.headWeight)
  .reduce((total, { quantized, size }) => total + (quantized?.byteLength ?? 4 * size), 0);
const ms = median(steps);
const result = {
  ms,
  tokensPerSecond: 1000 / ms,
  prefillMs: median(prefills),
  prefillTokensPerSecond: (1000 * promptTokens) / median(prefills),
  readMs,
  loadMs,
  weightBytesPerToken: weightBytes,
  gigabytesPerSecond: weightBytes / ms / 1e6,
  parameters: model.size,
  peakRssMb: peakRssMb(),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
