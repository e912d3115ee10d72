import { styleText } from 'node:util';
import { braillePlot } from '../util/plot.js';
import { textTable } from '../util/table.js';
import { displayWidth, stripControls, wrapToWidth } from '../util/table-width.js';
import { describeCost, describeRun, type ReportCard, type Sample, type StageReport } from './report-card.js';
import {
  compare,
  describeBaselines,
  formatBefore,
  formatEstimate,
  formatSampleSize,
  type Metric,
} from './report-card-metric.js';

export interface TerminalOptions {
  /** Default false. */
  readonly color?: boolean;
  /** Columns; default 80. */
  readonly width?: number;
}

type Style = 'bold' | 'dim' | 'cyan' | 'green' | 'red' | 'yellow';
type Paint = (style: Style, text: string) => string;

const MINIMUM_WIDTH = 24;

/**
 * The report card for a terminal: facts of the run, then each stage with its cost, metrics, curves and samples. Texts
 * of models are cleaned of control characters before they are printed. Ends with a newline.
 */
export function renderTerminal(card: ReportCard, options: TerminalOptions = {}): string {
  const { color = false, width: columns = 80 } = options;
  const width = Math.max(MINIMUM_WIDTH, columns);
  const paint: Paint = (style, text) =>
    color && text !== '' ? styleText(style, text, { validateStream: false }) : text;
  const lines = [
    ...wrapToWidth(stripControls(card.title), width).map((line) => paint('bold', line)),
    '═'.repeat(width),
  ];
  for (const [name, value] of describeRun(card)) lines.push(...hanging(paint('dim', name.padEnd(8)), value, width));
  for (const stage of card.stages) lines.push('', ...stageLines(stage, width, color, paint));
  if (card.samples?.length) {
    lines.push(
      '',
      heading('samples', width, paint),
      ...card.samples.flatMap((sample) => sampleLines(sample, width, paint)),
    );
  }
  if (card.notes?.length) lines.push('', ...card.notes.flatMap((note) => wrapToWidth(stripControls(note), width)));
  return `${lines.join('\n')}\n`;
}

function heading(text: string, width: number, paint: Paint): string {
  const clean = wrapToWidth(stripControls(text), width - 3)[0]!;
  return `${paint('bold', clean)} ${paint('dim', '─'.repeat(Math.max(0, width - displayWidth(clean) - 1)))}`;
}

function stageLines(stage: StageReport, width: number, color: boolean, paint: Paint): string[] {
  const lines = [heading(stage.name, width, paint)];
  const cost = describeCost(stage.cost).join(' · ');
  if (cost !== '') lines.push(...wrapToWidth(cost, width).map((line) => paint('cyan', line)));
  if (stage.summary !== undefined) lines.push(...wrapToWidth(stripControls(stage.summary), width));
  if (stage.metrics.length > 0) lines.push('', ...metricLines(stage.metrics, width, paint));
  for (const figure of stage.figures ?? []) {
    const { title, xLabel, yLabel, logX = false } = figure;
    const labels = { title, ...(xLabel === undefined ? {} : { xLabel }), ...(yLabel === undefined ? {} : { yLabel }) };
    lines.push('', braillePlot(figure.series, { ...labels, logX, color, width, height: 10 }));
  }
  for (const sample of stage.samples ?? []) lines.push('', ...sampleLines(sample, width, paint));
  return lines;
}

/** A table where it fits, otherwise each metric on lines of its own. */
function metricLines(metrics: readonly Metric[], width: number, paint: Paint): string[] {
  const withBaseline = metrics.some(({ baseline }) => baseline?.length);
  const table = textTable(
    [
      'metric',
      { title: 'before', align: 'right' },
      { title: 'after', align: 'right' },
      { title: 'n', align: 'right' },
      ...(withBaseline ? ['compared'] : []),
    ],
    metrics.map((metric) => [
      stripControls(metric.name),
      formatBefore(metric),
      paintAfter(metric, paint),
      formatSampleSize(metric),
      describeBaselines(metric),
    ]),
  ).split('\n');
  if (table.every((line) => displayWidth(line) <= width)) return table;
  return metrics.flatMap((metric) => {
    const { before, after } = metric;
    const size = metric.count === undefined ? '' : `, n = ${formatSampleSize(metric)}`;
    const values =
      before === undefined
        ? formatEstimate(after, metric)
        : `${formatBefore(metric)} → ${formatEstimate(after, metric)}`;
    const style = standingStyle(metric);
    const rows = wrapToWidth(`${values}${size}`, width - 2).map((line) => `  ${style ? paint(style, line) : line}`);
    const baselines = describeBaselines(metric);
    if (baselines !== '') rows.push(...wrapToWidth(baselines, width - 2).map((line) => `  ${line}`));
    return [...wrapToWidth(stripControls(metric.name), width).map((line) => paint('bold', line)), ...rows];
  });
}

/** Green where the stage helped, red where it hurt. */
function standingStyle({ before, after, higherIsBetter }: Metric): Style | undefined {
  const standing = compare(after, before, higherIsBetter);
  return standing === 1 ? 'green' : standing === -1 ? 'red' : undefined;
}

function paintAfter(metric: Metric, paint: Paint): string {
  const style = standingStyle(metric);
  const text = formatEstimate(metric.after, metric);
  return style === undefined ? text : paint(style, text);
}

const ROLE_STYLES: Readonly<Record<string, Style>> = {
  user: 'cyan',
  prompt: 'cyan',
  assistant: 'green',
  tool: 'yellow',
};

function sampleLines({ title, turns }: Sample, width: number, paint: Paint): string[] {
  const lines = title === undefined ? [] : wrapToWidth(stripControls(title), width).map((line) => paint('dim', line));
  const roles = turns.map(({ role }) => wrapToWidth(stripControls(role), 12)[0]!);
  const roleWidth = Math.max(0, ...roles.map(displayWidth));
  turns.forEach(({ role, text }, i) => {
    const label = roles[i]! + ' '.repeat(roleWidth - displayWidth(roles[i]!));
    const style = ROLE_STYLES[role];
    lines.push(...hanging(`  ${style ? paint(style, label) : label} │`, text, width));
  });
  return lines;
}

/** A label and a text beside it; further lines are indented to where the text began. */
function hanging(label: string, text: string, width: number): string[] {
  const indent = displayWidth(label) + 1;
  return wrapToWidth(stripControls(text), width - indent).map((line, i) =>
    `${i === 0 ? label : ' '.repeat(indent - 1)} ${line}`.trimEnd(),
  );
}
