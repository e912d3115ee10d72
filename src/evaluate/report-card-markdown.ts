import { braillePlot, svgLineChart } from '../util/plot.js';
import { escapeMarkdown, markdownTable } from '../util/table.js';
import { stripControls } from '../util/table-width.js';
import {
  describeCost,
  describeRun,
  type Figure,
  type ReportCard,
  type Sample,
  type StageReport,
} from './report-card.js';
import {
  describeBaselines,
  formatBefore,
  formatEstimate,
  formatSampleSize,
  type Metric,
} from './report-card-metric.js';

export interface MarkdownOptions {
  /**
   * The folder of the pictures that `reportFigures` makes, seen from the report, as `figures`. Without it, curves are
   * drawn with braille dots inside the report.
   */
  readonly figureFolder?: string;
}

/** The report card as Markdown (GitHub's dialect). Texts of models stand in code fences that they cannot leave. */
export function renderMarkdown(card: ReportCard, options: MarkdownOptions = {}): string {
  const blocks = [`# ${inline(card.title)}`, markdownTable(['run', ''], describeRun(card))];
  for (const stage of card.stages) blocks.push(...stageBlocks(stage, options));
  if (card.samples?.length) blocks.push('## Samples', ...card.samples.flatMap(sampleBlocks));
  if (card.notes?.length) blocks.push(card.notes.map((note) => `- ${inline(note)}`).join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

/** The pictures of a report card: file name and SVG text of each figure, to be written beside the report. */
export function reportFigures(card: ReportCard): { readonly file: string; readonly svg: string }[] {
  return card.stages
    .flatMap(({ figures = [] }) => figures)
    .map((figure) => ({ file: figureFile(figure), svg: svgLineChart(figure.series, plotOptions(figure)) }));
}

function stageBlocks(stage: StageReport, { figureFolder }: MarkdownOptions): string[] {
  const blocks = [`## ${inline(capitalise(stage.name))}`];
  const cost = describeCost(stage.cost).join(' · ');
  if (cost !== '') blocks.push(cost);
  if (stage.summary !== undefined) blocks.push(inline(stage.summary));
  if (stage.metrics.length > 0) blocks.push(metricTable(stage.metrics));
  for (const figure of stage.figures ?? []) {
    if (figureFolder === undefined) blocks.push(fence(braillePlot(figure.series, plotOptions(figure))));
    else blocks.push(`![${inline(figure.title)}](${figureFolder}/${figureFile(figure)})`);
  }
  return [...blocks, ...(stage.samples ?? []).flatMap(sampleBlocks)];
}

function metricTable(metrics: readonly Metric[]): string {
  const withBaseline = metrics.some(({ baseline }) => baseline?.length);
  const rows = metrics.map((metric) => [
    stripControls(metric.name),
    formatBefore(metric),
    formatEstimate(metric.after, metric),
    metric.higherIsBetter ? 'higher' : 'lower',
    formatSampleSize(metric),
    describeBaselines(metric),
  ]);
  const right = (title: string) => ({ title, align: 'right' as const });
  const columns = [
    'metric',
    right('before'),
    right('after'),
    'better is',
    right('n'),
    ...(withBaseline ? ['compared'] : []),
  ];
  const table = markdownTable(columns, rows);
  const hasInterval = metrics.some(({ unit, count }) => unit === 'share' && count !== undefined);
  return hasInterval ? `${table}\n\nIn parentheses: 95% intervals (Wilson) for the sample size n.` : table;
}

function sampleBlocks({ title, turns }: Sample): string[] {
  const text = turns.map(({ role, text }) => `${stripControls(role)}: ${stripControls(text)}`).join('\n');
  return title === undefined ? [fence(text)] : [`**${inline(title)}**`, fence(text)];
}

/** A code block whose fence is longer than any run of backticks inside. */
function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}text\n${text}\n${ticks}`;
}

function figureFile({ name }: Figure): string {
  return `${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.svg`;
}

function plotOptions({ title, xLabel, yLabel, logX = false }: Figure) {
  return { title, logX, ...(xLabel === undefined ? {} : { xLabel }), ...(yLabel === undefined ? {} : { yLabel }) };
}

function inline(text: string): string {
  return escapeMarkdown(stripControls(text));
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
