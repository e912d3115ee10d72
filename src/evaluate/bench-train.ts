import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PackedBatches } from '../data/packing.js';
import type { TokenStore } from '../data/token-store.js';
import { initialize } from '../nn/module.js';
import { AdamW } from '../optim/adamw.js';
import { stateLike } from '../optim/optimizer.js';
import { array } from '../runtime/array.js';
import { compile, type Program, Updated } from '../runtime/compile.js';
import { cpu, type Device } from '../runtime/device.js';
import { type ProfileEvent, type ProfileRow, profileTable } from '../runtime/profile.js';
import { grad } from '../tensor/grad.js';
import type { Tensor } from '../tensor/tensor.js';
import { batchArrays } from '../train/language-model.js';
import { type BatchArrays, TrainStep } from '../train/step.js';
import { readText } from '../util/files.js';
import { parseJson } from '../util/json.js';
import { Random } from '../util/random.js';
import { BenchGpt, type GptShape } from './bench-gpt.js';
import { type Machine, median, millisecondsOf, peakRssMb, rounded, thisMachine } from './bench-machine.js';
import { measurePeak, type Peak } from './bench-peak.js';

export interface TrainBenchOptions {
  readonly shape: GptShape;
  /** Steps that are timed, after two that are not. */
  readonly steps: number;
  readonly threads: number;
  /** Measure where the time goes, op by op, with a second program. */
  readonly profile?: boolean;
  readonly onNote?: (text: string) => void;
}

/** Times are of one optimizer step: forward, backward, clipping, AdamW. */
export interface TrainBench {
  readonly bench: 'train';
  readonly shape: GptShape;
  readonly threads: number;
  readonly parameters: number;
  /** Tracing, differentiating, writing and opening the program of a step. */
  readonly compileMs: number;
  readonly steps: number;
  /** Median. */
  readonly ms: number;
  readonly fastestMs: number;
  readonly tokensPerSecond: number;
  readonly gflops: number;
  readonly peakGflops: number;
  readonly peakSource: Peak['peakSource'];
  /** Vectors of the loop behind the peak; null where there is no C compiler. */
  readonly peakIsa: string | null;
  readonly matmulPeakGflops: number;
  /** `gflops / peakGflops`. */
  readonly share: number;
  /** Median time outside ONNX Runtime's run, making the batch included, as a share of both together. */
  readonly overheadShare: number;
  /** Forward and backward alone, a program of its own; the fastest, because the two take no turns. */
  readonly forwardBackwardMs: number;
  /** Clipping and AdamW: `1 − forwardBackwardMs / fastestMs`. */
  readonly optimizerShare: number;
  /** Most memory of the process until the last timed step. */
  readonly peakRssMb: number;
  /** Mean cross-entropy in nats of the last step's batch; it falls if the step is right. */
  readonly loss: number;
  readonly machine: Machine;
}

const WARM_UPS = 2;

/** Measures a training step of the benchmark GPT, and this machine's peak. */
export async function benchTrain(
  options: TrainBenchOptions,
): Promise<{ readonly result: TrainBench; readonly profile?: readonly ProfileRow[] }> {
  const { shape, steps, threads, onNote = () => {} } = options;
  const device = cpu({ threads });
  const model = initialize(new BenchGpt(shape), 1);
  const batches = chainBatches(shape);
  const next = (): BatchArrays => batchArrays(batches.next(), { segments: false });
  const tokens = shape.batch * shape.time;

  onNote(`Timing ${steps} training steps …`);
  const step = trainStep(model, device);
  const compileMs = 1000 * (await step.prepare(next()));
  const runs = meterRuns(await programOf(step, next()));
  const [times, whole, overheads] = [[] as number[], [] as number[], [] as number[]];
  let loss = Number.NaN;
  for (let i = 1; i <= WARM_UPS + steps; i++) {
    const inside = runs.ms;
    const begin = performance.now();
    const batch = next();
    const loaded = performance.now();
    loss = (await step.run([batch], tokens, i, 1e-3)).lossSum / tokens;
    const end = performance.now();
    if (i <= WARM_UPS) continue;
    times.push(end - loaded);
    whole.push(end - begin);
    overheads.push(end - begin - (runs.ms - inside));
  }
  const memory = peakRssMb();
  await step.release();

  onNote('Timing forward and backward alone …');
  const forwardBackwardMs = await timeForwardBackward(model, device, next, steps);
  const profile = options.profile === true ? await profileStep(model, device, next, tokens) : undefined;
  onNote("Measuring the machine's peak …");
  const peak = await measurePeak(threads);

  const ms = median(times);
  const fastestMs = Math.min(...times);
  const gflops = model.stepFlops / ms / 1e6;
  const result: TrainBench = {
    bench: 'train',
    shape,
    threads,
    parameters: model.size,
    compileMs: Math.round(compileMs),
    steps,
    ms: rounded(ms),
    fastestMs: rounded(fastestMs),
    tokensPerSecond: Math.round((tokens * 1000) / ms),
    gflops: rounded(gflops),
    peakGflops: rounded(peak.peakGflops),
    peakSource: peak.peakSource,
    peakIsa: peak.fma?.isa ?? null,
    matmulPeakGflops: rounded(peak.matmulPeakGflops),
    share: rounded(gflops / peak.peakGflops),
    overheadShare: rounded(median(overheads) / median(whole)),
    forwardBackwardMs: rounded(forwardBackwardMs),
    optimizerShare: rounded(1 - forwardBackwardMs / fastestMs),
    peakRssMb: memory,
    loss: rounded(loss),
    machine: thisMachine(),
  };
  return profile === undefined ? { result } : { result, profile };
}

function trainStep(model: BenchGpt, device: Device, profilePrefix?: string): TrainStep {
  return new TrainStep({
    model,
    loss: (tensors) => model.loss(tensors),
    optimizer: new AdamW(model.parameters()),
    clipNorm: 1,
    device,
    ...(profilePrefix === undefined ? {} : { profilePrefix }),
  });
}

/** The program behind a step; what is asked of it here, no training asks. */
function programOf(step: TrainStep, batch: BatchArrays): Promise<Program> {
  const scalars = array(new Float32Array(step.config.optimizer.scalarCount + 1));
  // biome-ignore lint/complexity/useLiteralKeys: the brackets are TypeScript's way to a private field
  return step['last'].prepare(batch, scalars);
}

/** Adds up the milliseconds that a program spends in ONNX Runtime's `run`. */
function meterRuns({ session }: Program): { readonly ms: number } {
  const meter = { ms: 0 };
  const run = session.run.bind(session) as (...args: unknown[]) => ReturnType<typeof session.run>;
  const metered = async (...args: unknown[]) => {
    const start = performance.now();
    try {
      return await run(...args);
    } finally {
      meter.ms += performance.now() - start;
    }
  };
  session.run = metered as typeof session.run;
  return meter;
}

/** Batches out of a store, as training reads them, of token chains `next = (3 · token + 7) mod vocabulary`. */
function chainBatches({ time, batch, vocabularySize }: GptShape): PackedBatches {
  const random = new Random(1);
  const rows = Math.max(64, 4 * batch);
  const ids = new Uint32Array(rows * time + 1);
  const starts = new Uint32Array(rows);
  let token = 0;
  for (let i = 0; i < ids.length; i++) {
    if (i % time === 0) token = random.integer(vocabularySize);
    if (i % time === 0 && i < rows * time) starts[i / time] = i;
    ids[i] = token;
    token = (token * 3 + 7) % vocabularySize;
  }
  const store: TokenStore = { ids, starts, eosId: 0, textBytes: ids.length };
  return new PackedBatches(store, { rows: batch, columns: time, seed: 1 });
}

/** Fewest milliseconds of a program that leaves all gradients in memory and changes no weight. */
async function timeForwardBackward(
  model: BenchGpt,
  device: Device,
  next: () => BatchArrays,
  steps: number,
): Promise<number> {
  const parameters = model.parameters();
  const gradients = parameters.map((parameter) => stateLike(parameter, 'gradient'));
  const program = compile(
    (batch: Readonly<Record<string, Tensor>>) => {
      const loss = model.loss(batch);
      const values = grad(
        loss,
        parameters.map(({ tensor }) => tensor),
      );
      return new Updated(
        [loss],
        values.map((value, i) => [gradients[i]!, value] as const),
      );
    },
    { device },
  );
  const times: number[] = [];
  for (let i = 0; i < WARM_UPS + steps; i++) {
    const batch = next();
    const ms = await millisecondsOf(() => program(batch));
    if (i >= WARM_UPS) times.push(ms);
  }
  await program.release();
  return Math.min(...times);
}

const PROFILED_STEPS = 3;

async function profileStep(
  model: BenchGpt,
  device: Device,
  next: () => BatchArrays,
  tokens: number,
): Promise<ProfileRow[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'athanor-profile-'));
  const step = trainStep(model, device, path.join(folder, 'run'));
  try {
    for (let i = 1; i <= 1 + PROFILED_STEPS; i++) await step.run([next()], tokens, i, 1e-3);
    const program = await programOf(step, next());
    program.session.endProfiling();
    const file = path.join(folder, readdirSync(folder)[0]!);
    return profileTable(program, parseJson(readText(file), file) as unknown as ProfileEvent[]);
  } finally {
    await step.release();
    rmSync(folder, { recursive: true, force: true });
  }
}
