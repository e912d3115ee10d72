import type { TokenStore } from '../data/token-store.js';
import type { Figure, StageReport } from '../evaluate/report-card.js';
import { LocalModel } from '../llm/local.js';
import type { Decoder } from '../models/architecture.js';
import type { Device } from '../runtime/device.js';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { TrainResult } from '../train/loop.js';
import type { TrainSettings } from '../train/recipe.js';
import type { RunFolder } from '../train/run-folder.js';
import type { ProgressOptions } from '../util/progress.js';
import type { Material } from './material.js';
import type { ForgePlan } from './plan.js';
import { trainingFlopsPerToken } from './shape.js';
import type { ForgeStateFile } from './state.js';

export interface ForgeOptions {
  readonly minutes: number;
  /** A source of text; default: the dictionary from WordNet. */
  readonly data?: string | undefined;
  readonly out: string;
  readonly seed: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How progress is shown. */
  readonly progress: Pick<ProgressOptions, 'stream' | 'json' | 'write'>;
  /** Called with a line that a person should read. */
  readonly say: (line: string) => void;
}

/** Everything that the stages of one forge share. */
export interface Workshop {
  readonly options: ForgeOptions;
  readonly run: RunFolder;
  readonly state: ForgeStateFile;
  readonly device: Device;
  readonly material: Material;
  readonly threads: number;
  /** Seconds since the beginning, over all sessions. */
  elapsed(): number;
}

export interface Stores {
  readonly training: TokenStore;
  readonly heldOut: TokenStore;
}

/** Seconds for the exam, the report and what goes wrong, as a share of all, within bounds. */
export function reservedSeconds(total: number): number {
  return Math.min(Math.max(total * 0.1, 4), 60);
}

/** Ends a stage at its time: the number of steps follows the speed that the stage really has. */
export function endAfter(seconds: number) {
  return ({ step, seconds: spent }: { step: number; steps: number; seconds: number }): number =>
    Math.max(step + 1, Math.round((step * seconds) / Math.max(spent, 1e-6)));
}

/** Ends a stage when it is time for the next one, whatever was lost before to interruptions and preparation. */
export function endAt(deadline: number, elapsed: () => number) {
  return ({ step, seconds: spent }: { step: number; steps: number; seconds: number }): number =>
    Math.max(step + 1, step + Math.round((step * (deadline - elapsed())) / Math.max(spent, 1e-6)));
}

/** When a stage began, in seconds since the forge did: a stage that was interrupted keeps its beginning. */
export function stageStart({ state, elapsed }: Pick<Workshop, 'state' | 'elapsed'>, stage: string): number {
  const { begun } = state.state;
  const start = begun?.[stage] ?? elapsed();
  if (begun?.[stage] === undefined) state.update({ begun: { ...begun, [stage]: start } });
  return start;
}

export function localModel(model: Decoder, tokenizer: Tokenizer, device: Device): LocalModel {
  return new LocalModel({ model, tokenizer, chatTemplate: DEFAULT_CHAT_TEMPLATE }, { device, reuse: false });
}

export function stageCost(
  plan: ForgePlan,
  { columns, rows }: TrainSettings,
  result: TrainResult,
  seconds: number,
): StageReport['cost'] {
  const tokensPerSecond = (result.step * rows * columns) / result.seconds;
  return {
    seconds,
    tokensPerSecond,
    peakShare: (trainingFlopsPerToken(plan.shape, columns) * tokensPerSecond) / plan.peakFlops,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** The loss over the steps of a stage, thinned to a few hundred points. */
export function lossFigure(run: RunFolder, name: string, title: string): Figure {
  const rows = run.metrics.rows().filter((row) => typeof row.loss === 'number');
  const group = Math.max(1, Math.ceil(rows.length / 200));
  const points: { x: number; y: number }[] = [];
  for (let i = 0; i < rows.length; i += group) {
    const part = rows.slice(i, i + group);
    const total = part.reduce((sum, row) => sum + Number(row.loss), 0);
    points.push({ x: Number(part.at(-1)!.step), y: total / part.length });
  }
  const series = [{ name: 'loss', x: points.map(({ x }) => x), y: points.map(({ y }) => y) }];
  return { name, title, xLabel: 'step', yLabel: 'nats/token', series };
}
