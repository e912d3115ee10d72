/**
 * Decoding benchmark: a Llama of a given shape with random weights reads a prompt and generates. One JSON object.
 *
 *     npx tsx bench/decode.ts [layers,width,heads,keyHeads,hidden,vocabulary] [--prompt 256] [--tokens 128] [--rows 1]
 *
 * With `--profile PREFIX` ONNX Runtime writes where its time goes.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { GenerationEngine } from '../src/generate/engine.js';
import { Llama } from '../src/models/llama.js';
import { weightsOf } from '../src/nn/module.js';
import { cpu } from '../src/runtime/device.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: 'string', default: '256' },
    tokens: { type: 'string', default: '128' },
    rows: { type: 'string', default: '1' },
    threads: { type: 'string', default: `${availableParallelism()}` },
    profile: { type: 'string' },
  },
});
const shape = positionals[0] ?? '12,768,12,4,2048,32000';
const [layers, width, heads, keyHeads, hidden, vocabularySize] = shape.split(',').map(Number) as [
  number,
  number,
  number,
  number,
  number,
  number,
];
const [promptTokens, newTokens, rows] = [Number(values.prompt), Number(values.tokens), Number(values.rows)];
const threads = Number(values.threads);

const model = new Llama({
  vocabularySize,
  width,
  layers,
  heads,
  keyHeads,
  hidden,
  positions: promptTokens + newTokens,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: false,
  queryKeyNorm: false,
});
let state = 1;
for (const parameter of model.parameters()) {
  if (parameter.shape.length === 1) weightsOf(parameter).fill(1);
  else {
    const weights = weightsOf(parameter);
    for (let i = 0; i < weights.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      weights[i] = state * 2 ** -31 * 0.05;
    }
  }
}
/** A step reads every weight but the embedding table, of which it takes one row. */
const weightBytes = 4 * (model.size - vocabularySize * width);
const cacheBytes = 4 * 2 * layers * keyHeads * (width / heads) * (promptTokens + newTokens / 2) * rows;

const engine = new GenerationEngine(model, {
  device: cpu({ threads }),
  capacity: promptTokens + newTokens,
  batch: rows,
  ...(values.profile === undefined ? {} : { profilePrefix: values.profile }),
});
const promptOf = (row: number): number[] =>
  Array.from({ length: promptTokens }, (_, i) => (i * 7 + row * 13 + 1) % vocabularySize);
const sampling = { temperature: 0 };

async function timeOf(tokens: number): Promise<number> {
  const start = performance.now();
  await engine.generateBatch(
    Array.from({ length: rows }, (_, row) => promptOf(row)),
    { maxTokens: tokens, sampling },
  );
  return performance.now() - start;
}

const opening = await timeOf(2);
const prefillMs = await timeOf(1);
const decodeMs = (await timeOf(newTokens)) - prefillMs;
const steps = newTokens - 1;
const perToken = decodeMs / steps;
const rounded = (value: number): number => Number(value.toPrecision(4));
process.stdout.write(
  `${JSON.stringify({
    bench: 'decode',
    shape: { layers, width, heads, keyHeads, hidden, vocabularySize },
    parameters: model.size,
    promptTokens,
    newTokens,
    rows,
    threads,
    firstCallMs: rounded(opening),
    prefillMs: rounded(prefillMs),
    prefillTokensPerSecond: rounded((1000 * promptTokens * rows) / prefillMs),
    millisecondsPerStep: rounded(perToken),
    decodeTokensPerSecond: rounded((1000 * rows) / perToken),
    bytesReadPerStep: weightBytes + cacheBytes,
    gigabytesPerSecond: rounded((weightBytes + cacheBytes) / perToken / 1e6),
    residentMegabytes: Math.round(process.memoryUsage().rss / 1e6),
    node: process.version,
    cpu: cpus()[0]?.model ?? '',
  })}\n`,
);
await engine.release();
