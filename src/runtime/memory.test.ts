import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '../../test/source-files.js';

/** What a program of `test/programs` prints, run in a process of its own. */
function outputOf(program: string, argument: string): string {
  const file = path.join(repositoryRoot, 'test', 'programs', `${program}.ts`);
  return execFileSync(process.execPath, ['--expose-gc', '--import', 'tsx', file, argument], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
}

test('recomputation lowers the peak of memory', () => {
  const kept = Number(outputOf('checkpoint-memory', 'keep'));
  const recomputed = Number(outputOf('checkpoint-memory', 'recompute'));
  // 32 activations of 4 MiB are kept without it, 6 regions' inputs and 6 activations of one region with it.
  expect(kept - recomputed).toBeGreaterThan(50 * 2 ** 20);
});

test('10,000 runs leave nothing behind', () => {
  const { early, late } = JSON.parse(outputOf('many-runs', '10000')) as { early: number; late: number };
  expect(late - early).toBeLessThan(24 * 2 ** 20);
});
