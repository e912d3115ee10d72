import { GenerationEngine } from '../generate/engine.js';
import { Llama } from '../models/llama.js';
import { weightsOf } from '../nn/module.js';
import { cpu } from '../runtime/device.js';
import { type Machine, median, millisecondsOf, peakRssMb, rounded, thisMachine } from './bench-machine.js';
import { measurePeak, type Peak } from './bench-peak.js';

/** Sizes of a Llama. */
export interface DecodeShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly hidden: number;
  readonly vocabularySize: number;
}

export interface DecodeBenchOptions {
  readonly shape: DecodeShape;
  readonly promptTokens: number;
  /** At least 2: the first comes out of reading the prompt. */
  readonly newTokens: number;
  /** Sequences at once. */
  readonly rows: number;
  readonly threads: number;
  readonly onNote?: (text: string) => void;
}

export interface DecodeBench {
  readonly bench: 'decode';
  readonly shape: DecodeShape;
  readonly parameters: number;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly rows: number;
  readonly threads: number;
  /** Compiling, and a first short generation. */
  readonly firstCallMs: number;
  readonly prefillMs: number;
  readonly prefillTokensPerSecond: number;
  /** One token of every row, median of the rounds. */
  readonly ms: number;
  readonly tokensPerSecond: number;
  readonly gflops: number;
  readonly peakGflops: number;
  readonly peakSource: Peak['peakSource'];
  /** Bytes of weights that a token takes: all but the embedding table, of which it takes a row. */
  readonly weightBytesPerToken: number;
  /** Bytes of keys and values, in the middle of the generation. */
  readonly cacheBytesPerToken: number;
  /** Weights and cache together, 10⁹ bytes a second. */
  readonly gigabytesPerSecond: number;
  /** What the machine reads at most, 10⁹ bytes a second; null where there is no C compiler to measure it with. */
  readonly memoryGigabytesPerSecond: number | null;
  /** Of the memory's speed, which bounds decoding; of the arithmetic peak where the former is unknown. */
  readonly share: number;
  readonly shareOf: 'memory' | 'arithmetic';
  readonly peakRssMb: number;
  readonly machine: Machine;
}

const ROUNDS = 3;
const FLOAT_BYTES = 4;

/** Measures reading a prompt and generating from a Llama of random weights, and this machine's peaks. */
export async function benchDecode(options: DecodeBenchOptions): Promise<DecodeBench> {
  const { shape, promptTokens, newTokens, rows, threads, onNote = () => {} } = options;
  const { layers, width, heads, keyHeads, vocabularySize } = shape;
  const model = randomLlama(shape, promptTokens + newTokens);
  const engine = new GenerationEngine(model, {
    device: cpu({ threads }),
    capacity: promptTokens + newTokens,
    batch: rows,
  });
  const prompts = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: promptTokens }, (_, i) => (i * 7 + row * 13 + 1) % vocabularySize),
  );
  const timeOf = (maxTokens: number): Promise<number> =>
    millisecondsOf(() => engine.generateBatch(prompts, { maxTokens, sampling: { temperature: 0 } }));

  onNote(`Generating ${newTokens} tokens, ${ROUNDS} times …`);
  const firstCallMs = await timeOf(2);
  const [prefills, steps] = [[] as number[], [] as number[]];
  for (let round = 0; round < ROUNDS; round++) {
    const prefill = await timeOf(1);
    prefills.push(prefill);
    steps.push(((await timeOf(newTokens)) - prefill) / (newTokens - 1));
  }
  const memory = peakRssMb();
  await engine.release();
  onNote("Measuring the machine's peak …");
  const peak = await measurePeak(threads);

  const [prefillMs, ms] = [median(prefills), median(steps)];
  const multiplied = model.size - vocabularySize * width;
  const weightBytesPerToken = FLOAT_BYTES * multiplied;
  const cacheBytesPerToken = FLOAT_BYTES * 2 * layers * keyHeads * (width / heads) * (promptTokens + newTokens / 2);
  const gigabytesPerSecond = (weightBytesPerToken + cacheBytesPerToken * rows) / ms / 1e6;
  const gflops = (2 * multiplied * rows) / ms / 1e6;
  const memoryPeak = peak.fma?.readGBs;
  return {
    bench: 'decode',
    shape,
    parameters: model.size,
    promptTokens,
    newTokens,
    rows,
    threads,
    firstCallMs: rounded(firstCallMs),
    prefillMs: rounded(prefillMs),
    prefillTokensPerSecond: rounded((1000 * promptTokens * rows) / prefillMs),
    ms: rounded(ms),
    tokensPerSecond: rounded((1000 * rows) / ms),
    gflops: rounded(gflops),
    peakGflops: rounded(peak.peakGflops),
    peakSource: peak.peakSource,
    weightBytesPerToken,
    cacheBytesPerToken,
    gigabytesPerSecond: rounded(gigabytesPerSecond),
    memoryGigabytesPerSecond: memoryPeak ?? null,
    share: rounded(memoryPeak === undefined ? gflops / peak.peakGflops : gigabytesPerSecond / memoryPeak),
    shareOf: memoryPeak === undefined ? 'arithmetic' : 'memory',
    peakRssMb: memory,
    machine: thisMachine(),
  };
}

/** Weights that cost no time to make; what they say does not matter. */
function randomLlama(shape: DecodeShape, positions: number): Llama {
  const model = new Llama({
    ...shape,
    positions,
    theta: 10_000,
    epsilon: 1e-5,
    tiedHead: false,
    queryKeyNorm: false,
  });
  let state = 1;
  for (const parameter of model.parameters()) {
    const weights = weightsOf(parameter);
    if (parameter.shape.length === 1) weights.fill(1);
    else {
      for (let i = 0; i < weights.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        weights[i] = state * 2 ** -31 * 0.05;
      }
    }
  }
  return model;
}
