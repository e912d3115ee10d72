import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import { CorruptFileError } from '../util/errors.js';
import { loadLlama2cTokenizer } from './llama2c.js';

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-llama2c-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('loadLlama2cTokenizer', () => {
  it('reads the tokenizer of stories260K', (context) => {
    const file = sharedData('models/stories260K/tok512.bin');
    const story = sharedData('models/stories260K/greedy_256.txt');
    if (file === undefined || story === undefined) return context.skip('the shared test data is not on this machine');
    const tokenizer = loadLlama2cTokenizer(file, 512);
    expect(tokenizer).toMatchObject({ kind: 'sentencepiece-bpe', vocabularySize: 512, bosId: 1, eosId: 2 });
    const text = readFileSync(story, 'utf8');
    const ids = [...tokenizer.encode(text)];
    expect(ids).toHaveLength(257);
    expect(tokenizer.decode([1, ...ids, 2], { skipSpecial: true })).toBe(text);
    expect(tokenizer.decode([1, ...ids])).toBe(`<s>${text}`);
    expect(tokenizer.decode(tokenizer.encode('中\ta'))).toBe('中\ta');
    expect(Buffer.from(tokenizer.tokenBytes(3 + 0xe4))).toEqual(Buffer.of(0xe4));
  });

  it('tells a damaged file from a good one', (context) => {
    const file = sharedData('models/stories260K/tok512.bin');
    if (file === undefined) return context.skip('the shared test data is not on this machine');
    const good = readFileSync(file);
    const damaged = path.join(folder, 'damaged.bin');
    const load = (bytes: Uint8Array, vocabularySize = 512): unknown => {
      writeFileSync(damaged, bytes);
      return loadLlama2cTokenizer(damaged, vocabularySize);
    };
    expect(() => load(good.subarray(0, 1000))).toThrow(/ends too early/);
    expect(() => load(good, 513)).toThrow(/ends too early/);
    expect(() => load(good, 511)).toThrow(/bytes are left/);
    expect(() => load(good, 1e9)).toThrow(/impossible vocabulary size/);
    expect(() => load(Buffer.alloc(9000, 0xff))).toThrow(CorruptFileError);
    expect(() => load(Buffer.alloc(4 + 512 * 8))).toThrow(/byte tokens are not in place/);
    expect(() => loadLlama2cTokenizer(path.join(folder, 'absent.bin'), 512)).toThrow(/no such file/);
  });
});
