import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { callingModel } from '../../../test/bigram-model.js';
import { sharedData } from '../../../test/shared-data.js';
import { saveModel } from '../../models/save.js';
import { readText } from '../../util/files.js';
import { main } from '../program.js';

const dir = mkdtempSync(path.join(tmpdir(), 'athanor-generate-'));
const model = path.join(dir, 'model');
const here = path.dirname(fileURLToPath(import.meta.url));
beforeAll(async () => saveModel(model, await callingModel()));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

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

const generate = (...args: string[]): Promise<number> =>
  main(['generate', model, '--threads', '1', '--temperature', '0', ...args]);

describe('athanor generate', () => {
  it('prints the text alone', async () => {
    expect(await generate('--prompt', 'A')).toBe(0);
    expect([out, err]).toEqual(['中B\n', '']);
    out = '';
    expect(await generate('--prompt', 'A', '--echo', '--stop', 'B', '--stop', 'C')).toBe(0);
    expect(out).toBe('A中\n');
  });

  it('prints special tokens where they are asked for', async () => {
    expect(await generate('--special', '--prompt', '<|assistant|>')).toBe(0);
    expect(out).toBe('<|call|>tip fog\n');
  });

  it('prints records and log-probabilities', async () => {
    expect(await generate('--prompt', 'A', '--json', '--logprobs', '1')).toBe(0);
    const records = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ type }) => type)).toEqual(['token', 'token', 'token', 'text', 'token', 'text', 'end']);
    expect(records[0].top).toEqual([{ id: records[0].id, text: '\ufffd', logProbability: records[0].logProbability }]);
    expect(records.at(-1)).toMatchObject({ finish: 'stop', usage: { promptTokens: 1, completionTokens: 4 } });
    out = '';
    expect(await generate('--prompt', 'A', '--logprobs')).toBe(0);
    expect(out).toBe('中B\n');
    expect(err).toMatch(/^("\ufffd" -\d\.\d+\n){3}"B" -\d\.\d+\n$/);
  });

  it('says what is wrong', async () => {
    expect(await main(['generate', path.join(dir, 'none'), '--prompt', 'A'])).toBe(1);
    expect(err).toMatch(/^athanor: .*none: cannot open the model/);
    err = '';
    expect(await main(['generate', here, '--prompt', 'A'])).toBe(1);
    expect(err).toContain('there is no model here');
    err = '';
    expect(await generate('--prompt', 'A'.repeat(300))).toBe(1);
    expect(err).toMatch(/longer than the context of the model\n.*128 positions/);
    for (const [flag, value] of [
      ['--temperature', '-1'],
      ['--top-p', '2'],
      ['--max-tokens', '0'],
      ['--repetition-penalty', '0'],
      ['--stop', ''],
    ] as const) {
      err = '';
      expect(await main(['generate', model, '--prompt', 'A', flag, value]), flag).toBe(1);
      expect(err).toMatch(/^athanor: /);
    }
    expect(out).toBe('');
  });

  const stories = sharedData('models/stories260K');
  it.skipIf(stories === undefined)('prints what the program prints that a real model comes from', () => {
    const program = fileURLToPath(new URL('../main.ts', import.meta.url));
    const args = ['generate', stories!, '--prompt', '', '--max-tokens', '256', '--temperature', '0', '--threads', '1'];
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', program, ...args]);
    expect([status, stderr.toString()]).toEqual([0, '']);
    expect(stdout.toString()).toBe(readText(path.join(stories!, 'greedy_256.txt')));
  });
});
