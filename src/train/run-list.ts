import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError } from '../util/errors.js';
import { fileErrorReason } from '../util/files.js';
import { readJsonLines } from '../util/json-lines.js';
import { isRunOpen, type RunState, readRunRecord } from './run-folder.js';

/** A run in a list. */
export interface RunSummary {
  readonly name: string;
  readonly command: string;
  /** `interrupted`: nobody writes it, and it did not end in good order. `damaged`: its files cannot be read. */
  readonly state: RunState | 'interrupted' | 'damaged';
  /** The last step in its metrics. */
  readonly step: number | null;
  /** The last training loss in its metrics. */
  readonly loss: number | null;
  /** What the folder takes on the disk. */
  readonly bytes: number;
  readonly createdAt: string | null;
}

function sizeOf(folder: string): number {
  let bytes = 0;
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += fs.statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

function summaryOf(folder: string): RunSummary | undefined {
  const name = path.basename(folder);
  if (!fs.existsSync(path.join(folder, 'run.json'))) return undefined;
  const bytes = sizeOf(folder);
  try {
    const record = readRunRecord(folder)!;
    const rows = readJsonLines(path.join(folder, 'metrics.jsonl'));
    const last = (key: string): number | null => {
      const value = rows.findLast((row) => typeof row[key] === 'number')?.[key];
      return typeof value === 'number' ? value : null;
    };
    const state = isRunOpen(folder) ? 'running' : record.state === 'running' ? 'interrupted' : record.state;
    return {
      name,
      command: record.command,
      state,
      step: last('step'),
      loss: last('loss'),
      bytes,
      createdAt: record.createdAt,
    };
  } catch {
    return { name, command: '', state: 'damaged', step: null, loss: null, bytes, createdAt: null };
  }
}

/** The runs in a folder of runs, oldest first; none where there is no such folder. @throws {InputError} */
export function listRuns(folder: string): RunSummary[] {
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new InputError(`cannot list: ${fileErrorReason(error)}`, { where: folder, cause: error });
  }
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => summaryOf(path.join(folder, entry.name)) ?? [])
    .sort((a, b) => (a.createdAt ?? '').localeCompare(b.createdAt ?? '') || a.name.localeCompare(b.name));
}
