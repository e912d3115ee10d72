import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { matmul } from '../tensor/ops/matmul.js';
import type { Tensor } from '../tensor/tensor.js';
import { PEAK_SOURCE } from './bench-peak-source.js';

const run = promisify(execFile);
/** Each figure is the best of so many. */
const ROUNDS = 5;
const TIMEOUT_MS = 60_000;

/** What the compiled loop measured; rates in 10⁹ a second. */
export interface FmaPeak {
  /** Vectors that it used: `avx512`, `avx2` or `generic`. */
  readonly isa: string;
  readonly perCoreGflops: number;
  /** The same with 256-bit vectors; null where the processor has none. */
  readonly perCoreAvx2Gflops: number | null;
  readonly threads: number;
  /** All threads at once. */
  readonly totalGflops: number;
  /** Memory read by all threads at once, in GB (10⁹ bytes) a second. */
  readonly readGBs: number;
  /** Memory moved by `a = b + s·c`. */
  readonly triadGBs: number;
}

/**
 * Compiles a loop of fused multiply-adds with the machine's C compiler (`cc`) and runs it, about two seconds. Undefined
 * where there is no compiler, or the program does not compile or run.
 */
export async function measureFma(threads: number): Promise<FmaPeak | undefined> {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(path.join(tmpdir(), 'athanor-peak-'));
    const [source, program] = [path.join(folder, 'peak.c'), path.join(folder, 'peak')];
    writeFileSync(source, PEAK_SOURCE);
    await run('cc', ['-O2', '-pthread', source, '-o', program], { timeout: TIMEOUT_MS });
    const { stdout } = await run(program, [String(threads), String(ROUNDS)], { timeout: TIMEOUT_MS });
    const peak = JSON.parse(stdout) as FmaPeak;
    return peak.totalGflops > 0 && peak.readGBs > 0 ? peak : undefined;
  } catch {
    return undefined;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** GFLOP/s of the fastest of ONNX Runtime's large matrix products, `[n, n] · [n, n]`, within about `seconds`. */
export async function measureMatmul(threads: number, seconds = 0.6): Promise<number> {
  const sizes = [512, 1024, 2048];
  let best = 0;
  for (const size of sizes) {
    const product = compile((a: Tensor, b: Tensor) => matmul(a, b), { device: cpu({ threads }) });
    const values = Float32Array.from({ length: size * size }, (_, i) => ((i * 7919) % 13) / 13);
    const [a, b] = [array(values, [size, size]), array(values.slice(), [size, size])];
    await product(a, b);
    const end = performance.now() + (seconds * 1000) / sizes.length;
    do {
      const start = performance.now();
      await product(a, b);
      best = Math.max(best, (2 * size ** 3) / (performance.now() - start) / 1e6);
    } while (performance.now() < end);
    await product.release();
  }
  return best;
}

/** What a rate of floating-point operations is divided by. */
export interface Peak {
  readonly peakGflops: number;
  /** `fma`: the compiled loop; `matmul`: there is no C compiler, so the fastest matrix product stands in. */
  readonly peakSource: 'fma' | 'matmul';
  readonly matmulPeakGflops: number;
  readonly fma: FmaPeak | undefined;
}

const TRIES = 3;
/** Cores that share a clock or a boost reach less together; much less means that they were not free. */
const LEAST_TOGETHER = 0.75;

/**
 * The most that this machine can do with so many threads. No product is faster than the loop, and so many threads do
 * nearly so many times the work of one: where it seems otherwise, something else kept the machine busy, and the loop
 * is measured again.
 */
export async function measurePeak(threads: number): Promise<Peak> {
  let fma = await measureFma(threads);
  const matmulPeakGflops = await measureMatmul(threads);
  for (let i = 1; i < TRIES && fma !== undefined; i++) {
    const least = Math.max(matmulPeakGflops, LEAST_TOGETHER * threads * fma.perCoreGflops);
    if (fma.totalGflops >= least) break;
    const again = await measureFma(threads);
    if (again !== undefined && again.totalGflops > fma.totalGflops) fma = again;
  }
  return {
    peakGflops: fma?.totalGflops ?? matmulPeakGflops,
    peakSource: fma === undefined ? 'matmul' : 'fma',
    matmulPeakGflops,
    fma,
  };
}
