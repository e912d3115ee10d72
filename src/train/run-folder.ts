import * as fs from 'node:fs';
import { arch, cpus, platform, totalmem } from 'node:os';
import * as path from 'node:path';
import { CorruptFileError, InputError } from '../util/errors.js';
import { type FileLock, isLocked, lockFile } from '../util/file-lock.js';
import { removeTemporaries, writeFileAtomic } from '../util/files.js';
import { type Json, readJsonObject } from '../util/json.js';
import { JsonLinesFile, type JsonRow } from '../util/json-lines.js';
import { packageVersion } from '../util/package-version.js';

/** How a run stands: `finished`, `stopped` (asked to, can go on), `failed`, or `running` while a process writes it. */
export type RunState = 'running' | 'finished' | 'stopped' | 'failed';

/** What `run.json` holds. */
export interface RunRecord {
  readonly command: string;
  readonly recipe: Json;
  readonly seed: number;
  readonly state: RunState;
  /** When the run was begun, ISO 8601. */
  readonly createdAt: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, Json>>;
}

/** What a run is opened with. */
export interface RunOptions {
  readonly command: string;
  /** Everything that the run's numbers follow from, as plain JSON. */
  readonly recipe: Json;
  readonly seed: number;
  /** Go on with a run that is there already (the default), or refuse it. */
  readonly resume?: boolean;
  /** Dotted keys of the recipe that may change when a run goes on, such as `steps` or `machine.threads`. */
  readonly mayDiffer?: readonly string[];
  /** Versions of libraries to note beside those of Athanor and Node. */
  readonly versions?: Readonly<Record<string, string>>;
}

const RECORD = 'run.json';
const LOCK = 'lock';
const STATES: readonly Json[] = ['running', 'finished', 'stopped', 'failed'];

/** The `run.json` of a folder, or undefined where it holds no run. @throws {CorruptFileError} */
export function readRunRecord(folder: string): RunRecord | undefined {
  const file = path.join(folder, RECORD);
  if (!fs.existsSync(file)) return undefined;
  const record = readJsonObject(file);
  if (typeof record.command !== 'string' || !STATES.includes(record.state ?? null) || record.recipe === undefined) {
    throw new CorruptFileError('not the record of a run', { where: file, expected: 'command, recipe and state' });
  }
  return record as unknown as RunRecord;
}

/** Whether a living process writes a run. */
export function isRunOpen(folder: string): boolean {
  return isLocked(path.join(folder, LOCK));
}

/**
 * The folder of one run, open for one process: `run.json` (recipe, seed, versions, machine), `metrics.jsonl`,
 * `samples.jsonl`, and what a command adds (`checkpoints/`, `report.md`).
 */
export class RunFolder {
  readonly folder: string;
  /** Whether the run was there before and goes on now. */
  readonly resumed: boolean;
  readonly metrics: JsonLinesFile;
  readonly samples: JsonLinesFile;
  #record: RunRecord;
  readonly #lock: FileLock;

  /** Use {@link openRun}. */
  constructor(folder: string, record: RunRecord, resumed: boolean, lock: FileLock) {
    this.folder = folder;
    this.resumed = resumed;
    this.#lock = lock;
    this.metrics = new JsonLinesFile(path.join(folder, 'metrics.jsonl'));
    this.samples = new JsonLinesFile(path.join(folder, 'samples.jsonl'));
    this.#record = { ...record, state: 'running' };
    this.#save();
  }

  get record(): RunRecord {
    return this.#record;
  }

  /** A path inside the run's folder. */
  path(...parts: string[]): string {
    return path.join(this.folder, ...parts);
  }

  /**
   * Drops what was written after a step, because the run goes on from that step's checkpoint. Rows without a `step` stay.
   * @param stage drop rows of this `stage` alone
   */
  truncateAfter(step: number, stage?: string): void {
    const stays = (row: JsonRow): boolean =>
      typeof row.step !== 'number' || row.step <= step || (stage !== undefined && row.stage !== stage);
    this.metrics.keep(stays);
    this.samples.keep(stays);
  }

  /** Notes how the run ended and lets other processes have the folder. */
  close(state: Exclude<RunState, 'running'>): void {
    try {
      this.#record = { ...this.#record, state };
      this.#save();
    } finally {
      this.#lock.release();
    }
  }

  /** Removes the record of a run that never began, so that nothing refuses a corrected command; other files stay. */
  forget(): void {
    fs.rmSync(this.path(RECORD), { force: true });
    try {
      fs.rmdirSync(this.folder);
    } catch {
      // It holds something: what is there stays.
    }
  }

  #save(): void {
    writeFileAtomic(this.path(RECORD), `${JSON.stringify(this.#record, null, 2)}\n`);
  }
}

/** The first key, dotted, under which two values differ; the empty text where it is the values themselves. */
function differingKey(
  a: Json | undefined,
  b: Json | undefined,
  ignored: readonly string[],
  at = '',
): string | undefined {
  if (ignored.includes(at)) return undefined;
  if (
    a === null ||
    b === null ||
    typeof a !== 'object' ||
    typeof b !== 'object' ||
    Array.isArray(a) !== Array.isArray(b)
  ) {
    return a === b ? undefined : at;
  }
  const [before, now] = [a as Record<string, Json>, b as Record<string, Json>];
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const found = differingKey(before[key], now[key], ignored, at === '' ? key : `${at}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refuseOtherRecipe(folder: string, before: RunRecord, now: RunOptions): void {
  const read = (recipe: Json, key: string): string =>
    JSON.stringify(
      key === '' ? recipe : key.split('.').reduce<Json | undefined>((at, part) => (at as never)?.[part], recipe),
    ) ?? 'nothing';
  const ignored = now.mayDiffer ?? [];
  const same = { command: before.command, seed: before.seed, recipe: before.recipe };
  const asked = { command: now.command, seed: now.seed, recipe: JSON.parse(JSON.stringify(now.recipe)) as Json };
  const key = differingKey(same, asked, [...ignored.map((name) => `recipe.${name}`)]);
  if (key === undefined) return;
  throw new InputError(`the run was begun with another ${key.replace(/^recipe\./, '')}`, {
    where: path.join(folder, RECORD),
    expected: read(same, key),
    got: read(asked, key),
    hint: 'Give the old value to go on with the run, or another folder to begin a new one.',
  });
}

/**
 * Opens the folder of a run: begins one where there is none, goes on with the one that is there. Only one process has
 * it open; what a crash left half-written at the end of the metrics is cut.
 *
 * @throws {InputError} if another process writes the run, its recipe differs (naming the key), or `resume` is false
 * and there is a run already
 */
export function openRun(folder: string, options: RunOptions): RunFolder {
  const lock = lockFile(path.join(folder, LOCK), 'the run');
  try {
    // Another process may be about to ask for the lock.
    removeTemporaries(folder, (name) => name !== LOCK);
    const before = readRunRecord(folder);
    if (before !== undefined && options.resume === false) {
      throw new InputError('there is a run here already', { where: folder, hint: 'Choose another folder, or resume.' });
    }
    if (before !== undefined) refuseOtherRecipe(folder, before, options);
    const processors = cpus();
    const record: RunRecord = {
      command: options.command,
      recipe: options.recipe,
      seed: options.seed,
      state: 'running',
      createdAt: before?.createdAt ?? new Date().toISOString(),
      versions: { athanor: packageVersion(), node: process.versions.node, ...options.versions },
      machine: {
        platform: platform(),
        arch: arch(),
        cpu: processors[0]?.model.trim() ?? 'unknown',
        cores: processors.length,
        memoryBytes: totalmem(),
      },
    };
    return new RunFolder(folder, record, before !== undefined, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}
