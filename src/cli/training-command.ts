import * as fs from 'node:fs';
import type { Command } from 'commander';
import { listCheckpoints } from '../models/checkpoint-list.js';
import { RESUMABLE_KEYS } from '../train/recipe.js';
import { openRun, type RunFolder, readRunRecord } from '../train/run-folder.js';
import type { Json } from '../util/json.js';
import { Progress } from '../util/progress.js';
import { onInterrupt } from './interrupt.js';
import { jsonOption } from './options.js';
import { writeLine, writeNote, writeRecord } from './output.js';

/** Options that every command has which trains. */
export interface TrainingOptions {
  readonly data?: string;
  readonly out: string;
  readonly json?: boolean;
  readonly skipBadLines?: boolean;
}

/** Declares them. */
export function configureTraining(command: Command, data: string): void {
  command
    .option('--data <source>', data)
    .requiredOption('--out <folder>', 'the folder of the run; the same command goes on with a run that was stopped')
    .option('--skip-bad-lines', 'leave out lines that cannot be read, instead of stopping')
    .addOption(jsonOption());
}

/** Says something to people; under `--json` to programs. */
export function reporter(json: boolean | undefined): (text: string) => void {
  return json === true ? (text) => writeRecord({ event: 'note', text }) : writeNote;
}

/** A progress line on standard error; under `--json`, lines on standard output. */
export function progressLine(
  json: boolean | undefined,
  label: string,
  options: { readonly total?: number; readonly start?: number; readonly unit?: string } = {},
): Progress {
  return new Progress({
    label,
    stream: process.stderr,
    ...options,
    ...(json === true ? { json: true, write: writeLine } : {}),
  });
}

/** The step that a run goes on from. */
export function resumedStep(run: RunFolder): number {
  return run.resumed ? (listCheckpoints(run.folder).at(-1)?.step ?? 0) : 0;
}

/** The words of this command line, to be pasted. */
function commandLine(): string {
  const quoted = process.argv.slice(2).map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word)));
  return ['athanor', ...quoted].join(' ');
}

export interface TrainingRun {
  readonly command: string;
  readonly recipe: Json;
  readonly seed: number;
  readonly options: TrainingOptions;
}

/**
 * Opens the run's folder and trains in it. `work` returns whether the run is finished; a run that is finished already is
 * left as it is, and one that is stopped says how to go on.
 *
 * @throws {InputError} if the folder holds a run of another recipe.
 */
export async function inRun(
  { command, recipe, seed, options }: TrainingRun,
  work: (run: RunFolder, signal: AbortSignal) => Promise<boolean>,
): Promise<void> {
  const { out, json } = options;
  const note = reporter(json);
  const before = readRunRecord(out);
  const isSame = before !== undefined && JSON.stringify(before.recipe) === JSON.stringify(recipe);
  const run = openRun(out, { command, recipe, seed, mayDiffer: RESUMABLE_KEYS });
  if (isSame && before.state === 'finished' && fs.existsSync(run.path('model', 'config.json'))) {
    run.close('finished');
    note(`The run in ${out} is finished: the model is in ${run.path('model')}.`);
    if (json === true) writeRecord({ event: 'finished', model: run.path('model') });
    return;
  }
  const signal = onInterrupt();
  try {
    if (run.resumed && resumedStep(run) > 0) note(`Going on with the run in ${out} from step ${resumedStep(run)}.`);
    const finished = await work(run, signal);
    run.close(finished ? 'finished' : 'stopped');
    if (finished) return;
    note(`Saved in ${out}. To go on, run the same command again:\n  ${commandLine()}`);
    if (json === true) writeRecord({ event: 'stopped', run: out, step: resumedStep(run) });
  } catch (error) {
    run.close(signal.aborted ? 'stopped' : 'failed');
    if (!run.resumed && !fs.existsSync(run.metrics.file)) run.forget();
    throw error;
  }
}
