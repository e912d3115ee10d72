import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { TOOLS_FILE, toolsJson, toolsOf } from './model-tools.js';

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-tools-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const write = (text: string): void => writeFileSync(path.join(folder, TOOLS_FILE), text);

it('are those that the folder names', async () => {
  expect(toolsOf(folder)).toBeUndefined();
  write(toolsJson(['lookup']));
  const [lookup] = toolsOf(folder)!;
  expect(lookup!.name).toBe('lookup');
  expect(await lookup!.run('frogs')).toMatch(/^noun: /);
  write('{"tools": []}');
  expect(toolsOf(folder)).toEqual([]);
});

it('are refused where they do not exist', () => {
  for (const names of [['shell'], ['constructor'], [3]]) {
    write(JSON.stringify({ tools: names }));
    expect(() => toolsOf(folder)).toThrow(/tools\[0\].*expected: lookup/s);
  }
  write('{"tools": "lookup"}');
  expect(() => toolsOf(folder)).toThrow('not a list');
});
