import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DecoderConfig } from '../models/architecture.js';
import type { EncoderDecoderConfig } from '../models/encoder-decoder.js';
import { architectureOf } from '../models/registry.js';
import { array } from '../runtime/array.js';
import { cpu, type Device } from '../runtime/device.js';
import { ModelFile, type ModelFileValue } from '../runtime/model-file.js';
import { allocate } from '../tensor/dtype.js';
import type { HostArray } from '../tensor/variable.js';
import { loadChatTemplate } from '../tokenizer/chat-template.js';
import { loadTokenizer } from '../tokenizer/file.js';
import { CorruptFileError, InputError } from '../util/errors.js';
import { float16ToFloat32 } from '../util/half.js';
import { readJsonObject } from '../util/json.js';
import type { Candidate } from './candidate.js';
import { refuseGreedy } from './model-candidate.js';
import { ONNX_SUFFIXES, type OnnxDtype } from './onnx-export.js';

export interface OpenOnnxOptions {
  /** Default: the first that is there of fp32, fp16, int8 and q4. */
  readonly dtype?: OnnxDtype;
  readonly device?: Device;
}

type Feeds = Record<string, HostArray>;

const PAST = 'past_key_values.';

/**
 * Opens an exported ONNX model by itself: its files alone, run by ONNX Runtime, with the loop that other programs have
 * around them.
 *
 * @throws {InputError} if the files are not there. @throws {ExecutionError} if ONNX Runtime does not take them.
 */
export async function openOnnxExport(folder: string, options: OpenOnnxOptions = {}): Promise<Candidate> {
  const { device = cpu() } = options;
  const configFile = path.join(folder, 'config.json');
  const json = readJsonObject(configFile);
  const architecture = architectureOf(json, configFile);
  const { kind } = architecture;
  const config = architecture.fromConfig(json, configFile) as DecoderConfig;
  const names = kind === 'encoder-decoder' ? ['encoder_model', 'decoder_model_merged'] : ['model'];
  const dtype = options.dtype ?? firstDtype(folder, names[0]!);
  const models: ModelFile[] = [];
  try {
    for (const name of names) models.push(await ModelFile.open(existing(folder, name, dtype), device));
    return {
      name: `${path.basename(path.resolve(folder))} (ONNX, ${dtype})`,
      kind,
      tokenizer: loadTokenizer(folder),
      chatTemplate: loadChatTemplate(folder),
      vocabularySize: config.vocabularySize,
      positions: config.positions,
      ...runner(kind, config, models),
      release: () => releaseAll(models),
    };
  } catch (error) {
    await releaseAll(models);
    throw error;
  }
}

async function releaseAll(models: readonly ModelFile[]): Promise<void> {
  for (const model of models) await model.release();
}

const fileOf = (folder: string, name: string, dtype: OnnxDtype): string =>
  path.join(folder, 'onnx', `${name}${ONNX_SUFFIXES[dtype]}.onnx`);

function firstDtype(folder: string, name: string): OnnxDtype {
  const all = Object.keys(ONNX_SUFFIXES) as OnnxDtype[];
  const found = all.find((dtype) => fs.existsSync(fileOf(folder, name, dtype)));
  if (found !== undefined) return found;
  throw new InputError('there is no ONNX model here', {
    where: folder,
    expected: all.map((dtype) => path.relative(folder, fileOf(folder, name, dtype))).join(', or '),
  });
}

function existing(folder: string, name: string, dtype: OnnxDtype): string {
  const file = fileOf(folder, name, dtype);
  if (fs.existsSync(file)) return file;
  throw new InputError(`the model is not here as ${dtype}`, { where: folder, expected: path.relative(folder, file) });
}

function runner(
  kind: Candidate['kind'],
  config: DecoderConfig,
  models: readonly ModelFile[],
): Pick<Candidate, 'outputs' | 'greedy'> {
  const [first, second] = models as readonly [ModelFile, ModelFile];
  if (kind === 'encoder') {
    return { outputs: (ids) => encoderOutputs(first, ids), greedy: () => refuseGreedy(first.file) };
  }
  if (kind === 'decoder') return decoderRunner(first, config);
  return encoderDecoderRunner(first, second, config as EncoderDecoderConfig);
}

function int64(values: readonly number[]): HostArray {
  return array(BigInt64Array.from(values, BigInt), [1, values.length]);
}

const ones = (length: number): HostArray => int64(new Array<number>(length).fill(1));

/** The inputs that a graph asks for, of those that there are. */
function fitting(model: ModelFile, feeds: Feeds): Feeds {
  return Object.fromEntries(model.inputs.flatMap(({ name }) => (feeds[name] ? [[name, feeds[name]] as const] : [])));
}

/** An output as float32; other exporters give some as float16. */
function resultOf(results: Feeds, name: string, model: ModelFile): HostArray {
  const value = results[name];
  if (value?.dtype === 'float32') return value;
  if (value?.dtype === 'float16') {
    return { dtype: 'float32', shape: value.shape, data: float16ToFloat32(value.data as Uint16Array) };
  }
  throw new CorruptFileError(`the model has no floating output '${name}'`, {
    where: model.file,
    got: model.outputs.map((output) => `${output.name} (${output.dtype})`).join(', '),
  });
}

/** The logits of every id that was given, `[T, V]`. @throws {CorruptFileError} if the model gives others. */
function logitsOf(results: Feeds, model: ModelFile, rows: number, vocabularySize: number): Float32Array {
  const { data, shape } = resultOf(results, 'logits', model);
  if (data.length === rows * vocabularySize) return data as Float32Array;
  throw new CorruptFileError('the logits do not fit the configuration', {
    where: model.file,
    expected: `[1, ${rows}, ${vocabularySize}]`,
    got: `[${shape.join(', ')}]`,
  });
}

async function encoderOutputs(model: ModelFile, ids: readonly number[]): Promise<Float32Array> {
  const feeds = {
    input_ids: int64(ids),
    attention_mask: ones(ids.length),
    token_type_ids: int64(new Array<number>(ids.length).fill(0)),
  };
  const [name] = model.outputs.map((output) => output.name);
  return resultOf(await model.run(fitting(model, feeds)), name!, model).data as Float32Array;
}

/** A cache that holds nothing yet: sizes that are not numbers are 1 for the rows and 0 for positions. */
function emptyPast(model: ModelFile): Feeds {
  const empty = ({ name, dtype, dims }: ModelFileValue): [string, HostArray] => {
    const shape = dims.map((size, axis) => (typeof size === 'number' ? size : axis === 0 ? 1 : 0));
    return [name, { dtype, shape, data: allocate(dtype, 0) }];
  };
  return Object.fromEntries(model.inputs.filter(({ name }) => name.startsWith(PAST)).map(empty));
}

/** The keys and values of a step as the next one takes them. */
function nextPast(results: Feeds): Feeds {
  return Object.fromEntries(
    Object.entries(results).flatMap(([name, value]) =>
      name.startsWith('present.') ? [[PAST + name.slice('present.'.length), value] as const] : [],
    ),
  );
}

/** The place of the largest of the last `size` numbers; the first of equals. */
function likeliest(logits: Float32Array, size: number): number {
  const last = logits.subarray(logits.length - size);
  let best = 0;
  for (let i = 1; i < size; i++) if (last[i]! > last[best]!) best = i;
  return best;
}

function decoderRunner(
  model: ModelFile,
  { vocabularySize, positions: context }: DecoderConfig,
): Pick<Candidate, 'outputs' | 'greedy'> {
  const step = (ids: readonly number[], before: number, past: Feeds): Promise<Feeds> => {
    const positions = ids.map((_, i) => before + i);
    const feeds = { input_ids: int64(ids), attention_mask: ones(before + ids.length), position_ids: int64(positions) };
    return model.run(fitting(model, { ...feeds, ...past }));
  };
  const hasPast = model.inputs.some(({ name }) => name.startsWith(PAST));
  return {
    outputs: async (ids) => logitsOf(await step(ids, 0, emptyPast(model)), model, ids.length, vocabularySize),
    greedy: async (ids, tokens) => {
      const generated: number[] = [];
      let [next, before, past] = [ids, 0, emptyPast(model)];
      const room = Math.min(tokens, context + 1 - ids.length);
      while (generated.length < room) {
        const results = await step(next, before, past);
        generated.push(likeliest(logitsOf(results, model, next.length, vocabularySize), vocabularySize));
        if (hasPast) [next, before, past] = [[generated.at(-1)!], before + next.length, nextPast(results)];
        else next = [...ids, ...generated];
      }
      return generated;
    },
  };
}

function encoderDecoderRunner(
  encoder: ModelFile,
  decoder: ModelFile,
  { vocabularySize, decoderStartId }: EncoderDecoderConfig,
): Pick<Candidate, 'outputs' | 'greedy'> {
  const read = async (ids: readonly number[]): Promise<Feeds> => {
    const mask = ones(ids.length);
    const results = await encoder.run(fitting(encoder, { input_ids: int64(ids), attention_mask: mask }));
    const hidden = resultOf(results, 'last_hidden_state', encoder);
    return { encoder_hidden_states: hidden, encoder_attention_mask: mask };
  };
  const step = (memory: Feeds, ids: readonly number[], past: Feeds): Promise<Feeds> =>
    decoder.run(fitting(decoder, { ...memory, ...past, input_ids: int64(ids) }));
  return {
    outputs: async (ids, decoderIds = [decoderStartId]) => {
      const results = await step(await read(ids), decoderIds, emptyPast(decoder));
      return logitsOf(results, decoder, decoderIds.length, vocabularySize);
    },
    greedy: async (ids, tokens) => {
      const generated: number[] = [];
      const memory = await read(ids);
      let past = emptyPast(decoder);
      while (generated.length < tokens) {
        const results = await step(memory, [generated.at(-1) ?? decoderStartId], past);
        generated.push(likeliest(logitsOf(results, decoder, 1, vocabularySize), vocabularySize));
        past = nextPast(results);
      }
      return generated;
    },
  };
}
