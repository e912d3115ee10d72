import { styleText } from 'node:util';
import { cutToWidth, displayWidth } from './table-width.js';
import { formatCount, formatDuration, formatNumber, formatPercent, formatRate } from './units.js';

/** What a progress line is written to; `process.stderr` is one. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface ProgressOptions {
  /** What is going on, as `pretraining`. */
  readonly label: string;
  /** How much there is to do; without it there is neither bar nor time left. */
  readonly total?: number | undefined;
  /** Done already when the work starts, as in a resumed run: it does not count for the rate. */
  readonly start?: number;
  /** What is counted, as `tokens`; the rate is printed in it. */
  readonly unit?: string;
  readonly stream: ProgressStream;
  /** Machine-readable lines in place of the bar: one JSON object a line, given to `write`. */
  readonly json?: boolean;
  /** Takes each JSON line, without newline; by default it goes to the stream. */
  readonly write?: (line: string) => void;
  /** Least time between two lines; default 100 ms on a terminal, 10 s elsewhere, 1 s for JSON. */
  readonly intervalMs?: number;
  /** Default: on a terminal, unless the environment sets `NO_COLOR`. */
  readonly color?: boolean;
  /** Milliseconds of a steady clock. */
  readonly now?: () => number;
}

/** Further values of the line, such as the loss. */
export type ProgressFields = Readonly<Record<string, number | string>>;

const BAR_COLUMNS = 24;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
/** How fast the rate forgets: after this time an old speed has weight 1/e. */
const RATE_MEMORY_MS = 15_000;

/**
 * The progress of a long task: a line that is redrawn in place on a terminal, plain lines now and then elsewhere, or
 * JSON lines. Call `update` as often as you like; `finish` (or `stop` after a failure) when it is over.
 */
export class Progress {
  private readonly options: ProgressOptions;
  private readonly live: boolean;
  private readonly color: boolean;
  private readonly intervalMs: number;
  private readonly now: () => number;
  private readonly startedMs: number;
  private printedMs = Number.NEGATIVE_INFINITY;
  private drawn = false;
  private over = false;
  private done: number;
  /** What was done before: it does not count for the rate. */
  private start: number;
  private total: number | undefined;
  private fields: ProgressFields = {};
  private lastMs: number;
  /** Decaying sums of work and time; their quotient is the rate. */
  private recentWork = 0;
  private recentMs = 0;

  constructor(options: ProgressOptions) {
    const { stream } = options;
    this.options = options;
    this.live = options.json !== true && stream.isTTY === true && process.env.TERM !== 'dumb';
    this.color = options.color ?? (this.live && !process.env.NO_COLOR);
    this.intervalMs = options.intervalMs ?? (options.json === true ? 1000 : this.live ? 100 : 10_000);
    this.now = options.now ?? (() => performance.now());
    this.startedMs = this.now();
    this.lastMs = this.startedMs;
    this.start = options.start ?? 0;
    this.done = this.start;
    this.total = options.total;
  }

  /** Units a second over the last seconds; 0 before anything was done. */
  get rate(): number {
    return this.recentMs > 0 ? (this.recentWork / this.recentMs) * 1000 : 0;
  }

  /** Seconds until the total is reached at this rate; undefined while nobody can tell. */
  get remainingSeconds(): number | undefined {
    const { total } = this;
    if (total === undefined || this.rate <= 0) return undefined;
    return Math.max(0, total - this.done) / this.rate;
  }

  /** Corrects the total, and what is done where that is no work of now: a plan was revised, a run goes on. */
  adjust({ done = this.done, total }: { readonly done?: number; readonly total: number }): void {
    this.start += done - this.done;
    this.done = done;
    this.total = total;
  }

  /** Says how much is done in all, with the values to show beside it. */
  update(done: number, fields: ProgressFields = {}): void {
    if (this.over) return;
    const now = this.now();
    const keep = Math.exp(-(now - this.lastMs) / RATE_MEMORY_MS);
    this.recentWork = this.recentWork * keep + Math.max(0, done - this.done);
    this.recentMs = this.recentMs * keep + (now - this.lastMs);
    this.lastMs = now;
    this.done = done;
    this.fields = fields;
    if (now - this.printedMs >= this.intervalMs) this.print(now, 'progress');
  }

  /** Prints a line of its own, above the bar where there is one. In JSON it is an event `note`. */
  note(text: string): void {
    const { stream, json, label } = this.options;
    if (json === true) {
      this.writeJson({ event: 'note', label, text });
      return;
    }
    this.erase();
    stream.write(`${text}\n`);
    if (this.live && !this.over && this.printedMs > Number.NEGATIVE_INFINITY) this.print(this.now(), 'progress');
  }

  /** The work is over, at what the last `update` said: prints the last line for good. Later calls do nothing. */
  finish(fields: ProgressFields = this.fields): void {
    if (this.over) return;
    this.fields = fields;
    this.print(this.now(), 'done');
    this.end();
  }

  /** The work is interrupted: leaves the line as it stands. Later calls do nothing. */
  stop(): void {
    if (this.over) return;
    this.print(this.now(), 'stopped');
    this.end();
  }

  private end(): void {
    if (this.drawn) this.options.stream.write('\n');
    this.drawn = false;
    this.over = true;
  }

  private erase(): void {
    if (this.drawn) this.options.stream.write('\r\u001b[2K');
    this.drawn = false;
  }

  private print(now: number, event: 'progress' | 'done' | 'stopped'): void {
    const { stream, json, label, unit } = this.options;
    const { total } = this;
    this.printedMs = now;
    const elapsedSeconds = (now - this.startedMs) / 1000;
    // A whole task's speed is its mean, not that of its last seconds.
    const worked = this.done - this.start;
    const rate = event === 'progress' ? this.rate : elapsedSeconds > 0 ? worked / elapsedSeconds : 0;
    const remainingSeconds = event === 'done' ? 0 : this.remainingSeconds;
    if (json === true) {
      const counts = { done: this.done, total, unit, rate, elapsedSeconds, remainingSeconds };
      this.writeJson({ event, label, ...counts, ...this.fields });
      return;
    }
    const parts: string[] = [];
    if (total !== undefined) parts.push(`${formatCount(this.done)}/${formatCount(total)}`);
    else parts.push(formatCount(this.done));
    if (rate > 0) parts.push(unit === undefined ? `${formatCount(rate)}/s` : formatRate(rate, unit));
    for (const [name, value] of Object.entries(this.fields)) {
      parts.push(`${name} ${typeof value === 'number' ? formatNumber(value) : value}`);
    }
    parts.push(formatDuration(elapsedSeconds));
    if (event === 'progress' && remainingSeconds !== undefined) parts.push(`${formatDuration(remainingSeconds)} left`);
    if (event === 'stopped') parts.push('stopped');
    const share = total === undefined || total <= 0 ? undefined : Math.min(1, Math.max(0, this.done / total));
    const details = parts.join(' · ');
    if (!this.live) {
      stream.write(`${label} ${share === undefined ? '' : `${formatPercent(share, 0)} `}${details}\n`);
      return;
    }
    this.erase();
    // The last column stays free: some terminals break the line when it is written.
    stream.write(this.liveLine(label, share, details, (stream.columns ?? 80) - 1));
    this.drawn = true;
  }

  private liveLine(label: string, share: number | undefined, details: string, columns: number): string {
    const percent = share === undefined ? '' : formatPercent(share, 0).padStart(4);
    const room = columns - displayWidth(`${label}  ${percent} ${details}`) - 1;
    const bar = share === undefined || room < 8 ? '' : drawBar(share, Math.min(BAR_COLUMNS, room));
    const text = cutToWidth(
      [percent, details].filter(Boolean).join(' '),
      columns - displayWidth(label) - bar.length - 2,
    );
    const paint = (style: 'bold' | 'cyan', part: string): string =>
      this.color && part !== '' ? styleText(style, part, { validateStream: false }) : part;
    return [paint('bold', label), paint('cyan', bar), text].filter(Boolean).join(' ');
  }

  private writeJson(value: Readonly<Record<string, unknown>>): void {
    const line = JSON.stringify(value, (_, part) => (typeof part === 'number' && !Number.isFinite(part) ? null : part));
    if (this.options.write === undefined) this.options.stream.write(`${line}\n`);
    else this.options.write(line);
  }
}

/** A bar of `columns` columns, of which `share` is full, to an eighth of a column. */
function drawBar(share: number, columns: number): string {
  const eighths = Math.floor(share * columns * 8);
  const full = '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
  return full + '░'.repeat(columns - full.length);
}
