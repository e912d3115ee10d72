import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CorruptFileError, InputError } from '../util/errors.js';
import { WriteError } from '../util/files.js';
import { readModelFile, readTensorBytes, writeModelFile } from './external-data.js';
import { isExternal, type OnnxModel, type OnnxTensor } from './model.js';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-onnx-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** y = (x·A)·B with A [1, 3000] of ones and B [3000, 2] of halves, which is [1500x, 1500x]. */
function model(): OnnxModel {
  const filled = (name: string, dims: readonly [number, number], value: number): OnnxTensor => {
    const data = new Uint8Array(new Float32Array(dims[0] * dims[1]).fill(value).buffer);
    return { name, type: 'float32', dims, data };
  };
  return {
    irVersion: 9,
    opsets: { '': 20 },
    producer: 'athanor',
    graph: {
      name: 'twice',
      nodes: [
        { op: 'MatMul', inputs: ['x', 'A'], outputs: ['h'] },
        { op: 'MatMul', inputs: ['h', 'B'], outputs: ['hB'] },
        { op: 'Add', inputs: ['hB', 'c'], outputs: ['y'] },
      ],
      initializers: [filled('A', [1, 3000], 1), filled('c', [1, 2], 7), filled('B', [3000, 2], 0.5)],
      inputs: [{ name: 'x', type: 'float32', dims: ['batch', 1] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['batch', 2] }],
    },
  };
}

function corruptedLocation(location: string, target: OnnxTensor): OnnxTensor {
  if (!isExternal(target.data)) throw new Error('expected external data');
  return { ...target, data: { ...target.data, location } };
}

describe('writeModelFile', () => {
  it('puts large initializers into one aligned file that our reader and ONNX Runtime find', async () => {
    const file = path.join(folder, 'deep', 'model.onnx');
    const written = writeModelFile(model(), file, { thresholdBytes: 1000 });
    expect(written[0]).toBe(file);
    expect(fs.readdirSync(path.dirname(file)).sort()).toEqual(written.map((name) => path.basename(name)).sort());

    const read = readModelFile(file);
    const kinds = read.graph.initializers.map(({ data }) => (isExternal(data) ? data.offset : 'embedded'));
    expect(kinds).toEqual([0, 'embedded', 12288]);
    const restored = read.graph.initializers.map((tensor) => ({ ...tensor, data: readTensorBytes(file, tensor) }));
    expect(restored).toEqual(model().graph.initializers);

    const session = await InferenceSession.create(file);
    const { y } = await session.run({ x: new Tensor('float32', [2], [1, 1]) });
    expect([...(y!.data as Float32Array)]).toEqual([3007, 3007]);
    await session.release();
  });

  it('writes a single file where nothing is large', () => {
    const file = path.join(folder, 'model.onnx');
    expect(writeModelFile(model(), file, { thresholdBytes: 1e6 })).toEqual([file]);
    expect(readModelFile(file)).toEqual(model());
  });

  it('replaces a model and its data, and nothing else in the folder', () => {
    const file = path.join(folder, 'model.onnx');
    writeModelFile(model(), file, { thresholdBytes: 1000 });
    fs.writeFileSync(path.join(folder, 'model.onnx.notes.data'), 'kept');
    const other = model();
    const [first, ...rest] = other.graph.initializers;
    const changed = { ...first!, data: new Uint8Array(12000).fill(1) };
    writeModelFile({ ...other, graph: { ...other.graph, initializers: [changed, ...rest] } }, file, {
      thresholdBytes: 1000,
    });
    expect(fs.readdirSync(folder)).toHaveLength(3);
    expect(fs.existsSync(path.join(folder, 'model.onnx.notes.data'))).toBe(true);
    expect(readTensorBytes(file, readModelFile(file).graph.initializers[0]!)).toEqual(changed.data);
  });

  it('reports a place where nothing can be written', () => {
    const blocked = path.join(folder, 'file');
    fs.writeFileSync(blocked, '');
    expect(() => writeModelFile(model(), path.join(blocked, 'model.onnx'), { thresholdBytes: 1000 })).toThrow(
      WriteError,
    );
  });
});

describe('readTensorBytes', () => {
  it('refuses data outside the file, a missing file, and a path out of the folder', () => {
    const file = path.join(folder, 'model.onnx');
    const [, dataFile] = writeModelFile(model(), file, { thresholdBytes: 1000 });
    const [, , last] = readModelFile(file).graph.initializers;
    fs.truncateSync(dataFile!, fs.statSync(dataFile!).size - 1);
    expect(() => readTensorBytes(file, last!)).toThrow(CorruptFileError);
    expect(() => readTensorBytes(file, corruptedLocation('absent', last!))).toThrow(/no such file/);

    const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-outside-'));
    try {
      fs.writeFileSync(path.join(outside, 'secret'), Buffer.alloc(1e5));
      fs.symlinkSync(path.join(outside, 'secret'), path.join(folder, 'link'));
      const escapes = [path.join(outside, 'secret'), path.join('..', path.basename(outside), 'secret'), 'link', '.'];
      for (const location of escapes) {
        expect(() => readTensorBytes(file, corruptedLocation(location, last!)), location).toThrow(InputError);
      }
    } finally {
      fs.rmSync(outside, { recursive: true });
    }
  });
});
