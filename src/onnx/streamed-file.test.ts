import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readModelFile, readTensorBytes } from './external-data.js';
import type { OnnxModel } from './model.js';
import { type StreamedTensor, writeStreamedModel } from './streamed-file.js';

const model: OnnxModel = {
  irVersion: 9,
  opsets: { '': 20 },
  producer: 'athanor',
  graph: {
    name: 'g',
    nodes: [{ op: 'Add', inputs: ['x', 'w0'], outputs: ['y'], name: 'add' }],
    initializers: [{ name: 'own', type: 'int64', dims: [1], data: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0) }],
    inputs: [{ name: 'x', type: 'float32', dims: ['N', 512] }],
    outputs: [{ name: 'y', type: 'float32', dims: ['N', 512] }],
  },
  metadata: { made: 'here' },
};

const bytesOf = (seed: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => seed * 31 + i * 7);

const tensors: StreamedTensor[] = [512, 3, 2048, 700].map((size, i) => ({
  name: `w${i}`,
  type: 'float32',
  dims: [size],
  read: async () => bytesOf(i, 4 * size),
}));

describe('a model whose tensors come one by one', () => {
  let folder = '';
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'athanor-stream-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  const file = (): string => path.join(folder, 'model.onnx');
  const check = (): void => {
    const read = readModelFile(file());
    expect({ ...read, graph: { ...read.graph, initializers: [] } }).toMatchObject({
      ...model,
      graph: { ...model.graph, initializers: [] },
    });
    const held = new Map(read.graph.initializers.map((tensor) => [tensor.name, tensor]));
    expect([...held.keys()].sort()).toEqual(['own', 'w0', 'w1', 'w2', 'w3']);
    for (const [i, { name, dims }] of tensors.entries()) {
      const bytes = readTensorBytes(file(), held.get(name)!);
      expect(Buffer.compare(bytes, bytesOf(i, 4 * dims[0]!))).toBe(0);
    }
  };

  it('is one file where it may be', async () => {
    expect(await writeStreamedModel(model, tensors, file())).toEqual({ files: [file()], chunks: 0 });
    expect(fs.readdirSync(folder)).toEqual(['model.onnx']);
    check();
  });

  it('lies in several files where it is too large, and leaves none of an earlier one', async () => {
    fs.writeFileSync(path.join(folder, 'model.onnx_data_7'), 'old');
    fs.writeFileSync(path.join(folder, 'model.onnx_database'), 'not ours');
    const written = await writeStreamedModel(model, tensors, file(), { embeddedBytes: 4096, chunkBytes: 9000 });
    expect(written.chunks).toBe(3);
    expect(fs.readdirSync(folder).sort()).toEqual([
      'model.onnx',
      'model.onnx_data',
      'model.onnx_data_1',
      'model.onnx_data_2',
      'model.onnx_database',
    ]);
    check();
  });

  it('is not there at all when a tensor fails', async () => {
    const failing = { ...tensors[3]!, read: () => new Uint8Array(5) };
    await expect(writeStreamedModel(model, [...tensors.slice(0, 3), failing], file())).rejects.toThrow(/tensor 'w3'/);
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});
