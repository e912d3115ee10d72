import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Exported, exportModel, verifyExport } from '../../exchange/export.js';
import {
  defaultType,
  EXPORT_FORMATS,
  EXPORT_TYPES,
  type ExportFormat,
  exportFormat,
  exportTypes,
} from '../../exchange/export-types.js';
import { storedPrecision } from '../../exchange/precision.js';
import type { Verification } from '../../exchange/verify.js';
import { loadAnyModel } from '../../models/load.js';
import { placeName } from '../../models/place.js';
import { InputError } from '../../util/errors.js';
import { formatBytes, formatDuration } from '../../util/units.js';
import { bringModel, MODEL_PLACES, offlineOption, type PlaceFlags } from '../model-place.js';
import { addExamples, jsonOption, wholeNumber } from '../options.js';
import { writeLine, writeNote, writeRecord } from '../output.js';
import { failOnDifference, linesOf, printVerification, stepLine } from '../verification.js';

interface ExportFlags extends PlaceFlags {
  readonly format: string;
  readonly to: string;
  readonly type?: string;
  readonly shard?: number;
  readonly cache: boolean;
  readonly force?: boolean;
  readonly text?: string;
  readonly tokens: number;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** Bytes of a size such as `2GB` or `500MB`. */
function byteCount(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]?)b?$/i.exec(text.trim()) ?? [];
  const bytes = Number(number) * UNITS[unit.toLowerCase()]!;
  if (number !== '' && bytes >= 1) return Math.floor(bytes);
  throw new InvalidArgumentError('Not a size, such as 2GB or 500MB.');
}

/** Declares `athanor export`. */
export function configure(command: Command): void {
  const types = EXPORT_FORMATS.map((format) => `${format}: ${EXPORT_TYPES[format].join(', ')}`).join('; ');
  command
    .description(
      'Write a model for other programs, then load what was written and hold it against the original. Exit code 1 if they differ.',
    )
    .argument('<model>', MODEL_PLACES)
    .requiredOption('--format <format>', EXPORT_FORMATS.join(', '))
    .requiredOption('--to <place>', 'the folder to write; for GGUF a file .gguf, too')
    .option('--type <types>', `of the weights; several with commas for onnx. ${types}`)
    .addOption(
      new Option('--shard <size>', 'safetensors: files of at most this size, such as 2GB').argParser(byteCount),
    )
    .option('--no-cache', 'onnx: a graph of whole texts, without keys and values')
    .option('--force', 'replace what is there')
    .option('--text <file>', 'further texts to verify with, one a line')
    .option('--tokens <count>', 'of each greedy continuation that is compared', wholeNumber({ min: 0, max: 4096 }), 32)
    .addOption(offlineOption())
    .addOption(jsonOption());
  addExamples(command, [
    'athanor export runs/forge --format gguf --type q8_0 --to exports/forge.gguf',
    'athanor export runs/forge --format onnx --type f32,int8,q4 --to exports/forge-onnx',
    'athanor export hf:HuggingFaceTB/SmolLM2-135M --format safetensors --type bf16 --shard 2GB --to exports/smol',
  ]);
}

/** Exports a model and verifies what was written. */
export async function run(place: string, flags: ExportFlags): Promise<void> {
  const format = exportFormat(flags.format);
  refuseStray(flags, format);
  const asked = flags.type === undefined ? undefined : exportTypes(flags.type, format);
  const texts = flags.text === undefined ? [] : linesOf(flags.text);
  const begin = performance.now();
  const local = await bringModel(place, flags);
  const loaded = await loadAnyModel(local);
  const name = placeName(place);
  if (flags.json !== true) writeNote(`Writing ${name} as ${format} to ${flags.to}`);
  const exported = await exportModel(loaded, {
    format,
    to: flags.to,
    types: asked ?? [defaultType(format, storedPrecision(local, loaded))],
    name,
    shardBytes: flags.shard,
    past: flags.cache,
    force: flags.force,
  });
  printExported(exported, flags, (performance.now() - begin) / 1000);
  const line = stepLine('verify', flags.json);
  const verifications: Verification[] = [];
  try {
    const options = { name: place, texts, tokens: flags.tokens, onStep: line.onStep };
    for await (const { type, verification } of verifyExport(loaded, exported, options)) {
      line.stop();
      const named = { ...verification, b: format === 'onnx' ? `${exported.place} (${type})` : exported.place };
      if (exported.types.length > 1 && flags.json !== true) writeLine(`\n${type}`);
      printVerification(named, flags.json, { type });
      verifications.push(named);
    }
  } finally {
    line.stop();
  }
  failOnDifference(verifications);
}

/** @throws {InputError} for an option that the format has no use for: what was asked for would not happen. */
function refuseStray({ shard, cache }: ExportFlags, format: ExportFormat): void {
  const stray = [
    { option: '--shard', isGiven: shard !== undefined, of: 'safetensors' },
    { option: '--no-cache', isGiven: !cache, of: 'onnx' },
  ].find(({ isGiven, of }) => isGiven && of !== format);
  if (stray === undefined) return;
  throw new InputError(`${format} knows no such option`, { where: stray.option, expected: `--format ${stray.of}` });
}

/** Says what was written. */
export function printExported(
  { files, notes, place, format, types }: Exported,
  { json }: PlaceFlags,
  seconds: number,
): void {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (json === true) {
    writeRecord({
      event: 'written',
      place,
      format,
      types: [...types],
      bytes,
      seconds,
      files: files.map((file) => ({ ...file })),
      notes: [...notes],
    });
    return;
  }
  for (const note of notes) writeNote(note);
  const count = files.length === 1 ? '1 file' : `${files.length} files`;
  writeLine(`${place}: ${count}, ${formatBytes(bytes)}, ${types.join(', ')}, written in ${formatDuration(seconds)}\n`);
}
