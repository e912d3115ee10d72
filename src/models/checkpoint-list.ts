import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { AthanorError, InputError } from '../util/errors.js';
import { fileErrorReason, WriteError } from '../util/files.js';
import { verifyCheckpoint, verifyCheckpointSizes } from './checkpoint.js';

/** One checkpoint of a run. */
export interface CheckpointPlace {
  /** Optimizer steps taken when it was saved. */
  readonly step: number;
  readonly folder: string;
}

/** A checkpoint that cannot be used, and why. */
export interface DamagedCheckpoint extends CheckpointPlace {
  readonly error: AthanorError;
}

/** Where a run keeps the checkpoint of this step: `<run>/checkpoints/<step>`. */
export function checkpointFolder(runFolder: string, step: number): string {
  return path.join(runFolder, 'checkpoints', String(step));
}

/** A run's checkpoints, oldest first; half-written ones (`*.tmp`) and other folders are passed over. */
export function listCheckpoints(runFolder: string): CheckpointPlace[] {
  return entriesOf(runFolder)
    .filter((entry) => entry.isDirectory() && /^(0|[1-9]\d{0,14})$/.test(entry.name))
    .map(({ name }) => ({ step: Number(name), folder: checkpointFolder(runFolder, Number(name)) }))
    .sort((a, b) => a.step - b.step);
}

function entriesOf(runFolder: string): fs.Dirent[] {
  const folder = path.join(runFolder, 'checkpoints');
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: folder, cause: error });
  }
}

/**
 * The newest checkpoint whose every byte is as it was saved, and the damaged ones that had to be passed over on the
 * way to it, newest first.
 */
export function latestValidCheckpoint(runFolder: string): {
  readonly checkpoint: CheckpointPlace | undefined;
  readonly damaged: DamagedCheckpoint[];
} {
  const damaged: DamagedCheckpoint[] = [];
  for (const checkpoint of listCheckpoints(runFolder).reverse()) {
    const error = errorOf(() => verifyCheckpoint(checkpoint.folder));
    if (error === undefined) return { checkpoint, damaged };
    damaged.push({ ...checkpoint, error });
  }
  return { checkpoint: undefined, damaged };
}

function errorOf(check: () => void): AthanorError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof AthanorError) return error;
    throw error;
  }
}

/**
 * Removes all but the newest `keep` checkpoints. One with missing or cut-off files does not count, so that damage
 * never costs the last good one. Also removes leftovers (see `removeLeftovers`): only the run itself may call it.
 *
 * @param keep at least 1.
 * @returns the checkpoints removed, oldest first.
 * @throws {WriteError} if one cannot be removed.
 */
export function pruneCheckpoints(runFolder: string, keep: number): CheckpointPlace[] {
  if (!Number.isSafeInteger(keep) || keep < 1) {
    throw new InputError('at least one checkpoint has to be kept', { where: runFolder, got: String(keep) });
  }
  removeLeftovers(runFolder);
  const removed: CheckpointPlace[] = [];
  let kept = 0;
  for (const checkpoint of listCheckpoints(runFolder).reverse()) {
    if (kept >= keep) removed.unshift(checkpoint);
    else if (errorOf(() => verifyCheckpointSizes(checkpoint.folder)) === undefined) kept++;
  }
  for (const { folder } of removed) {
    removing(folder, () => {
      // Renamed first: a folder whose removal was interrupted is a leftover, never a checkpoint.
      const temporary = `${folder}.${randomBytes(4).toString('hex')}.tmp`;
      fs.renameSync(folder, temporary);
      fs.rmSync(temporary, { recursive: true, force: true });
    });
  }
  return removed;
}

/**
 * Removes what a killed process left half written or half removed (`*.tmp`) among a run's checkpoints. A checkpoint
 * that was about to be replaced, and whose replacement never came, is put back. To be called by the run's own process
 * while it is not writing.
 *
 * @returns the names of what was removed or put back.
 * @throws {WriteError} if one cannot be removed.
 */
export function removeLeftovers(runFolder: string): string[] {
  const leftovers = entriesOf(runFolder)
    .map(({ name }) => name)
    .filter((name) => name.endsWith('.tmp'));
  for (const name of leftovers) {
    const leftover = path.join(runFolder, 'checkpoints', name);
    const replaced = /^(\d+)\.[0-9a-f]+\.old\.tmp$/.exec(name)?.[1];
    removing(leftover, () => {
      if (replaced !== undefined && !fs.existsSync(checkpointFolder(runFolder, Number(replaced)))) {
        fs.renameSync(leftover, checkpointFolder(runFolder, Number(replaced)));
      } else {
        fs.rmSync(leftover, { recursive: true, force: true });
      }
    });
  }
  return leftovers;
}

function removing(place: string, remove: () => void): void {
  try {
    remove();
  } catch (error) {
    throw new WriteError(`cannot remove: ${fileErrorReason(error)}`, { where: place, cause: error });
  }
}
