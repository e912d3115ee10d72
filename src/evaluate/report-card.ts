import type { PlotSeries } from '../util/plot-scale.js';
import { formatBytes, formatDuration, formatPercent, formatRate } from '../util/units.js';
import type { Metric } from './report-card-metric.js';

/** Named facts of a machine or a recipe, printed in their order. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** One turn of a conversation. The role is free: `user`, `assistant`, `tool`, or `prompt` and `text` of a plain model. */
export interface SampleTurn {
  readonly role: string;
  readonly text: string;
}

/** A conversation or a completion, shown as it was. */
export interface Sample {
  readonly title?: string;
  readonly turns: readonly SampleTurn[];
}

/** A line chart of a stage. */
export interface Figure {
  /** File stem of its picture beside the report, as `pretraining-loss`. */
  readonly name: string;
  readonly title: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  readonly logX?: boolean;
  readonly series: readonly PlotSeries[];
}

/** What a stage took. What was not measured is left out. */
export interface StageCost {
  /** All of the stage: preparing, training, measuring. */
  readonly seconds?: number;
  /** Positions of the batches, padding included, a second of training steps alone. */
  readonly tokensPerSecond?: number;
  /** Floating-point work of these positions, as a share of the peak that stands with the machine. */
  readonly peakShare?: number;
  /** The most that the process held by the end of the stage, earlier stages included. */
  readonly peakMemoryBytes?: number;
}

export interface StageReport {
  /** As `tokenizer`, `pretraining`, `instruction tuning`. */
  readonly name: string;
  /** A sentence or two: what was done. */
  readonly summary?: string;
  readonly cost: StageCost;
  readonly metrics: readonly Metric[];
  readonly figures?: readonly Figure[];
  readonly samples?: readonly Sample[];
}

/** The result of a whole forge: what each stage cost and what it changed. Plain data; as JSON it is itself. */
export interface ReportCard {
  readonly title: string;
  readonly machine: Facts;
  /** The recipe's name. */
  readonly recipe: string;
  /** The recipe's settings worth printing: model size, tokens, learning rate … */
  readonly settings?: Facts;
  readonly seed: number;
  /** ISO 8601. */
  readonly finishedAt?: string;
  readonly stages: readonly StageReport[];
  /** Conversations with the finished model. */
  readonly samples?: readonly Sample[];
  /** Lines to close with, such as the command that opens the chat. */
  readonly notes?: readonly string[];
}

/** The costs of a stage in words, most telling first. */
export function describeCost({ seconds, tokensPerSecond, peakShare, peakMemoryBytes }: StageCost): string[] {
  const parts: string[] = [];
  if (seconds !== undefined) parts.push(formatDuration(seconds));
  if (tokensPerSecond !== undefined) parts.push(`${formatRate(tokensPerSecond, 'tokens')} in training steps`);
  if (peakShare !== undefined) parts.push(`${formatPercent(peakShare, 0)} of peak`);
  if (peakMemoryBytes !== undefined) parts.push(`process at most ${formatBytes(peakMemoryBytes)} so far`);
  return parts;
}

/** The seconds of all stages together; undefined where none was measured. */
export function totalSeconds({ stages }: ReportCard): number | undefined {
  const measured = stages.flatMap(({ cost }) => (cost.seconds === undefined ? [] : [cost.seconds]));
  return measured.length === 0 ? undefined : measured.reduce((sum, seconds) => sum + seconds, 0);
}

/** The facts of the whole run, as name and value, for every renderer. */
export function describeRun(card: ReportCard): (readonly [string, string])[] {
  const facts = (values: Facts): string =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${typeof value === 'number' ? value.toLocaleString('en-US') : value}`)
      .join(', ');
  const rows: (readonly [string, string])[] = [
    ['machine', facts(card.machine)],
    ['recipe', card.settings === undefined ? card.recipe : `${card.recipe} (${facts(card.settings)})`],
    ['seed', String(card.seed)],
  ];
  const seconds = totalSeconds(card);
  if (seconds !== undefined) rows.push(['time', formatDuration(seconds)]);
  if (card.finishedAt !== undefined) rows.push(['finished', card.finishedAt]);
  return rows;
}
