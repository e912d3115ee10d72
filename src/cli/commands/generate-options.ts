import { type Command, Option } from 'commander';
import { EncoderDecoderModel, isEncoderDecoder } from '../../llm/encoder-decoder-model.js';
import type { Sampling } from '../../llm/language-model.js';
import { LocalModel } from '../../llm/local.js';
import { type AnyModel, isDecoder, type LoadedModel, loadAnyModel, loadModel } from '../../models/load.js';
import { placeName } from '../../models/place.js';
import { quantizeModel } from '../../models/quantize.js';
import type { FillOptions } from '../../models/weight-places.js';
import { cpu, type Device, webgpu } from '../../runtime/device.js';
import { InputError } from '../../util/errors.js';
import { bringModel, offlineOption, type PlaceFlags } from '../model-place.js';
import { realNumber, repeated, seedOption, wholeNumber } from '../options.js';
import { writeNote } from '../output.js';

/** What every command that generates text understands. */
export interface GenerationFlags {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly seed: number;
  readonly stop?: readonly string[];
  readonly threads?: number;
  readonly bits?: string;
  readonly device?: string;
  readonly offline?: boolean;
}

/** Declares the flags of `GenerationFlags`. Without them a model is sampled as its folder says. */
export function addGenerationOptions(command: Command): void {
  command
    .option('--max-tokens <count>', 'most tokens to generate', wholeNumber({ min: 1 }))
    .option('--temperature <number>', '0 always takes the likeliest token', realNumber({ min: 0 }))
    .option('--top-k <count>', 'draw from the K likeliest tokens; 0 is off', wholeNumber({ min: 0 }))
    .option('--top-p <share>', 'draw from the likeliest tokens of this share', realNumber({ min: 0, max: 1 }))
    .option(
      '--min-p <share>',
      'leave out what is this much less likely than the likeliest',
      realNumber({ min: 0, max: 1 }),
    )
    .option('--repetition-penalty <number>', 'above 1: fewer repetitions', realNumber({ min: 0 }))
    .addOption(seedOption())
    .addOption(new Option('--stop <text>', 'end at this text; may be given again').argParser(repeated))
    .option(
      '--threads <count>',
      'threads of an operation; default: one a core, or one in all for a small model',
      wholeNumber({ min: 1, max: 1024 }),
    )
    .addOption(
      new Option('--bits <count>', 'pack the weights; default: as they are in the file').choices(['4', '8', '32']),
    )
    .addOption(new Option('--device <name>', 'where to compute; default: cpu').choices(['cpu', 'webgpu']))
    .addOption(offlineOption());
}

/** How to sample by the flags; what is absent is left to the model. */
export function samplingOf(flags: GenerationFlags): Sampling {
  const { temperature, topK, topP, minP, repetitionPenalty } = flags;
  return { temperature, topK, topP, minP, repetitionPenalty };
}

type OpenFlags = PlaceFlags & Pick<GenerationFlags, 'threads' | 'bits' | 'device'> & { readonly beams?: number };

/** Loads a model that continues texts. @throws {InputError} @throws {CorruptFileError} */
export async function openModel(
  place: string,
  flags: OpenFlags,
): Promise<{ readonly model: LocalModel; readonly loaded: LoadedModel }> {
  const loaded = await loadModel(await bringModel(place, flags), fillOf(flags));
  noteDamaged(loaded);
  packWeights(loaded, flags);
  return { model: new LocalModel(loaded, optionsOf(place, flags)), loaded };
}

/** Loads a model that continues texts or answers them. @throws {InputError} @throws {CorruptFileError} */
export async function openWriter(place: string, flags: OpenFlags): Promise<LocalModel | EncoderDecoderModel> {
  const local = await bringModel(place, flags);
  const loaded = await loadAnyModel(local, fillOf(flags));
  noteDamaged(loaded);
  packWeights(loaded, flags);
  const { beams } = flags;
  if (isEncoderDecoder(loaded)) {
    return new EncoderDecoderModel(loaded, { ...optionsOf(place, flags), ...(beams === undefined ? {} : { beams }) });
  }
  if (isDecoder(loaded)) {
    if (beams === undefined || beams === 1) return new LocalModel(loaded, optionsOf(place, flags));
    throw new InputError('this model is sampled token by token', {
      where: '--beams',
      expected: 'an encoder-decoder, such as t5',
      got: loaded.architecture.modelType,
      hint: 'Leave --beams out; --temperature 0 takes the likeliest token each time.',
    });
  }
  throw new InputError('this model writes no texts', {
    where: place,
    expected: 'a decoder, such as llama, or an encoder-decoder, such as t5',
    got: `${loaded.architecture.modelType}, an ${loaded.architecture.kind}`,
    hint: 'It gives vectors of texts: athanor embed MODEL --text "..."',
  });
}

/** Packed weights stay so, and others are packed as they are read. */
function fillOf({ bits }: OpenFlags): FillOptions {
  return { packed: bits !== '32', bits: bits === '4' ? 4 : bits === '8' ? 8 : undefined };
}

function packWeights({ model }: LoadedModel<AnyModel>, { bits }: OpenFlags): void {
  if (bits !== '4' && bits !== '8') return;
  const { kept } = quantizeModel(model, bits === '4' ? 4 : 8);
  if (kept.length > 0) writeNote(`${kept.length} matrices stay float32: their rows are not whole blocks of 32.`);
}

function noteDamaged({ damaged }: LoadedModel<AnyModel>): void {
  for (const { folder, error } of damaged) writeNote(`Passed over ${folder}: ${error.message}`);
}

function optionsOf(place: string, { threads, device }: OpenFlags): { readonly name: string; readonly device?: Device } {
  if (device === 'webgpu') return { name: placeName(place), device: webgpu() };
  return { name: placeName(place), ...(threads === undefined ? {} : { device: cpu({ threads }) }) };
}

/** A text for a stream: where that is a terminal, without what would steer it. */
export function printable(text: string, { isTTY }: { readonly isTTY?: boolean }): string {
  return isTTY === true ? text.replace(/[^\P{Cc}\n\t]/gu, '\ufffd') : text;
}
