import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CorruptFileError, InputError } from '../util/errors.js';
import { writeCheckpoint } from './checkpoint.js';
import {
  checkpointFolder,
  latestValidCheckpoint,
  listCheckpoints,
  pruneCheckpoints,
  removeLeftovers,
} from './checkpoint-list.js';

let run: string;
beforeEach(() => {
  run = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-run-'));
});
afterEach(() => fs.rmSync(run, { recursive: true, force: true }));

async function save(...steps: number[]): Promise<void> {
  for (const step of steps) {
    const data = Float32Array.of(step);
    await writeCheckpoint(checkpointFolder(run, step), {
      files: { 'config.json': '{}' },
      tensors: { 'model.safetensors': new Map([['w', { dtype: 'F32', shape: [1], data }]]) },
    });
  }
}

function steps(): number[] {
  return listCheckpoints(run).map(({ step }) => step);
}

function flip(step: number): void {
  const file = path.join(checkpointFolder(run, step), 'model.safetensors');
  const bytes = fs.readFileSync(file);
  bytes[bytes.length - 1]! ^= 1;
  fs.writeFileSync(file, bytes);
}

describe('listCheckpoints', () => {
  it('sorts by step, not by name, and passes over everything else', async () => {
    await save(9, 100, 20);
    for (const name of ['30.0a1b2c3d.tmp', 'best', '-4', '007', '1e3']) {
      fs.mkdirSync(path.join(run, 'checkpoints', name));
    }
    fs.writeFileSync(path.join(run, 'checkpoints', '40'), 'a file');
    expect(listCheckpoints(run)).toEqual([9, 20, 100].map((step) => ({ step, folder: checkpointFolder(run, step) })));
  });

  it('is empty for a run without any', () => {
    expect(listCheckpoints(run)).toEqual([]);
    expect(latestValidCheckpoint(path.join(run, 'absent'))).toEqual({ checkpoint: undefined, damaged: [] });
  });
});

describe('latestValidCheckpoint', () => {
  it('passes over damaged ones and says why', async () => {
    await save(10, 20, 30, 40);
    flip(40);
    fs.rmSync(path.join(checkpointFolder(run, 30), 'checksums.json'));
    const { checkpoint, damaged } = latestValidCheckpoint(run);
    expect(checkpoint?.step).toBe(20);
    expect(damaged.map(({ step }) => step)).toEqual([40, 30]);
    expect(damaged[0]!.error).toBeInstanceOf(CorruptFileError);
    expect(damaged[0]!.error.message).toContain(path.join('40', 'model.safetensors'));
    expect(damaged[1]!.error.message).toContain('no such file');
  });

  it('finds none where all are damaged', async () => {
    await save(10);
    flip(10);
    expect(latestValidCheckpoint(run)).toMatchObject({ checkpoint: undefined, damaged: [{ step: 10 }] });
  });
});

describe('pruneCheckpoints', () => {
  it('keeps the newest', async () => {
    await save(1, 2, 3, 10);
    expect(pruneCheckpoints(run, 2).map(({ step }) => step)).toEqual([1, 2]);
    expect(steps()).toEqual([3, 10]);
    expect(pruneCheckpoints(run, 5)).toEqual([]);
    expect(fs.readdirSync(path.join(run, 'checkpoints'))).toHaveLength(2);
  });

  it('does not count one that is cut off', async () => {
    await save(1, 2, 3);
    fs.truncateSync(path.join(checkpointFolder(run, 3), 'model.safetensors'), 5);
    pruneCheckpoints(run, 1);
    expect(latestValidCheckpoint(run).checkpoint?.step).toBe(2);
    expect(steps()).toEqual([2, 3]);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses to keep %d', async (keep) => {
    await save(1);
    expect(() => pruneCheckpoints(run, keep)).toThrow(InputError);
    expect(steps()).toEqual([1]);
  });
});

describe('removeLeftovers', () => {
  it('removes what was half written, and puts back what was being replaced', async () => {
    await save(1, 2, 3);
    const inside = (name: string) => path.join(run, 'checkpoints', name);
    fs.mkdirSync(inside('4.00112233.tmp/deep'), { recursive: true });
    // Killed between the two renames of a replacement, and after both.
    fs.renameSync(inside('2'), inside('2.aabbccdd.old.tmp'));
    fs.cpSync(inside('3'), inside('3.aabbccdd.old.tmp'), { recursive: true });
    expect(removeLeftovers(run)).toHaveLength(3);
    expect(fs.readdirSync(path.join(run, 'checkpoints')).sort()).toEqual(['1', '2', '3']);
    expect(latestValidCheckpoint(run)).toMatchObject({ checkpoint: { step: 3 }, damaged: [] });
    expect(removeLeftovers(run)).toEqual([]);
  });
});
