import type { Command } from 'commander';
import { verifyExport } from '../../exchange/export.js';
import { defaultType, exportTypes } from '../../exchange/export-types.js';
import { describeModel, importModel, type ModelDescription } from '../../exchange/import.js';
import { storedPrecision } from '../../exchange/precision.js';
import type { Verification } from '../../exchange/verify.js';
import { loadAnyModel } from '../../models/load.js';
import { placeName } from '../../models/place.js';
import { formatCount } from '../../util/units.js';
import { bringModel, MODEL_PLACES, offlineOption, type PlaceFlags } from '../model-place.js';
import { addExamples, jsonOption } from '../options.js';
import { writeLine, writeRecord } from '../output.js';
import { failOnDifference, printVerification, stepLine } from '../verification.js';
import { printExported } from './export.js';

interface ImportFlags extends PlaceFlags {
  readonly to: string;
  readonly type?: string;
  readonly force?: boolean;
}

/** Declares `athanor import`. */
export function configure(command: Command): void {
  command
    .description(
      'Make a folder of ours (Hugging Face layout) from a model, say what it is, and verify that it is the same.',
    )
    .argument('<source>', `${MODEL_PLACES}, a folder with a plain vocabulary, or one of llama2.c`)
    .requiredOption('--to <folder>', 'the folder to write')
    .option('--type <type>', 'of the weights: f32, f16, bf16; default: that of the source')
    .option('--force', 'replace what is there')
    .addOption(offlineOption())
    .addOption(jsonOption());
  addExamples(command, [
    'athanor import hf:HuggingFaceTB/SmolLM2-135M-Instruct --to models/smol',
    'athanor import model.gguf --to models/mine --type f16',
  ]);
}

/** Imports a model and verifies what was written. */
export async function run(source: string, flags: ImportFlags): Promise<void> {
  const asked = flags.type === undefined ? undefined : exportTypes(flags.type, 'safetensors')[0]!;
  const begin = performance.now();
  const local = await bringModel(source, flags);
  const loaded = await loadAnyModel(local);
  const description = describeModel(loaded);
  if (flags.json === true) writeRecord({ event: 'model', ...description });
  else writeLine(descriptionText(description));
  const type = asked ?? defaultType('safetensors', storedPrecision(local, loaded));
  const written = await importModel(loaded, { to: flags.to, type, name: placeName(source), force: flags.force });
  printExported(written, flags, (performance.now() - begin) / 1000);
  const line = stepLine('verify', flags.json);
  const verifications: Verification[] = [];
  try {
    for await (const { verification } of verifyExport(loaded, written, { name: source, onStep: line.onStep })) {
      line.stop();
      const named = { ...verification, b: flags.to };
      printVerification(named, flags.json, { type });
      verifications.push(named);
    }
  } finally {
    line.stop();
  }
  failOnDifference(verifications);
}

function descriptionText(description: ModelDescription): string {
  const { architecture, kind, parameters, layers, width, heads, positions } = description;
  const { tokenizer, tokens, hasChatTemplate } = description;
  return [
    `${architecture}, ${kind === 'decoder' ? 'a' : 'an'} ${kind} of ${formatCount(parameters)} weights`,
    `  ${layers} layers, width ${width}, ${heads} heads, context ${positions}`,
    `  tokenizer ${tokenizer}, ${tokens} tokens; ${hasChatTemplate ? 'a chat template' : 'no chat template'}`,
  ].join('\n');
}
