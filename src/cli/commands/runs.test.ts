import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openRun } from '../../train/run-folder.js';
import { main } from '../program.js';

const dir = fs.mkdtempSync(path.join(tmpdir(), 'athanor-runs-'));
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

let out = '';
let err = '';
beforeEach(() => {
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

it('says how to begin where there are no runs', async () => {
  expect(await main(['runs', '--dir', path.join(dir, 'none')])).toBe(0);
  expect(err).toContain('athanor forge');
  expect(await main(['runs', '--dir', dir, '--json'])).toBe(0);
  expect(out).toBe('');
});

it('prints a table for people and lines for programs', async () => {
  const run = openRun(path.join(dir, 'poems'), { command: 'pretrain', recipe: {}, seed: 1 });
  run.metrics.append({ step: 20, loss: 1.25 });
  run.close('finished');

  expect(await main(['runs', '--dir', dir])).toBe(0);
  expect(out).toMatch(/^name +command +step +loss +state +size\n/);
  expect(out).toMatch(/\npoems +pretrain +20 +1\.2500 +finished +\d+ B\n$/);

  out = '';
  expect(await main(['runs', '--dir', dir, '--json'])).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    name: 'poems',
    command: 'pretrain',
    step: 20,
    loss: 1.25,
    state: 'finished',
  });
});
