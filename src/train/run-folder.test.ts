import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { CorruptFileError, InputError } from '../util/errors.js';
import { openRun, readRunRecord } from './run-folder.js';
import { listRuns } from './run-list.js';

const base = fs.mkdtempSync(path.join(tmpdir(), 'athanor-runs-'));
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

const recipe = { model: { width: 64, heads: 4 }, steps: 10, stages: ['a', 'b'] };
const options = { command: 'pretrain', recipe, seed: 7 };
let folder = '';
let count = 0;
beforeEach(() => {
  folder = path.join(base, `case-${count++}`, 'first');
});

describe('openRun', () => {
  it('writes what the run follows from', () => {
    const run = openRun(folder, { ...options, versions: { 'onnxruntime-node': '1.30.0' } });
    expect(run.resumed).toBe(false);
    const record = readRunRecord(folder)!;
    expect(record).toMatchObject({ command: 'pretrain', recipe, seed: 7, state: 'running' });
    expect(record.versions).toMatchObject({ node: process.versions.node, 'onnxruntime-node': '1.30.0' });
    expect(record.machine.cores).toBeGreaterThan(0);
    run.close('finished');
    expect(readRunRecord(folder)!.state).toBe('finished');
  });

  it('goes on with a run and keeps its metrics up to the step it goes on from', () => {
    const run = openRun(folder, options);
    for (let step = 1; step <= 5; step++) run.metrics.append({ step, loss: 1 / step });
    run.samples.append({ step: 2, text: 'a' });
    run.samples.append({ step: 4, text: 'b' });
    run.metrics.append({ event: 'saved' });
    run.close('stopped');
    const created = readRunRecord(folder)!.createdAt;

    const again = openRun(folder, options);
    expect(again.resumed).toBe(true);
    again.truncateAfter(3);
    expect(again.metrics.rows().map((row) => row.step)).toEqual([1, 2, 3, undefined]);
    expect(again.samples.rows()).toEqual([{ step: 2, text: 'a' }]);
    expect(again.record.createdAt).toBe(created);
    again.close('finished');
  });

  it('can drop the rows of one stage alone', () => {
    const run = openRun(folder, options);
    run.metrics.append({ step: 9, stage: 'pretrain' });
    run.metrics.append({ step: 1, stage: 'sft' });
    run.metrics.append({ step: 2, stage: 'sft' });
    run.truncateAfter(1, 'sft');
    expect(run.metrics.rows().map((row) => row.step)).toEqual([9, 1]);
    run.close('stopped');
  });

  it('refuses a second writer', () => {
    const run = openRun(folder, options);
    expect(() => openRun(folder, options)).toThrow('in use');
    run.close('stopped');
    openRun(folder, options).close('stopped');
  });

  it.each([
    [{ ...options, recipe: { ...recipe, model: { width: 128, heads: 4 } } }, 'another model.width', '128'],
    [{ ...options, recipe: { ...recipe, stages: ['a', 'c'] } }, 'another stages.1', '"c"'],
    [{ ...options, recipe: { model: recipe.model, stages: recipe.stages } }, 'another steps', 'nothing'],
    [{ ...options, recipe: { ...recipe, extra: null } }, 'another extra', 'null'],
    [{ ...options, seed: 8 }, 'another seed', '8'],
    [{ ...options, command: 'sft' }, 'another command', '"sft"'],
  ])('refuses to go on with another recipe %#', (other, message, got) => {
    openRun(folder, options).close('stopped');
    const before = fs.readFileSync(path.join(folder, 'run.json'), 'utf8');
    expect(() => openRun(folder, other)).toThrow(InputError);
    expect(() => openRun(folder, other)).toThrow(message);
    expect(() => openRun(folder, other)).toThrow(`got:      ${got}`);
    expect(fs.readFileSync(path.join(folder, 'run.json'), 'utf8')).toBe(before);
    openRun(folder, options).close('stopped');
  });

  it('lets keys change that may', () => {
    openRun(folder, options).close('finished');
    const run = openRun(folder, { ...options, recipe: { ...recipe, steps: 20 }, mayDiffer: ['steps'] });
    expect(run.record.recipe).toMatchObject({ steps: 20 });
    run.close('finished');
  });

  it('does not write over a run where a new one is asked for', () => {
    openRun(folder, options).close('finished');
    expect(() => openRun(folder, { ...options, resume: false })).toThrow('a run here already');
  });

  it('says that a record is damaged', () => {
    openRun(folder, options).close('finished');
    fs.writeFileSync(path.join(folder, 'run.json'), '{"command": 3}');
    expect(() => openRun(folder, options)).toThrow(CorruptFileError);
  });
});

describe('listRuns', () => {
  it('lists runs with their state, oldest first', () => {
    const runs = path.dirname(folder);
    expect(listRuns(runs)).toEqual([]);
    const run = openRun(folder, options);
    run.metrics.append({ step: 1, loss: 3.5 });
    run.metrics.append({ step: 2, loss: 2.5 });
    run.metrics.append({ step: 3, heldOut: 2.4 });
    fs.mkdirSync(run.path('checkpoints', '2'), { recursive: true });
    fs.writeFileSync(run.path('checkpoints', '2', 'model.safetensors'), Buffer.alloc(100_000));
    expect(listRuns(runs)).toMatchObject([
      { name: 'first', command: 'pretrain', step: 3, loss: 2.5, state: 'running' },
    ]);
    expect(listRuns(runs)[0]!.bytes).toBeGreaterThan(100_000);

    fs.rmSync(run.path('lock'));
    expect(listRuns(runs)[0]!.state).toBe('interrupted');
    run.close('finished');
    fs.mkdirSync(path.join(runs, 'second'));
    fs.writeFileSync(path.join(runs, 'second', 'run.json'), '{');
    fs.mkdirSync(path.join(runs, 'no-run'));
    expect(listRuns(runs).map(({ name, state }) => [name, state])).toEqual([
      ['second', 'damaged'],
      ['first', 'finished'],
    ]);
  });

  it('says that a file is not a folder', () => {
    fs.mkdirSync(path.dirname(folder), { recursive: true });
    fs.writeFileSync(folder, '');
    expect(() => listRuns(folder)).toThrow('not a folder');
  });
});
