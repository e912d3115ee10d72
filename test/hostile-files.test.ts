import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GOOD_ONNX } from '../scripts/corpus/onnx-cases.js';
import { GOOD } from '../scripts/corpus/safetensors-cases.js';
import { readLlama2cHeader } from '../src/models/llama2c.js';
import { WeightFiles } from '../src/models/load-weights.js';
import { SafetensorsFile } from '../src/models/safetensors.js';
import { encodeSafetensorsHeader } from '../src/models/safetensors-header.js';
import { readTensorBytes } from '../src/onnx/external-data.js';
import { PairMerger } from '../src/tokenizer/pair-merger.js';
import { mergesByScore } from '../src/tokenizer/piece-merges.js';
import { CorruptFileError, InputError } from '../src/util/errors.js';
import { outcomeOf } from './outcome.js';
import { READERS } from './readers.js';

const root = fs.mkdtempSync(path.join(tmpdir(), 'athanor-hostile-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
const at = (...parts: string[]): string => path.join(root, ...parts);

// A recipe is the user's own, and may come through a pipe.
const SINGLE = Object.entries(READERS).filter(([name, { file }]) => file !== undefined && name !== 'recipe');

/** Puts something that is no plain file where each reader expects one. */
async function refused(make: (file: string) => void): Promise<void> {
  for (const [name, reader] of SINGLE) {
    const file = at(name, reader.file!);
    fs.mkdirSync(at(name), { recursive: true });
    fs.rmSync(file, { recursive: true, force: true });
    make(file);
    const { error, seconds } = await outcomeOf(reader, file);
    expect(error, name).toBeInstanceOf(InputError);
    expect(String(error), name).toContain(reader.file);
    expect(seconds, name).toBeLessThan(5);
  }
}

describe.skipIf(process.platform === 'win32')('what is no plain file', () => {
  it('a pipe that nobody writes to is not waited for', () => refused((file) => execFileSync('mkfifo', [file])));
  it('a device that never ends is not read', () => refused((file) => fs.symlinkSync('/dev/zero', file)));
  it('a folder is not read', () => refused((file) => fs.mkdirSync(file)));

  it('a link of external data out of the folder is refused', () => {
    fs.mkdirSync(at('onnx-link'), { recursive: true });
    fs.writeFileSync(at('secret'), 'secret!!');
    fs.symlinkSync('../secret', at('onnx-link', 'weights.data'));
    fs.writeFileSync(at('onnx-link', 'model.onnx'), GOOD_ONNX);
    const data = { location: 'weights.data', offset: 0, length: 8 };
    const tensor = { name: 'w', type: 'float32', dims: [2], data } as const;
    expect(() => readTensorBytes(at('onnx-link', 'model.onnx'), tensor)).toThrow(
      /not a file in the model's own folder/,
    );
  });
});

describe('files that change, or are not there', () => {
  it('a file that shrinks after its header was checked', () => {
    const file = at('shrinks.safetensors');
    fs.writeFileSync(file, GOOD);
    const opened = SafetensorsFile.open(file);
    fs.truncateSync(file, GOOD.length - 8);
    expect(() => opened.read('c')).toThrow(CorruptFileError);
    opened.close();
  });

  it('a sparse file larger than the memory', () => {
    const bytes = 2 ** 42;
    const header = encodeSafetensorsHeader([['a', { dtype: 'U8', shape: [bytes], byteLength: bytes }]]);
    const file = at('sparse.safetensors');
    fs.writeFileSync(file, header);
    fs.truncateSync(file, header.length + bytes);
    const opened = SafetensorsFile.open(file);
    expect(() => opened.read('a')).toThrow(/sparse\.safetensors: there is not enough memory[\s\S]*4398046511104 bytes/);
    opened.close();
  });

  it('more shards than may be open leave none open', () => {
    const folder = at('shards');
    fs.mkdirSync(folder);
    const header = (name: string): Uint8Array =>
      encodeSafetensorsHeader([[name, { dtype: 'U8', shape: [0], byteLength: 0 }]]);
    const map: Record<string, string> = {};
    for (let i = 0; i < 50; i++) {
      fs.writeFileSync(path.join(folder, `${i}.safetensors`), header(`t${i}`));
      map[`t${i}`] = `${i}.safetensors`;
    }
    map.last = 'absent.safetensors';
    fs.writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    const handles = (): number => (fs.existsSync('/proc/self/fd') ? fs.readdirSync('/proc/self/fd').length : 0);
    const before = handles();
    expect(() => WeightFiles.open(folder)).toThrow(/absent\.safetensors: cannot read/);
    expect(handles()).toBe(before);
  });
});

describe('sizes that cost more than the file has', () => {
  it('layers of llama2.c', () => {
    // Two numbers wide, so that the file of so many layers would still be small.
    const header = new Uint8Array(Int32Array.of(2, 1, 400_000, 1, 1, 1, 1).buffer);
    const layer = 2 * 2 + 2 * 4 + 2 * 4 + 3 * 2;
    expect(readLlama2cHeader(header, 28 + 4 * (2 + 400_000 * layer + 2 + 2))).toBeUndefined();
  });

  it('pieces that can be cut in very many ways', () => {
    const scores = new Map<string, number>();
    for (let i = 1; i <= 220; i++) for (let j = 1; j <= 220; j++) scores.set('a'.repeat(i) + 'b'.repeat(j), -i - j);
    const vocabulary = new Map([...scores.keys()].map((piece, id) => [piece, id]));
    expect(() => mergesByScore(vocabulary, scores)).toThrow(/the pieces are too long/);
  });

  it('merges made to fall into one place of the hash table', () => {
    // They would under the factors that the table once had.
    const spread = (left: number, right: number): number => {
      const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
      return (hash ^ (hash >>> 15)) & 0x7ffff;
    };
    const pairs: [number, number][] = [];
    for (let left = 0; pairs.length < 120_000; left++) {
      for (let right = 0; right < 4096 && pairs.length < 120_000; right++) {
        if (spread(left, right) < 128) pairs.push([left, right]);
      }
      if (left > 200_000) break;
    }
    const start = performance.now();
    const column = (part: 0 | 1): Int32Array => Int32Array.from(pairs, (pair) => pair[part]);
    const merger = new PairMerger({
      left: column(0),
      right: column(1),
      merged: Int32Array.from(pairs, (_, i) => i),
      priority: Int32Array.from(pairs, (_, i) => i),
    });
    const symbols = Int32Array.of(...pairs[5]!);
    expect(merger.merge(symbols, 2)).toBe(1);
    expect(symbols[0]).toBe(5);
    expect(performance.now() - start).toBeLessThan(4000);
  });
});
