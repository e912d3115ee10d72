import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Decoder, Encoder } from '../models/architecture.js';
import { CHECKSUM_FILE } from '../models/checkpoint.js';
import type { EncoderDecoder } from '../models/encoder-decoder.js';
import { architectureFor } from '../models/registry.js';
import { describingFiles, type SavedModel } from '../models/save.js';
import type { LoweredGraph } from '../onnx/lower.js';
import { type StreamOptions, writeStreamedModel } from '../onnx/streamed-file.js';
import type { Emitter } from '../tensor/op.js';
import { InputError } from '../util/errors.js';
import { writeFileAtomic } from '../util/files.js';
import type { Json } from '../util/json.js';
import { lowerDecoder, lowerDecoderWithoutPast } from './onnx-decoder.js';
import { lowerEncoder, lowerReadingHalf, lowerWritingHalf } from './onnx-encoder.js';
import { type ExportGraph, exportGraph, foldTransposedWeights, streamedTensors } from './onnx-graph.js';
import { computeHalf, storeHalf } from './onnx-half.js';
import { standardNorms } from './onnx-norms.js';
import { type QuantizeOptions, quantizeGraph } from './onnx-quantize.js';
import { clientConfig, clientTokenizerConfig } from './onnx-settings.js';

/** In what numbers the weights of an exported model are. */
export type OnnxDtype = 'fp32' | 'fp16' | 'int8' | 'q4';

/** What follows the model's name in its file, as transformers.js looks for it (its types `fp32`, `fp16`, `q8`, `q4`). */
export const ONNX_SUFFIXES: Readonly<Record<OnnxDtype, string>> = {
  fp32: '',
  fp16: '_fp16',
  int8: '_quantized',
  q4: '_q4',
};

export interface OnnxExportOptions extends StreamOptions, Pick<QuantizeOptions, 'accuracyLevel'> {
  /** Default: float32 alone. */
  readonly dtypes?: readonly OnnxDtype[];
  /** Use ONNX Runtime's own nodes for rotations and products; default false: the standard's operators alone. */
  readonly fused?: boolean;
  /**
   * Decoders: take and give keys and values, so that each new token costs one step. Default true; false gives a graph of
   * whole texts, for scoring (transformers.js cannot generate with it).
   */
  readonly past?: boolean;
}

/** What was written. */
export interface OnnxExport {
  readonly folder: string;
  readonly files: readonly { readonly file: string; readonly bytes: number }[];
}

/** A graph by the name of its file, without suffix. */
export interface NamedGraph {
  readonly name: string;
  readonly lowered: LoweredGraph;
}

/**
 * Writes a model as ONNX files in the layout that transformers.js loads: `config.json`, `generation_config.json`,
 * `tokenizer.json`, `tokenizer_config.json`, and under `onnx/` the file `model.onnx` (for an encoder-decoder
 * `encoder_model.onnx` and `decoder_model_merged.onnx`) in each of the types. Past 2 GB, weights lie in `….onnx_data`.
 * Each file is replaced whole, and other files of the folder stay. One weight at a time is held beside the model.
 *
 * @throws {InputError} if a weight of the model is packed already, or the folder is a checkpoint under checksums.
 * @throws {WriteError} if the disk refuses.
 */
export async function exportOnnx(
  folder: string,
  saved: SavedModel,
  options: OnnxExportOptions = {},
): Promise<OnnxExport> {
  const { dtypes = ['fp32'] } = options;
  check(folder, saved, dtypes);
  const { kind } = architectureFor(saved.model);
  const files: string[] = [];
  const external: Record<string, number> = {};
  for (const { name, lowered } of graphsOf(saved, options)) {
    for (const dtype of dtypes) {
      const graph = inDtype(exportGraph(lowered), dtype, kind === 'encoder-decoder', options);
      const file = path.join(folder, 'onnx', `${name}${ONNX_SUFFIXES[dtype]}.onnx`);
      const written = await writeStreamedModel(graph.model, streamedTensors(graph), file, options);
      files.push(...written.files);
      if (written.chunks > 0) external[path.basename(file)] = written.chunks;
    }
  }
  for (const [name, text] of Object.entries(descriptions(saved, dtypes, external))) {
    const file = path.join(folder, name);
    writeFileAtomic(file, text);
    files.push(file);
  }
  return { folder, files: files.map((file) => ({ file, bytes: fs.statSync(file).size })) };
}

function check(folder: string, { model }: SavedModel, dtypes: readonly OnnxDtype[]): void {
  const unknown = dtypes.find((dtype) => !Object.hasOwn(ONNX_SUFFIXES, dtype));
  if (unknown !== undefined || dtypes.length === 0) {
    throw new InputError('not a type of weights', {
      where: 'dtypes',
      expected: `one or more of ${Object.keys(ONNX_SUFFIXES).join(', ')}`,
      got: `${unknown ?? 'none'}`,
    });
  }
  const packed = [...model.namedParameters()].find(([, parameter]) => parameter.quantized);
  if (packed) {
    throw new InputError('the weights are packed already', {
      where: packed[0],
      expected: 'a model as it was loaded',
      hint: 'Export the model before it is quantised: the export packs its weights by itself.',
    });
  }
  if (fs.existsSync(path.join(folder, CHECKSUM_FILE))) {
    throw new InputError('this folder is a checkpoint, whose files are under checksums', {
      where: folder,
      hint: 'Choose a folder of its own for the export.',
    });
  }
}

/** The graphs of a model, recorded once for all types. */
function graphsOf({ model }: SavedModel, { fused = false, past = true }: OnnxExportOptions): NamedGraph[] {
  const { kind } = architectureFor(model);
  const device: Emitter['device'] = fused ? 'cpu' : 'portable';
  if (kind === 'encoder') return [{ name: 'model', lowered: lowerEncoder(model as unknown as Encoder, device) }];
  if (kind === 'decoder') {
    const decoder = model as unknown as Decoder;
    return [{ name: 'model', lowered: (past ? lowerDecoder : lowerDecoderWithoutPast)(decoder, device) }];
  }
  const both = model as unknown as EncoderDecoder;
  return [
    { name: 'encoder_model', lowered: lowerReadingHalf(both, device) },
    { name: 'decoder_model_merged', lowered: lowerWritingHalf(both, device) },
  ];
}

/** @param wide the model's inner values may pass what float16 holds. */
function inDtype(graph: ExportGraph, dtype: OnnxDtype, wide: boolean, options: OnnxExportOptions): ExportGraph {
  const standard = options.fused ? standardNorms(graph) : graph;
  if (dtype === 'int8') return foldTransposedWeights(quantizeGraph(standard, { ...options, bits: 8 }));
  if (dtype === 'q4') return foldTransposedWeights(quantizeGraph(standard, { ...options, bits: 4 }));
  const folded = foldTransposedWeights(standard);
  if (dtype === 'fp32') return folded;
  return wide ? storeHalf(folded) : computeHalf(folded);
}

function descriptions(
  saved: SavedModel,
  dtypes: readonly OnnxDtype[],
  external: Readonly<Record<string, number>>,
): Record<string, string> {
  const texts = describingFiles(saved);
  const jsonOf = (name: string): { [key: string]: Json } => JSON.parse(texts[name]!) as { [key: string]: Json };
  const text = (value: Json): string => `${JSON.stringify(value, null, 2)}\n`;
  return {
    ...texts,
    'config.json': text(clientConfig(jsonOf('config.json'), saved, dtypes, external)),
    'tokenizer_config.json': text(clientTokenizerConfig(jsonOf('tokenizer_config.json'), saved)),
  };
}
