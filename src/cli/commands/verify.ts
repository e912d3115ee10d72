import { type Command, InvalidArgumentError, Option } from 'commander';
import { exportTypes } from '../../exchange/export-types.js';
import { isOnnxExport, type OpenedCandidate, openCandidate } from '../../exchange/open-candidate.js';
import { precisionBetween } from '../../exchange/precision.js';
import { verify } from '../../exchange/verify.js';
import { cpu } from '../../runtime/device.js';
import { InputError } from '../../util/errors.js';
import { bringModel, MODEL_PLACES, offlineOption, type PlaceFlags } from '../model-place.js';
import { addExamples, jsonOption, wholeNumber } from '../options.js';
import { failOnDifference, linesOf, printVerification, stepLine } from '../verification.js';

interface VerifyFlags extends PlaceFlags {
  readonly text?: string;
  readonly tokens: number;
  readonly type?: OnnxType;
  readonly threads?: number;
}

type OnnxType = 'fp32' | 'fp16' | 'int8' | 'q4';

const ONNX_TYPES: Readonly<Record<string, OnnxType>> = { f32: 'fp32', f16: 'fp16', int8: 'int8', q4: 'q4' };

function onnxType(text: string): OnnxType {
  try {
    const types = exportTypes(text, 'onnx');
    if (types.length === 1) return ONNX_TYPES[types[0]!]!;
  } catch {
    // Said below, in the words of the command line.
  }
  throw new InvalidArgumentError(`Allowed choices are ${Object.keys(ONNX_TYPES).join(', ')}.`);
}

/** Declares `athanor verify`. */
export function configure(command: Command): void {
  command
    .description(
      'Hold two models against each other: ids of hard texts, logits, greedy continuations, rendered chats. Exit code 0 if they are equal, or as close as the precision of their weights allows; else 1.',
    )
    .argument('<a>', `a model: ${MODEL_PLACES}, or a folder that "athanor export --format onnx" wrote`)
    .argument('<b>', 'another, in the same forms')
    .option('--text <file>', 'further texts, one a line')
    .option('--tokens <count>', 'of each greedy continuation; 0 for none', wholeNumber({ min: 0, max: 4096 }), 32)
    .addOption(
      new Option('--type <type>', 'which of the types of an ONNX export: f32, f16, int8, q4').argParser(onnxType),
    )
    .option('--threads <count>', 'threads of an operation; default: one a core', wholeNumber({ min: 1, max: 1024 }))
    .addOption(offlineOption())
    .addOption(jsonOption());
  addExamples(command, [
    'athanor verify runs/forge exports/forge.gguf',
    'athanor verify hf:HuggingFaceTB/SmolLM2-135M-Instruct exports/smol --text corpus.txt',
    'athanor verify runs/forge exports/onnx --type int8 --json',
  ]);
}

/** Verifies that two models are the same. */
export async function run(a: string, b: string, flags: VerifyFlags): Promise<void> {
  const texts = flags.text === undefined ? [] : linesOf(flags.text);
  const places = [await bringModel(a, flags), await bringModel(b, flags)] as const;
  if (flags.type !== undefined && !places.some((place) => isOnnxExport(place, true))) {
    throw new InputError('neither model is an ONNX export', { where: '--type', got: `${a} and ${b}` });
  }
  const first = await open(places[0], flags);
  const second = await open(places[1], flags);
  const line = stepLine('verify', flags.json);
  try {
    const verification = await verify(first.candidate, second.candidate, {
      texts,
      tokens: flags.tokens,
      precision: precisionBetween(first, second),
      decoderStartId: first.generation?.decoderStartId ?? second.generation?.decoderStartId,
      onStep: line.onStep,
    });
    line.stop();
    const named = { ...verification, a, b };
    printVerification(named, flags.json);
    failOnDifference([named]);
  } finally {
    line.stop();
    await first.candidate.release();
    await second.candidate.release();
  }
}

async function open(local: string, flags: VerifyFlags): Promise<OpenedCandidate> {
  const device = flags.threads === undefined ? undefined : cpu({ threads: flags.threads });
  return openCandidate(local, { device, dtype: flags.type });
}
