import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '../../test/source-files.js';

function peakOf(argument: string): number {
  const file = path.join(repositoryRoot, 'test', 'programs', 'train-memory.ts');
  return Number(execFileSync(process.execPath, ['--import', 'tsx', file, argument], { cwd: repositoryRoot }));
}

test('a training step that recomputes its layers keeps one layer’s values at a time', () => {
  const [kept, recomputed] = [peakOf('keep'), peakOf('recompute')];
  // A layer's values take about 30 MiB here; seven of eight layers are spared.
  expect(kept - recomputed).toBeGreaterThan(80 * 2 ** 20);
});
