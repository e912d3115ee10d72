import * as fs from 'node:fs';
import { weightsOf } from '../nn/module.js';
import { CorruptFileError } from '../util/errors.js';
import { openForReading, readPart } from '../util/file-parts.js';
import { CONFIG_LIMITS } from './config-limits.js';
import { Llama, type LlamaConfig } from './llama.js';

/** Width, inner width, layers, heads, key heads, vocabulary (negative: the head is not tied), positions. */
const HEADER_INTS = 7;
const HEADER_BYTES = 4 * HEADER_INTS;

/** llama2.c keeps neither in its file. */
const THETA = 10_000;
const EPSILON = 1e-5;

/**
 * The configuration in a version-0 header of llama2.c, or undefined where the bytes are not one: the sizes must be
 * plausible and must account for the file's length to the byte.
 */
export function readLlama2cHeader(header: Uint8Array, fileBytes: number): LlamaConfig | undefined {
  if (header.length < HEADER_BYTES) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
  const [width, hidden, layers, heads, keyHeads, signedVocabulary, positions] = Array.from(
    { length: HEADER_INTS },
    (_, i) => view.getInt32(4 * i, true),
  ) as [number, number, number, number, number, number, number];
  const vocabularySize = Math.abs(signedVocabulary);
  const limits: readonly (readonly [size: number, most: number])[] = [
    [width, CONFIG_LIMITS.width],
    [hidden, CONFIG_LIMITS.hidden],
    [layers, CONFIG_LIMITS.layers],
    [heads, CONFIG_LIMITS.width],
    [keyHeads, CONFIG_LIMITS.width],
    [vocabularySize, CONFIG_LIMITS.vocabulary],
    [positions, CONFIG_LIMITS.positions],
  ];
  if (limits.some(([size, most]) => size < 1 || size > most)) return undefined;
  if (heads % keyHeads !== 0 || width % (2 * heads) !== 0) return undefined;
  const config: LlamaConfig = {
    vocabularySize,
    width,
    layers,
    heads,
    keyHeads,
    hidden,
    positions,
    theta: THETA,
    epsilon: EPSILON,
    tiedHead: signedVocabulary > 0,
    queryKeyNorm: false,
  };
  return HEADER_BYTES + 4 * weightCount(config) === fileBytes ? config : undefined;
}

/** Numbers in the file, the rotation tables that it carries included. */
function weightCount({
  vocabularySize,
  width,
  layers,
  heads,
  keyHeads,
  hidden,
  positions,
  tiedHead,
}: LlamaConfig): number {
  const keyWidth = (width / heads) * keyHeads;
  const layer = 2 * width + 2 * width * width + 2 * keyWidth * width + 3 * width * hidden;
  return vocabularySize * width * (tiedHead ? 1 : 2) + layers * layer + width + positions * (width / heads);
}

/** Whether a file is a model of llama2.c, and of which shape. @throws {InputError} if it cannot be read. */
export function llama2cConfig(file: string): LlamaConfig | undefined {
  const { handle, size } = openForReading(file);
  try {
    const header = new Uint8Array(Math.min(HEADER_BYTES, size));
    readPart(handle, header, 0, file);
    return readLlama2cHeader(header, size);
  } finally {
    fs.closeSync(handle);
  }
}

/**
 * Reads a model of llama2.c (version 0: seven int32 of header, then float32 weights, little-endian). The file holds
 * each kind of weight for all layers before the next kind. Its rotation turns neighbouring numbers of a head against
 * each other, ours the two halves of a head, so the rows of queries and keys are put in that order.
 *
 * @throws {CorruptFileError} if the file is not such a model or cut off. @throws {InputError} if it cannot be read.
 */
export function readLlama2c(file: string): Llama {
  const config = llama2cConfig(file);
  if (config === undefined) {
    throw new CorruptFileError('not a model of llama2.c', {
      where: file,
      expected: 'seven int32 of header, and float32 weights of the length that it tells',
      hint: 'The file is damaged, cut off, or of another kind.',
    });
  }
  const model = new Llama(config);
  const parameters = new Map(model.namedParameters());
  const { handle } = openForReading(file);
  let position = HEADER_BYTES;
  const read = (path: string): Float32Array => {
    const parameter = parameters.get(path)!;
    parameter.name = path;
    const data = weightsOf(parameter);
    readPart(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position, file);
    position += data.byteLength;
    return data;
  };
  const readLayers = (part: string, heads?: number): void => {
    for (let layer = 0; layer < config.layers; layer++) {
      const data = read(`layers.${layer}.${part}.weight`);
      if (heads !== undefined) halvesFromPairs(data, heads, config.width);
    }
  };
  try {
    read('embedding.weight');
    readLayers('attentionNorm');
    readLayers('attention.q', config.heads);
    readLayers('attention.k', config.keyHeads);
    readLayers('attention.v');
    readLayers('attention.o');
    readLayers('feedForwardNorm');
    readLayers('feedForward.gate');
    readLayers('feedForward.down');
    readLayers('feedForward.up');
    read('norm.weight');
    // The cosines and sines, which we make ourselves.
    position += 4 * config.positions * (config.width / config.heads);
    if (!config.tiedHead) read('head.weight');
  } finally {
    fs.closeSync(handle);
  }
  return model;
}

/** Reorders the rows of each head in place: rows 0, 2, 4 … first, then rows 1, 3, 5 … */
function halvesFromPairs(matrix: Float32Array, heads: number, width: number): void {
  const headWidth = matrix.length / width / heads;
  for (let head = 0; head < heads; head++) {
    const rows = matrix.subarray(head * headWidth * width, (head + 1) * headWidth * width);
    const pairs = rows.slice();
    for (let row = 0; row < headWidth; row++) {
      const from = row < headWidth / 2 ? 2 * row : 2 * row - headWidth + 1;
      rows.set(pairs.subarray(from * width, (from + 1) * width), row * width);
    }
  }
}
