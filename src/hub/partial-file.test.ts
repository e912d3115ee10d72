import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WriteError } from '../util/files.js';
import { PartialFile } from './partial-file.js';

let folder = '';
let file = '';
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'athanor-hub-'));
  file = path.join(folder, 'part');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const text = Buffer.from('hello\n');
/** What `git hash-object` says of it. */
const git = { bytes: 6, etag: 'ce013625030ba8dba906f756967f9e9ca394464a' };
const lfs = { bytes: 6, etag: createHash('sha256').update(text).digest('hex') };

describe('a partial file', () => {
  it.each([git, lfs])('knows its checksum over several runs: $etag', async (promised) => {
    const first = await PartialFile.open(file, promised);
    await first.append(text.subarray(0, 2));
    expect(await first.isWhole()).toBe(false);
    await first.close();
    const second = await PartialFile.open(file, promised);
    expect(second.bytes).toBe(2);
    await second.append(text.subarray(2));
    expect(await second.isWhole()).toBe(true);
    await second.close();
    expect(fs.readFileSync(file)).toEqual(text);
  });

  it('sees a wrong byte, and can begin anew', async () => {
    fs.writeFileSync(file, 'hallo\n');
    const wrong = await PartialFile.open(file, git);
    expect(await wrong.isWhole()).toBe(false);
    await wrong.restart();
    await wrong.append(text);
    expect(await wrong.isWhole()).toBe(true);
    await wrong.close();
  });

  it('forgets what is longer than the whole', async () => {
    fs.writeFileSync(file, 'hello\nhello\n');
    const partial = await PartialFile.open(file, git);
    expect(partial.bytes).toBe(0);
    await partial.close();
  });

  it.skipIf(!fs.existsSync('/dev/full'))('says that the disk is full', async () => {
    fs.symlinkSync('/dev/full', file);
    const partial = await PartialFile.open(file, git);
    await expect(partial.append(text)).rejects.toThrow(/cannot write: no space left on the disk[\s\S]*Free some space/);
    await partial.close();
  });

  it('says what cannot be written', async () => {
    await expect(PartialFile.open(path.join(folder, 'no', 'folder'), git)).rejects.toThrow(WriteError);
    const partial = await PartialFile.open(file, git);
    await partial.close();
    await expect(partial.append(text)).rejects.toThrow(WriteError);
  });
});
