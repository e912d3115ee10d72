import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { CorruptFileError, InputError } from '../util/errors.js';
import { memoryFor, openForReading, readBytesUpTo, readPart, writeParts } from '../util/file-parts.js';
import { fileErrorReason, WriteError, writeFileAtomic } from '../util/files.js';
import { isExternal, type OnnxModel, type OnnxTensor } from './model.js';
import { decodeModel } from './reader.js';
import { encodeModel } from './writer.js';

/** Protocol Buffers' own limit. */
const MOST_MODEL_BYTES = 2 ** 31;

/** Tensors start at multiples of this many bytes (one memory page), so that a runtime can map the file. */
const ALIGNMENT = 4096;

export interface WriteModelOptions {
  /** Initializers of at least this many bytes go to the external file. Default: 16 KiB. */
  readonly thresholdBytes?: number;
}

/**
 * Writes a model as `file`, its large initializers into one other file beside it (`<name>.<hash>.data`). That file's
 * name comes from its content, so a model that was written before under the same name stays whole until it is replaced.
 *
 * @returns the files written, the model first.
 * @throws {InputError} if the model without its large initializers still passes 2 GiB. @throws {WriteError}
 */
export function writeModelFile(model: OnnxModel, file: string, options: WriteModelOptions = {}): string[] {
  const { thresholdBytes = 16 * 1024 } = options;
  const embedded = (tensor: OnnxTensor): tensor is OnnxTensor & { data: Uint8Array } => !isExternal(tensor.data);
  const large = model.graph.initializers.filter(embedded).filter(({ data }) => data.length >= thresholdBytes);
  if (large.length === 0) {
    writeFileAtomic(file, encodeModel(model));
    return [file];
  }
  const hash = createHash('sha256');
  for (const { data } of large) hash.update(data);
  const location = `${path.basename(file)}.${hash.digest('hex').slice(0, 8)}.data`;
  let end = 0;
  const placed = new Map<OnnxTensor, OnnxTensor>();
  for (const tensor of large) {
    const offset = aligned(end);
    const { length } = tensor.data;
    placed.set(tensor, { ...tensor, data: { location, offset, length } });
    end = offset + length;
  }
  const initializers = model.graph.initializers.map((tensor) => placed.get(tensor) ?? tensor);
  // Encoded first: what cannot be written is refused before the disk is touched.
  const message = encodeModel({ ...model, graph: { ...model.graph, initializers } });
  const dataFile = path.join(path.dirname(file), location);
  const temporary = `${dataFile}.tmp`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
  } catch (error) {
    throw new WriteError(`cannot write: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
  writeParts(temporary, alignedParts(large.map((tensor) => tensor.data)));
  fs.renameSync(temporary, dataFile);
  writeFileAtomic(file, message);
  removeStale(file, location);
  return [file, dataFile];
}

/** Removes the data files that an earlier model of this name used; a failure leaves rubbish, no damage. */
function removeStale(file: string, location: string): void {
  const folder = path.dirname(file);
  for (const name of fs.readdirSync(folder)) {
    const hash = name.slice(path.basename(file).length);
    if (name === location || !name.startsWith(path.basename(file)) || !/^\.[0-9a-f]{8}\.data$/.test(hash)) continue;
    try {
      fs.rmSync(path.join(folder, name));
    } catch {}
  }
}

/** The tensors one after another, each preceded by zeros up to the next page. */
function* alignedParts(tensors: readonly Uint8Array[]): Generator<Uint8Array> {
  let position = 0;
  for (const tensor of tensors) {
    const start = aligned(position);
    yield new Uint8Array(start - position);
    yield tensor;
    position = start + tensor.length;
  }
}

function aligned(position: number): number {
  return Math.ceil(position / ALIGNMENT) * ALIGNMENT;
}

/**
 * Reads a model file. Tensors in other files stay there; `readTensorBytes` fetches one.
 *
 * @throws {InputError | CorruptFileError}
 */
export function readModelFile(file: string): OnnxModel {
  return decodeModel(readBytesUpTo(file, MOST_MODEL_BYTES, 'an ONNX model'), file);
}

/**
 * The raw bytes of a tensor, read from its external file where it has one.
 *
 * @param modelFile the model's own file, beside which external data must lie: a path that leads out of that folder,
 * directly or through a link, is refused.
 * @throws {InputError | CorruptFileError}
 */
export function readTensorBytes(modelFile: string, tensor: OnnxTensor): Uint8Array {
  if (!isExternal(tensor.data)) return tensor.data;
  const { location, offset, length } = tensor.data;
  const file = externalFile(modelFile, location);
  const { handle, size } = openForReading(file);
  try {
    if (offset + length > size) {
      throw new CorruptFileError(`tensor '${tensor.name}' lies outside the file`, {
        where: file,
        expected: `at least ${offset + length} bytes`,
        got: `${size} bytes`,
        hint: 'The file is cut off or belongs to another model.',
      });
    }
    const bytes = memoryFor(length, file);
    readPart(handle, bytes, offset, file);
    return bytes;
  } finally {
    fs.closeSync(handle);
  }
}

function externalFile(modelFile: string, location: string): string {
  const folder = path.dirname(path.resolve(modelFile));
  let real: string;
  try {
    real = fs.realpathSync(path.resolve(folder, location));
  } catch (error) {
    throw new InputError(`its external data '${location}' cannot be read: ${fileErrorReason(error)}`, {
      where: modelFile,
      cause: error,
    });
  }
  if (!real.startsWith(fs.realpathSync(folder) + path.sep) || !fs.statSync(real).isFile()) {
    throw new InputError(`its external data '${location}' is not a file in the model's own folder`, {
      where: modelFile,
      hint: 'Such a model could read any file of this machine. Get it from another source.',
    });
  }
  return real;
}
