import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { CorruptFileError } from './errors.js';
import { WriteError } from './files.js';
import { JsonLinesFile, readJsonLines } from './json-lines.js';

const folder = fs.mkdtempSync(path.join(tmpdir(), 'athanor-lines-'));
const file = path.join(folder, 'metrics.jsonl');
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
beforeEach(() => fs.rmSync(file, { force: true }));

describe('JsonLinesFile', () => {
  it('adds rows and reads them back', () => {
    const lines = new JsonLinesFile(file);
    expect(lines.rows()).toEqual([]);
    lines.append({ step: 1, text: '床前明月光\n' });
    lines.append({ step: 2 });
    expect(new JsonLinesFile(file).rows()).toEqual([{ step: 1, text: '床前明月光\n' }, { step: 2 }]);
  });

  it('survives a crash at every byte of the last row', () => {
    const whole = Buffer.from(
      `${JSON.stringify({ step: 1, text: '月' })}\n${JSON.stringify({ step: 2, text: '光🌙' })}\n`,
    );
    const firstLength = whole.indexOf('\n') + 1;
    for (let length = firstLength; length < whole.length; length++) {
      fs.writeFileSync(file, whole.subarray(0, length));
      expect(readJsonLines(file)).toEqual([{ step: 1, text: '月' }]);
      const lines = new JsonLinesFile(file);
      expect(fs.statSync(file).size).toBe(firstLength);
      lines.append({ step: 3 });
      expect(lines.rows()).toEqual([{ step: 1, text: '月' }, { step: 3 }]);
    }
  });

  it('cuts a last line of zeros, which a loss of power leaves', () => {
    fs.writeFileSync(file, '{"step":1}\n\0\0\0\0\n');
    expect(new JsonLinesFile(file).rows()).toEqual([{ step: 1 }]);
    fs.writeFileSync(file, '{"st');
    expect(new JsonLinesFile(file).rows()).toEqual([]);
  });

  it('names a damaged line in the middle', () => {
    fs.writeFileSync(file, '{"step":1}\n{"step"\n{"step":3}\n');
    expect(() => readJsonLines(file)).toThrow(CorruptFileError);
    expect(() => readJsonLines(file)).toThrow('metrics.jsonl:2');
  });

  it('drops rows', () => {
    const lines = new JsonLinesFile(file);
    for (let step = 1; step <= 4; step++) lines.append({ step });
    lines.keep((row) => Number(row.step) <= 2);
    lines.append({ step: 3 });
    expect(lines.rows()).toEqual([{ step: 1 }, { step: 2 }, { step: 3 }]);
  });

  it('says why it cannot write', () => {
    const lines = new JsonLinesFile(path.join(folder, 'none', 'metrics.jsonl'));
    expect(() => lines.append({ step: 1 })).toThrow(WriteError);
    expect(() => lines.append({ step: 1 })).toThrow('no such file or folder');
  });

  it.skipIf(!fs.existsSync('/dev/full'))('says that the disk is full', () => {
    fs.symlinkSync('/dev/full', path.join(folder, 'full.jsonl'));
    const full = Object.create(JsonLinesFile.prototype) as JsonLinesFile;
    Object.assign(full, { file: path.join(folder, 'full.jsonl') });
    expect(() => full.append({ step: 1 })).toThrow('no space left on the disk');
  });
});
