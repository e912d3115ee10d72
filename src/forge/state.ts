import { existsSync } from 'node:fs';
import type { StageReport } from '../evaluate/report-card.js';
import { writeFileAtomic } from '../util/files.js';
import { readJsonObject } from '../util/json.js';
import type { ExamResult } from './examination.js';
import type { ForgePlan } from './plan.js';

/** What a forge has finished so far; a stage that is here is not done again. */
export interface ForgeState {
  readonly plan?: ForgePlan;
  readonly tokenizer?: StageReport;
  readonly pretrain?: StageReport;
  readonly tune?: StageReport;
  /** What the model knew before tuning; asked once, however often the stage is interrupted. */
  readonly examBefore?: readonly ExamResult[];
  /** When a stage began, in seconds since the forge did. */
  readonly begun?: Readonly<Record<string, number>>;
  /** Seconds spent so far; noted every few seconds, for a forge that is killed. */
  readonly secondsBefore: number;
}

/** The state in a file, written whole at every change. */
export class ForgeStateFile {
  readonly file: string;
  #state: ForgeState;

  constructor(file: string) {
    this.file = file;
    this.#state = existsSync(file) ? (readJsonObject(file) as unknown as ForgeState) : { secondsBefore: 0 };
  }

  get state(): ForgeState {
    return this.#state;
  }

  update(change: Partial<ForgeState>): void {
    this.#state = { ...this.#state, ...change };
    writeFileAtomic(this.file, `${JSON.stringify(this.#state, null, 2)}\n`);
  }
}
