import * as path from 'node:path';
import { type Command, Option } from 'commander';
import type { Sampling } from '../../llm/language-model.js';
import { LocalModel } from '../../llm/local.js';
import { type LoadedModel, loadModel } from '../../models/load.js';
import { cpu } from '../../runtime/device.js';
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
    );
}

/** How to sample by the flags; what is absent is left to the model. */
export function samplingOf(flags: GenerationFlags): Sampling {
  const { temperature, topK, topP, minP, repetitionPenalty } = flags;
  return { temperature, topK, topP, minP, repetitionPenalty };
}

/** Loads a model for text. @throws {InputError} @throws {CorruptFileError} */
export async function openModel(
  place: string,
  { threads }: { readonly threads?: number },
): Promise<{ readonly model: LocalModel; readonly loaded: LoadedModel }> {
  const loaded = await loadModel(place);
  for (const { folder, error } of loaded.damaged) writeNote(`Passed over ${folder}: ${error.message}`);
  const device = threads === undefined ? {} : { device: cpu({ threads }) };
  return { model: new LocalModel(loaded, { name: path.basename(path.resolve(place)), ...device }), loaded };
}

/** A text for a stream: where that is a terminal, without what would steer it. */
export function printable(text: string, { isTTY }: { readonly isTTY?: boolean }): string {
  return isTTY === true ? text.replace(/[^\P{Cc}\n\t]/gu, '\ufffd') : text;
}
