import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import * as path from 'node:path';
import { InputError } from './errors.js';
import { fileErrorReason, WriteError } from './files.js';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process began, in the system's own unit; tells it from a later one of the same number. */
  readonly started: string | null;
}

/** A lock that is held: `release` gives it back. */
export interface FileLock {
  release(): void;
}

/** When a process began, where the system tells (Linux); null for one that has ended and waits to be reaped. */
function startOf(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function isAlive({ pid, host, started }: Holder): boolean {
  if (host !== hostname()) return true; // Nobody can tell from here.
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return started === null || startOf(pid) === started;
}

/** Who holds a lock, or undefined where the file is absent or is none of ours. */
function holderOf(file: string): Holder | undefined {
  try {
    const holder = JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<Holder> | null;
    if (!Number.isSafeInteger(holder?.pid) || holder!.pid! <= 0 || typeof holder!.host !== 'string') return undefined;
    return { pid: holder!.pid!, host: holder!.host, started: holder!.started ?? null };
  } catch {
    return undefined;
  }
}

/** Whether a living process holds a lock. */
export function isLocked(file: string): boolean {
  const holder = holderOf(file);
  return holder !== undefined && isAlive(holder);
}

/** Puts a complete lock in place at once. @returns false where there is one already. */
function place(file: string, content: string): boolean {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(temporary, content);
    fs.linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && fs.existsSync(file)) return false;
    throw new WriteError(`cannot lock: ${fileErrorReason(error)}`, { where: file, cause: error });
  } finally {
    try {
      fs.rmSync(temporary, { force: true });
    } catch {
      // Where it could not be written there is nothing to remove; the first error is the one to report.
    }
  }
}

/** Moves the lock of a dead process away. Only one process does it: the one whose rename finds that very lock. */
function removeStale(file: string): void {
  const aside = `${file}.${randomBytes(4).toString('hex')}.stale`;
  try {
    fs.renameSync(file, aside);
  } catch {
    return; // Another process was faster.
  }
  // Between the look and the rename another process may have taken the lock: then it goes back.
  if (isLocked(aside)) {
    try {
      fs.linkSync(aside, file);
    } catch {
      // A third process holds it now.
    }
  }
  fs.rmSync(aside, { force: true });
}

/**
 * Takes a lock file for this process, so that two processes never write one folder. The lock of a process that is
 * gone is taken over.
 *
 * @throws {InputError} naming the process that holds it
 */
export function lockFile(file: string, what: string): FileLock {
  const content = JSON.stringify({ pid: process.pid, host: hostname(), started: startOf(process.pid) });
  for (let attempt = 0; !place(file, content); attempt++) {
    const holder = holderOf(file);
    if ((holder !== undefined && isAlive(holder)) || attempt === 100) {
      throw new InputError(`${what} is in use`, {
        where: path.dirname(file),
        got: holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`,
        hint: `Wait for it or stop it. If that machine is gone, delete ${file}`,
      });
    }
    removeStale(file);
  }
  return {
    release: () => {
      const holder = holderOf(file);
      if (holder?.pid === process.pid && holder.host === hostname()) fs.rmSync(file, { force: true });
    },
  };
}
