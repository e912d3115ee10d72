import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ForgeStateFile } from './state.js';
import { endAfter, endAt, reservedSeconds, stageStart } from './workshop.js';

test('a stage with a time of its own takes as many steps as fit into it', () => {
  expect(endAfter(60)({ step: 100, steps: 1, seconds: 20 })).toBe(300);
  expect(endAfter(10)({ step: 100, steps: 1, seconds: 20 })).toBe(101);
});

test('a stage with a deadline takes as many steps as the time left allows, also after an interruption', () => {
  let now = 30;
  const revise = endAt(60, () => now);
  expect(revise({ step: 100, steps: 1, seconds: 20 })).toBe(250);
  // Twenty seconds were lost to something else than steps.
  now = 50;
  expect(revise({ step: 100, steps: 1, seconds: 20 })).toBe(150);
  now = 100;
  expect(revise({ step: 100, steps: 1, seconds: 20 })).toBe(101);
});

test('an interrupted stage keeps its beginning, in the file too', () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'athanor-state-')), 'forge.json');
  const at = (seconds: number) => ({ state: new ForgeStateFile(file), elapsed: () => seconds });
  expect(existsSync(file)).toBe(false);
  expect(stageStart(at(12), 'pretraining')).toBe(12);
  expect(stageStart(at(90), 'pretraining')).toBe(12);
  expect(stageStart(at(95), 'instruction tuning')).toBe(95);
  expect(stageStart(at(99), 'pretraining')).toBe(12);
});

test('a tenth of the time is kept for the exam, within bounds', () => {
  expect([15, 300, 6000].map(reservedSeconds)).toEqual([4, 30, 60]);
});
