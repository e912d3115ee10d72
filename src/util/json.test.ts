import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from './errors.js';
import { countKeys, parseJson, readJsonObject } from './json.js';

const folder = fs.mkdtempSync(path.join(tmpdir(), 'athanor-json-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('parseJson', () => {
  it('reads what JSON.parse reads, brackets in strings included', () => {
    for (const text of ['{"a":[1,{"b":"]}\\"[[["}],"\\\\":"\\\\"}', '[]', '"["', '5', ' null ']) {
      expect(parseJson(text, 'x')).toEqual(JSON.parse(text));
    }
  });

  it('refuses what cannot be walked through', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseJson(nested(128), 'x')).toBeInstanceOf(Array);
    expect(() => parseJson(nested(129), 'a.json')).toThrow(/a\.json: not valid JSON \(more than 128 values inside/);
    expect(() => parseJson('['.repeat(1e6), 'a.json')).toThrow(InputError);
  });

  it('refuses more values than any file of this kind has', () => {
    const text = `[${'{},'.repeat(2 ** 23 + 1)}{}]`;
    const before = process.memoryUsage().heapUsed;
    expect(() => parseJson(text, 'a.json')).toThrow(/more than 8388608 values/);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6);
  });

  it('says what is no JSON', () => {
    for (const text of ['', '{', '{"a"', '{"a":1}}', '"', '"\\', "{'a':1}"]) {
      expect(() => parseJson(text, 'a.json')).toThrow(/^a\.json: not valid JSON/);
    }
  });
});

it('countKeys sees keys that are there twice', () => {
  expect(countKeys('{}')).toBe(0);
  expect(countKeys('{"a":{"b":1,"c:":2},"d\\":":[{"e":1}],"a":":"}')).toBe(3);
});

describe('readJsonObject', () => {
  const write = (content: string | Uint8Array): string => {
    const file = path.join(folder, 'a.json');
    fs.writeFileSync(file, content);
    return file;
  };

  it('wants an object in UTF-8', () => {
    expect(readJsonObject(write('{"é":"猫"}'))).toEqual({ é: '猫' });
    expect(() => readJsonObject(write('[]'))).toThrow(/a\.json: not a JSON object/);
    expect(() => readJsonObject(write(Buffer.from('{"a":"\xe9"}', 'latin1')))).toThrow(/a\.json: not UTF-8/);
    expect(() => readJsonObject(path.join(folder, 'absent.json'))).toThrow(/absent\.json: cannot read: no such file/);
  });

  it('keeps __proto__ a key like others', () => {
    const object = readJsonObject(write('{"__proto__":{"polluted":1}}'));
    expect(Object.keys(object)).toEqual(['__proto__']);
    expect((object as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
