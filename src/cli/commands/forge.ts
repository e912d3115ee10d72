import type { Command } from 'commander';
import { renderTerminal } from '../../evaluate/report-card-terminal.js';
import { forge } from '../../forge/forge.js';
import { writeReport } from '../../forge/report-files.js';
import { onInterrupt } from '../interrupt.js';
import { addExamples, jsonOption, realNumber, seedOption, wholeNumber } from '../options.js';
import { writeLine, writeNote, writeRecord } from '../output.js';

interface ForgeFlags {
  readonly minutes: number;
  readonly data?: string;
  readonly out?: string;
  readonly seed: number;
  readonly threads?: number;
  readonly chat: boolean;
  readonly json?: boolean;
}

/** Declares `athanor forge`. */
export function configure(command: Command): void {
  command
    .description(
      'From raw text to a chat model: tokenizer, plan, pretraining, instruction tuning, exam, report card, chat. ' +
        'Stopped or killed, the same command goes on.',
    )
    .option('--minutes <number>', 'the time that all of it may take', realNumber({ min: 0.25, max: 100_000 }), 10)
    .option('--data <source>', 'a folder, a text, .jsonl or .csv file, or npm:NAME (default: WordNet)')
    .option('--out <folder>', 'the run folder (default: runs/forge, or runs/forge-NAME for other data)')
    .addOption(seedOption())
    .option('--threads <count>', 'threads of the processor (default: all cores)', wholeNumber({ min: 1, max: 1024 }))
    .option('--no-chat', 'end after the report card, on a terminal too')
    .addOption(jsonOption());
  addExamples(command, [
    'athanor forge',
    'athanor forge --minutes 3 --out runs/quick',
    'athanor forge --data notes/ --minutes 20',
    'athanor forge --data npm:chinese-poetry',
  ]);
}

/** Forges a model, prints its report card, and opens a chat where there is a terminal. */
export async function run(flags: ForgeFlags): Promise<void> {
  const out = flags.out ?? defaultFolder(flags.data);
  const json = flags.json === true;
  const result = await forge({
    minutes: flags.minutes,
    data: flags.data,
    out,
    seed: flags.seed,
    threads: flags.threads,
    signal: onInterrupt(),
    progress: { stream: process.stderr, json, ...(json ? { write: writeLine } : {}) },
    say: writeNote,
  });
  if (!result) {
    writeNote(`Stopped. What is done is kept in ${out}; the same command goes on from there.`);
    return;
  }
  const report = writeReport(out, result.card);
  if (json) {
    writeRecord(JSON.parse(JSON.stringify({ event: 'report', ...result.card })));
    return;
  }
  const terminal = process.stdout.isTTY === true;
  writeLine(
    renderTerminal(result.card, { color: terminal && !process.env.NO_COLOR, width: process.stdout.columns ?? 100 }),
  );
  writeNote(`The report is in ${report}, the model in ${result.model}.`);
  if (!flags.chat || process.stdin.isTTY !== true || !terminal) return;
  const chat = await import('./chat.js');
  await chat.run(result.model, { tools: true, seed: flags.seed });
}

function defaultFolder(data: string | undefined): string {
  if (data === undefined) return 'runs/forge';
  const name = data
    .replace(/^\w+:/, '')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
  return `runs/forge-${name || 'data'}`;
}
