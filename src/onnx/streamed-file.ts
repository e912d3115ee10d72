import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { AthanorError } from '../util/errors.js';
import { fileErrorReason, WriteError } from '../util/files.js';
import { ONNX_DATA_TYPES, type OnnxModel, type OnnxTensor } from './model.js';
import { MAX_MESSAGE_BYTES, ProtoWriter } from './protobuf-writer.js';
import { encodeGraph, encodeModelFrame, encodeTensorFrame } from './writer.js';

/** An initializer whose bytes are made when they are due. */
export interface StreamedTensor extends Omit<OnnxTensor, 'data'> {
  read(): Uint8Array | Promise<Uint8Array>;
}

export interface StreamOptions {
  /** A model of more bytes has its tensors in files beside it. Default: what one ONNX file may hold. */
  readonly embeddedBytes?: number;
  /** Bytes in one of those files; a tensor that is larger has a file of its own. Default 2,000,000,000. */
  readonly chunkBytes?: number;
}

export interface StreamedFiles {
  /** All files, the model first. */
  readonly files: readonly string[];
  /** How many files with tensors lie beside the model: `<name>_data`, `<name>_data_1` … */
  readonly chunks: number;
}

/** Tensors start at multiples of a memory page in their file, so that a runtime can map it. */
const ALIGNMENT = 4096;

/** Smaller tensors stay in the model: shapes and scalars must be known without the other file. */
const SMALLEST_EXTERNAL = 1024;

/** Room for the model's own fields beside its tensors. */
const FRAME_BYTES = 2 ** 20;

interface Placed {
  readonly tensor: StreamedTensor;
  readonly chunk: number;
  readonly offset: number;
}

/**
 * Writes a model as `file` without holding more than one of its large tensors. Each file is written under a temporary name
 * and renamed when all are whole.
 *
 * @param tensors initializers beside those of the graph.
 * @throws {WriteError} if the disk refuses. @throws {AthanorError} if a tensor gives another number of bytes than its shape.
 */
export async function writeStreamedModel(
  model: OnnxModel,
  tensors: readonly StreamedTensor[],
  file: string,
  options: StreamOptions = {},
): Promise<StreamedFiles> {
  const { embeddedBytes = MAX_MESSAGE_BYTES - FRAME_BYTES, chunkBytes = 2e9 } = options;
  const total = tensors.reduce((sum, tensor) => sum + byteLength(tensor) + 256, 0);
  const small: StreamedTensor[] = [];
  const placed: Placed[] = [];
  if (total <= embeddedBytes) small.push(...tensors);
  else place(tensors, chunkBytes, small, placed);
  const base = path.basename(file);
  const chunks = placed.length === 0 ? 0 : placed.at(-1)!.chunk + 1;
  const names = Array.from({ length: chunks }, (_, i) => `${base}_data${i === 0 ? '' : `_${i}`}`);
  const folder = path.dirname(file);
  const suffix = `${randomBytes(4).toString('hex')}.tmp`;
  const temporary = (name: string): string => path.join(folder, `${name}.${suffix}`);
  try {
    fs.mkdirSync(folder, { recursive: true });
    for (const [chunk, name] of names.entries()) {
      await writeChunk(
        temporary(name),
        placed.filter((each) => each.chunk === chunk),
      );
    }
    await writeModel(temporary(base), model, small, placed, names);
    for (const name of [...names, base]) fs.renameSync(temporary(name), path.join(folder, name));
    removeStale(folder, base, names);
  } catch (error) {
    for (const name of [...names, base]) fs.rmSync(temporary(name), { force: true });
    if (error instanceof AthanorError) throw error;
    throw new WriteError(`cannot write: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
  return { files: [base, ...names].map((name) => path.join(folder, name)), chunks };
}

function byteLength({ type, dims }: Omit<OnnxTensor, 'data'>): number {
  return dims.reduce((product, size) => product * size, ONNX_DATA_TYPES[type].bytes);
}

function aligned(position: number): number {
  return Math.ceil(position / ALIGNMENT) * ALIGNMENT;
}

/** Decides which tensors stay in the model and where the others lie. */
function place(
  tensors: readonly StreamedTensor[],
  chunkBytes: number,
  small: StreamedTensor[],
  placed: Placed[],
): void {
  let [chunk, end] = [0, 0];
  for (const tensor of tensors) {
    const length = byteLength(tensor);
    if (length < SMALLEST_EXTERNAL) {
      small.push(tensor);
      continue;
    }
    if (end > 0 && aligned(end) + length > chunkBytes) [chunk, end] = [chunk + 1, 0];
    placed.push({ tensor, chunk, offset: aligned(end) });
    end = aligned(end) + length;
  }
}

async function bytesOf(tensor: StreamedTensor): Promise<Uint8Array> {
  const bytes = await tensor.read();
  if (bytes.length === byteLength(tensor)) return bytes;
  throw new AthanorError('a tensor whose bytes do not fit its shape', {
    where: `ONNX writer, tensor '${tensor.name}'`,
    expected: `${byteLength(tensor)} bytes for ${tensor.type} [${tensor.dims.join(', ')}]`,
    got: `${bytes.length} bytes`,
  });
}

async function writeChunk(file: string, placed: readonly Placed[]): Promise<void> {
  await writeThrough(file, async (write) => {
    let position = 0;
    for (const { tensor, offset } of placed) {
      write(new Uint8Array(offset - position));
      const bytes = await bytesOf(tensor);
      write(bytes);
      position = offset + bytes.length;
    }
  });
}

/** The model: its frame, then the graph's head, nodes and small parts, then the tensors one by one. */
async function writeModel(
  file: string,
  model: OnnxModel,
  embedded: readonly StreamedTensor[],
  placed: readonly Placed[],
  names: readonly string[],
): Promise<void> {
  const external: OnnxTensor[] = placed.map(({ tensor: { name, type, dims }, chunk, offset }) => {
    const length = byteLength({ name, type, dims });
    return { name, type, dims, data: { location: names[chunk]!, offset, length } };
  });
  const graph = encodeGraph({ ...model.graph, initializers: [...model.graph.initializers, ...external] });
  const heads = embedded.map(tensorHead);
  const length = embedded.reduce((sum, tensor, i) => sum + heads[i]!.length + byteLength(tensor), graph.length);
  const head = new ProtoWriter(16);
  head.announce(7, length);
  await writeThrough(file, async (write) => {
    for (const part of [encodeModelFrame(model), head.finish(), graph]) write(part);
    for (const [i, tensor] of embedded.entries()) {
      write(heads[i]!);
      write(await bytesOf(tensor));
    }
  });
}

/** What stands before a tensor's bytes in its graph. */
function tensorHead(tensor: StreamedTensor): Uint8Array {
  const length = byteLength(tensor);
  const raw = new ProtoWriter(16);
  raw.announce(9, length);
  const inner = Buffer.concat([encodeTensorFrame(tensor), raw.finish()]);
  const outer = new ProtoWriter(16);
  outer.announce(5, inner.length + length);
  return Buffer.concat([outer.finish(), inner]);
}

/** One call moves at most this many bytes: Node refuses more than 2 GiB at once. */
const MAX_CALL_BYTES = 2 ** 30;

async function writeThrough(file: string, fill: (write: (bytes: Uint8Array) => void) => Promise<void>): Promise<void> {
  const handle = fs.openSync(file, 'w');
  try {
    await fill((bytes) => {
      for (let done = 0; done < bytes.length; ) {
        done += fs.writeSync(handle, bytes, done, Math.min(bytes.length - done, MAX_CALL_BYTES));
      }
    });
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** Removes the data files of an earlier model of this name; a failure leaves rubbish, no damage. */
function removeStale(folder: string, base: string, names: readonly string[]): void {
  for (const name of fs.readdirSync(folder)) {
    if (!name.startsWith(`${base}_data`) || !/^(_\d+)?$/.test(name.slice(base.length + 5)) || names.includes(name)) {
      continue;
    }
    try {
      fs.rmSync(path.join(folder, name));
    } catch {}
  }
}
