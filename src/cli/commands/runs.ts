import type { Command } from 'commander';
import { listRuns } from '../../train/run-list.js';
import { textTable } from '../../util/table.js';
import { formatBytes } from '../../util/units.js';
import { addExamples, jsonOption } from '../options.js';
import { writeLine, writeNote, writeRecord } from '../output.js';

/** Declares `athanor runs`. */
export function configure(command: Command): void {
  command.option('--dir <folder>', 'where the runs are', 'runs').addOption(jsonOption());
  addExamples(command, ['athanor runs', 'athanor runs --dir runs --json']);
}

/** Lists the runs of a folder with their step, loss, state and size. */
export function run(options: { readonly dir: string; readonly json?: boolean }): void {
  const runs = listRuns(options.dir);
  if (options.json === true) {
    for (const summary of runs) writeRecord({ ...summary });
    return;
  }
  if (runs.length === 0) {
    writeNote(`There are no runs in ${options.dir}. Begin one: athanor forge`);
    return;
  }
  const columns = [
    'name',
    'command',
    { title: 'step', align: 'right' },
    { title: 'loss', align: 'right' },
    'state',
    { title: 'size', align: 'right' },
  ] as const;
  const rows = runs.map(({ name, command, step, loss, state, bytes }) => [
    name,
    command,
    step === null ? '–' : String(step),
    loss === null ? '–' : loss.toFixed(4),
    state,
    formatBytes(bytes),
  ]);
  writeLine(textTable(columns, rows));
}
