import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CorruptFileError, InputError } from '../util/errors.js';
import { sha256, WriteError } from '../util/files.js';
import { CHECKSUM_FILE, type CheckpointContent, verifyCheckpoint, writeCheckpoint } from './checkpoint.js';
import { SafetensorsFile } from './safetensors.js';

let root: string;
let folder: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-checkpoint-'));
  folder = path.join(root, 'checkpoints', '10');
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

function content(value = 1, elements = 6): CheckpointContent {
  const tensor = { dtype: 'F32' as const, shape: [elements], data: new Float32Array(elements).fill(value) };
  return {
    files: { 'config.json': '{"model_type":"llama"}', 'tokenizer.json': new Uint8Array([1, 2, 3]) },
    tensors: { 'model.safetensors': new Map([['w', tensor]]), 'optimizer.safetensors': new Map([['m', tensor]]) },
  };
}

describe('writeCheckpoint', () => {
  it('writes a folder that verifies, with the SHA-256 of every file', async () => {
    await writeCheckpoint(folder, content());
    verifyCheckpoint(folder);
    const names = ['config.json', 'model.safetensors', 'optimizer.safetensors', 'tokenizer.json'];
    expect(fs.readdirSync(folder).sort()).toEqual([CHECKSUM_FILE, ...names].sort());
    const { files } = JSON.parse(fs.readFileSync(path.join(folder, CHECKSUM_FILE), 'utf8'));
    expect(Object.keys(files)).toEqual(names);
    for (const name of names) {
      const bytes = fs.readFileSync(path.join(folder, name));
      expect(files[name]).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
    }
    const weights = SafetensorsFile.open(path.join(folder, 'model.safetensors'));
    expect(weights.metadata).toEqual({ format: 'pt' });
    expect(weights.read('w')).toEqual(new Float32Array(6).fill(1));
    weights.close();
    expect(fs.readdirSync(path.dirname(folder))).toEqual(['10']);
  });

  it('replaces a checkpoint of the same step', async () => {
    await writeCheckpoint(folder, content(1));
    const before = fs.readFileSync(path.join(folder, 'model.safetensors'));
    await writeCheckpoint(folder, content(2));
    verifyCheckpoint(folder);
    expect(fs.readFileSync(path.join(folder, 'model.safetensors'))).not.toEqual(before);
    expect(fs.readdirSync(path.dirname(folder))).toEqual(['10']);
  });

  it.each(['../up', 'a/b', '/etc/x', '..', '', '.hidden', CHECKSUM_FILE, 'model.safetensors', 'x.tmp'])(
    'refuses the file name %j',
    async (name) => {
      const { files, tensors } = content();
      await expect(writeCheckpoint(folder, { files: { ...files, [name]: '' }, tensors })).rejects.toThrow(InputError);
      expect(fs.existsSync(folder)).toBe(false);
    },
  );

  it('leaves the last good checkpoint and nothing else when a write fails half way', async () => {
    await writeCheckpoint(folder, content(1));
    const failing = content(2);
    const full = new Float32Array(6);
    // The second tensors' file cannot be had any more once the first is written.
    Object.defineProperty(full, 'byteOffset', {
      get() {
        throw Object.assign(new Error('write'), { code: 'ENOSPC' });
      },
    });
    const tensors = {
      ...failing.tensors,
      'optimizer.safetensors': new Map([['m', { dtype: 'F32' as const, shape: [6], data: full }]]),
    };
    for (const target of [folder, path.join(root, 'checkpoints', '20')]) {
      await expect(writeCheckpoint(target, { ...failing, tensors })).rejects.toThrow(/no space left on the disk/);
      expect(fs.readdirSync(path.dirname(folder))).toEqual(['10']);
      verifyCheckpoint(folder);
    }
  });

  it('survives a disk that is really full', async ({ skip }) => {
    const disk = path.join(root, 'disk');
    fs.mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      skip('mounting a small file system is not permitted here');
    }
    try {
      const good = path.join(disk, 'checkpoints', '10');
      await writeCheckpoint(good, content(1, 8000));
      for (const step of ['10', '20']) {
        // Its first tensors' file fits, its second does not.
        const attempt = writeCheckpoint(path.join(disk, 'checkpoints', step), content(2, 32000));
        await expect(attempt).rejects.toThrow(WriteError);
        await expect(attempt).rejects.toThrow(/no space left on the disk[\s\S]*saved before is untouched/);
        expect(fs.readdirSync(path.dirname(good))).toEqual(['10']);
        verifyCheckpoint(good);
      }
      await writeCheckpoint(path.join(disk, 'checkpoints', '20'), content(2, 8000));
      verifyCheckpoint(path.join(disk, 'checkpoints', '20'));
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('verifyCheckpoint', () => {
  it('finds every single flipped bit of every file, and names the file', async () => {
    await writeCheckpoint(folder, content());
    for (const name of fs.readdirSync(folder)) {
      const file = path.join(folder, name);
      const whole = fs.readFileSync(file);
      const handle = fs.openSync(file, 'r+');
      for (let index = 0; index < whole.length; index++) {
        for (let bit = 0; bit < 8; bit++) {
          fs.writeSync(handle, Uint8Array.of(whole[index]! ^ (1 << bit)), 0, 1, index);
          const verify = () => verifyCheckpoint(folder);
          expect(verify, `${name}, byte ${index}, bit ${bit}`).toThrow(CorruptFileError);
          // A damaged list of checksums may put the blame on the file whose entry it is.
          if (name !== CHECKSUM_FILE) expect(verify).toThrow(`${file}: this file of a checkpoint is damaged`);
        }
        fs.writeSync(handle, whole, index, 1, index);
      }
      fs.closeSync(handle);
      verifyCheckpoint(folder);
    }
  });

  it('says what to do with a file that was changed on purpose', async () => {
    await writeCheckpoint(folder, content());
    const [name] = fs.readdirSync(folder).filter((each) => each !== CHECKSUM_FILE && each.endsWith('.json'));
    fs.appendFileSync(path.join(folder, name!), ' ');
    expect(() => verifyCheckpoint(folder)).toThrow(`delete ${CHECKSUM_FILE}`);
  });

  it('finds a truncated, lengthened or missing file, whichever it is', async () => {
    await writeCheckpoint(folder, content());
    for (const name of fs.readdirSync(folder)) {
      const file = path.join(folder, name);
      const whole = fs.readFileSync(file);
      const damages = [() => fs.truncateSync(file, whole.length >> 1), () => fs.truncateSync(file, 0)];
      if (name !== CHECKSUM_FILE) damages.push(() => fs.appendFileSync(file, 'x'));
      damages.push(() => fs.rmSync(file));
      damages.push(() => fs.mkdirSync(file));
      for (const damage of damages) {
        damage();
        expect(() => verifyCheckpoint(folder)).toThrow(CorruptFileError);
        expect(() => verifyCheckpoint(folder)).toThrow(file);
      }
      fs.rmSync(file, { recursive: true });
      fs.writeFileSync(file, whole);
    }
    verifyCheckpoint(folder);
  });

  it('reads nothing outside the folder, whatever the list says', async () => {
    await writeCheckpoint(folder, content());
    const file = path.join(folder, CHECKSUM_FILE);
    const checksum = { bytes: 0, sha256: sha256('') };
    fs.writeFileSync(path.join(root, 'outside'), '');
    for (const bad of [{ '../../outside': checksum }, { 'config.json': null }, { 'config.json': { bytes: -0.5 } }]) {
      fs.writeFileSync(file, JSON.stringify({ format: 'athanor-checksums-1', files: bad }));
      expect(() => verifyCheckpoint(folder)).toThrow(/is not a checksum/);
    }
    for (const text of ['null', '[]', '3', '{"format":"athanor-checksums-1","files":[1]}']) {
      fs.writeFileSync(file, text);
      expect(() => verifyCheckpoint(folder), text).toThrow(CorruptFileError);
    }
  });
});
