import { writeFileAtomic } from '../util/files.js';
import type { JsonRow } from '../util/json-lines.js';
import { svgLineChart } from '../util/plot.js';
import { escapeMarkdown, markdownTable } from '../util/table.js';
import { formatDuration } from '../util/units.js';
import type { RunFolder } from './run-folder.js';

/** A line of a report's table: what, and its value. */
export type ReportLine = readonly [name: string, value: string];

/** A value of the metrics over the steps. */
function seriesOf(rows: readonly JsonRow[], key: string): { name: string; x: number[]; y: number[] } {
  const points = rows.filter((row) => typeof row[key] === 'number' && typeof row.step === 'number');
  return { name: key, x: points.map((row) => row.step as number), y: points.map((row) => row[key] as number) };
}

/** Writes `report.md` with a table, the samples, and the curves in `loss.svg` and `held-out.svg`. */
export function writeRunReport(
  run: RunFolder,
  title: string,
  lines: readonly ReportLine[],
  heldOut: { readonly key: string; readonly label: string } | undefined,
): void {
  const rows = run.metrics.rows();
  const parts = [`# ${title}`, markdownTable(['measure', 'value'], lines as readonly (readonly string[])[])];
  const chart = (file: string, key: string, label: string): void => {
    const series = seriesOf(rows, key);
    if (series.x.length < 2) return;
    writeFileAtomic(run.path(file), svgLineChart([series], { title: label, xLabel: 'step', yLabel: label }));
    parts.push(`![${label}](${file})`);
  };
  chart('loss.svg', 'loss', 'training loss, nats per token');
  if (heldOut) chart('held-out.svg', heldOut.key, heldOut.label);
  const samples = run.samples.rows().filter(({ text }) => typeof text === 'string');
  if (samples.length > 0) {
    const shown = samples.slice(-4).map(({ step, text }) => `Step ${step}: ${escapeMarkdown(String(text))}`);
    parts.push('## Samples', ...shown);
  }
  writeFileAtomic(run.path('report.md'), `${parts.join('\n\n')}\n`);
}

/** The lines that every stage has. */
export function resultLines(result: { step: number; seconds: number; targets: number; loss: number }): ReportLine[] {
  return [
    ['steps', `${result.step}`],
    ['time of training', formatDuration(result.seconds)],
    ['targets learned from', result.targets.toLocaleString('en-US')],
    ['training loss', `${result.loss.toFixed(4)} nats per target`],
  ];
}
