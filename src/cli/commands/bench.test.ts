import { afterEach, describe, expect, it, vi } from 'vitest';
import type { TrainBench } from '../../evaluate/bench-train.js';
import { main } from '../program.js';

afterEach(() => {
  vi.restoreAllMocks();
});

function captured(): { out: string; err: string } {
  const texts = { out: '', err: '' };
  for (const [stream, name] of [
    [process.stdout, 'out'],
    [process.stderr, 'err'],
  ] as const) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      texts[name] += text;
      return true;
    });
  }
  return texts;
}

describe('athanor bench', () => {
  it('measures a training step', async () => {
    const texts = captured();
    const words = [
      'bench',
      'train',
      '--shape',
      '1,16,2,16,2,64',
      '--steps',
      '3',
      '--threads',
      '1',
      '--profile',
      '--json',
    ];
    expect(await main(words)).toBe(0);
    vi.restoreAllMocks();
    expect(texts.out.trim().split('\n')).toHaveLength(1);
    const result = JSON.parse(texts.out) as TrainBench;
    // Two tables, four projections, a feed-forward of four widths, a head, three gains.
    const parameters = 64 * 16 + 16 * 16 + 4 * 16 * 16 + 2 * 4 * 16 * 16 + 64 * 16 + 3 * 16;
    const shape = { layers: 1, width: 16, heads: 2, time: 16, batch: 2, vocabularySize: 64 };
    expect(result).toMatchObject({ bench: 'train', shape, threads: 1, parameters });
    const flops = 6 * (parameters - 64 * 16 - 16 * 16) * 32 + 12 * 16 * 16 * 32;
    expect(result.gflops / (flops / result.ms / 1e6)).toBeCloseTo(1, 2);
    expect(result.tokensPerSecond / ((1000 * 32) / result.ms)).toBeCloseTo(1, 2);
    expect(result.share / (result.gflops / result.peakGflops)).toBeCloseTo(1, 2);
    expect(['fma', 'matmul']).toContain(result.peakSource);
    for (const key of ['compileMs', 'fastestMs', 'peakGflops', 'matmulPeakGflops', 'peakRssMb', 'loss'] as const) {
      expect(result[key], key).toBeGreaterThan(0);
    }
    expect(result.fastestMs).toBeLessThanOrEqual(result.ms);
    // The step spends its time in ONNX Runtime, and some outside of it.
    expect(result.overheadShare).toBeGreaterThan(0);
    expect(result.overheadShare).toBeLessThan(1);
    expect(result.optimizerShare).toBeCloseTo(1 - result.forwardBackwardMs / result.fastestMs, 2);
    expect(result.machine.processor).not.toBe('');
    expect(texts.err).toMatch(/matmul +FusedMatMul/);
  }, 30_000);

  it.each([
    [['train', '--shape', '1,2,3'], 'Not 6 whole numbers'],
    [['train', '--shape', '1,16,3,16,2,64'], 'do not divide the width'],
    [['decode', '--shape', '1,16,4,3,16,64'], 'do not divide the heads'],
    [['decode', '--tokens', '1'], '1 is less than 2'],
  ])('refuses %j', async (words, problem) => {
    const texts = captured();
    expect(await main(['bench', ...words])).toBe(1);
    expect(texts.err).toContain(problem);
  });
});
