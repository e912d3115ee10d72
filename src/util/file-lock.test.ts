import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from './errors.js';
import { isLocked, lockFile } from './file-lock.js';

const folder = fs.mkdtempSync(path.join(tmpdir(), 'athanor-lock-'));
const file = path.join(folder, 'lock');
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
beforeEach(() => fs.rmSync(file, { force: true }));

const write = (holder: object): void => fs.writeFileSync(file, JSON.stringify(holder));

describe('lockFile', () => {
  it('is held once, and again after its release', () => {
    const lock = lockFile(file, 'the run');
    expect(isLocked(file)).toBe(true);
    expect(() => lockFile(file, 'the run')).toThrow(InputError);
    expect(() => lockFile(file, 'the run')).toThrow(`process ${process.pid}`);
    lock.release();
    expect(isLocked(file)).toBe(false);
    lockFile(file, 'the run').release();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('is taken over from a process that is gone', () => {
    const pid = Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
    write({ pid, host: hostname(), started: null });
    expect(isLocked(file)).toBe(false);
    lockFile(file, 'the run').release();
  });

  it.skipIf(process.platform !== 'linux')('is taken over from a process whose number another one has now', () => {
    write({ pid: process.pid, host: hostname(), started: '1' });
    lockFile(file, 'the run').release();
  });

  it.each(['', '{', 'null', '{"pid": -1, "host": "x"}'])('is taken over where its file holds %j', (text) => {
    fs.writeFileSync(file, text);
    lockFile(file, 'the run').release();
  });

  it('is respected while its holder lives, here or on another machine', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); process.stdout.write("up")']);
    await once(child.stdout, 'data');
    write({ pid: child.pid, host: hostname(), started: null });
    expect(() => lockFile(file, 'the run')).toThrow(`process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockFile(file, 'the run').release();
    write({ pid: 1, host: 'elsewhere.example', started: null });
    expect(() => lockFile(file, 'the run')).toThrow('elsewhere.example');
  });

  it('is not released by one who lost it', () => {
    const lock = lockFile(file, 'the run');
    write({ pid: 1, host: 'elsewhere.example', started: null });
    lock.release();
    expect(fs.existsSync(file)).toBe(true);
  });
});
