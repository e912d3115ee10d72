/**
 * Every benchmark with its peers, in one run; see README.md for what has to be installed.
 *
 *     npm run build && npx tsx bench/run.ts [--only train-small,tokenizer] [--threads 2] [--tiny]
 *
 * Writes `<date>-<machine>.json` and the page README.md into bench/results. A part that is run again on the same day
 * replaces what was there, the others stay; `notes.md` there is put into the page.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { thisMachine } from '../src/evaluate/bench-machine.js';
import { ROOT } from './child.js';
import { PARTS } from './parts.js';
import { type BenchResults, resultsPage } from './results-page.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    threads: { type: 'string', default: String(availableParallelism()) },
    tiny: { type: 'boolean', default: false },
    source: { type: 'boolean', default: false },
    out: { type: 'string' },
    'torch-python': { type: 'string', default: process.env.TORCH_PYTHON ?? '/tmp/torch-venv/bin/python' },
    'debian-python': { type: 'string', default: process.env.DEBIAN_PYTHON ?? '/usr/bin/python3' },
    tfjs: { type: 'string', default: process.env.TFJS ?? '/tmp/tfjs' },
  },
});

const names = values.only.split(',');
const unknown = names.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  console.error(`There is no part ${unknown}; there are ${Object.keys(PARTS).join(', ')}.`);
  process.exit(1);
}
if (!existsSync(path.join(ROOT, 'dist', 'cli', 'main.js'))) {
  console.error('There is nothing built; run: npm run build');
  process.exit(1);
}

const started = performance.now();
const scratch = mkdtempSync(path.join(tmpdir(), 'athanor-bench-'));
const machine = thisMachine();
const date = new Date().toISOString().slice(0, 10);
const folder =
  values.out ?? (values.tiny ? path.join(tmpdir(), 'athanor-bench-tiny') : path.join(ROOT, 'bench', 'results'));
const slug = `${machine.processor} ${machine.cores} cores`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
const file = path.join(folder, `${date}-${slug}.json`);
const command = ['npx tsx bench/run.ts', ...process.argv.slice(2)].join(' ');
const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as BenchResults) : undefined;
const results: BenchResults = {
  date,
  machine,
  threads: Number(values.threads),
  commands: { ...before?.commands },
  parts: { ...before?.parts },
};

mkdirSync(folder, { recursive: true });
for (const name of Object.keys(PARTS).filter((part) => names.includes(part))) {
  results.parts[name] = await PARTS[name]!({
    threads: results.threads,
    tiny: values.tiny,
    fromSource: values.source,
    torchPython: values['torch-python'],
    debianPython: values['debian-python'],
    tfjs: values.tfjs,
    scratch,
  });
  results.commands[name] = command;
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  const notes = path.join(folder, 'notes.md');
  const text = existsSync(notes) ? readFileSync(notes, 'utf8') : undefined;
  writeFileSync(path.join(folder, 'README.md'), resultsPage(results, path.basename(file), text));
}
rmSync(scratch, { recursive: true, force: true });
console.error(`Took ${((performance.now() - started) / 1000).toFixed(0)} s. Results: ${path.relative(ROOT, file)}`);
