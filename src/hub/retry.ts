import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../util/units.js';
import type { Connection } from './connection.js';
import { HubError, TransientError } from './hub-error.js';

const MOST_BACKOFF_MS = 8_000;
/** A server that asks for more patience is told to the user instead. */
const MOST_WAIT_MS = 120_000;

/** Counts failures in a row and waits longer after each. */
export class Retries {
  private failures = 0;
  private readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Something was gained: the count begins anew. */
  reset(): void {
    this.failures = 0;
  }

  /**
   * Waits before the next attempt.
   * @throws what came, if it is nothing that passes; {@link HubError} if there were too many failures.
   */
  async after(error: unknown): Promise<void> {
    if (!(error instanceof TransientError)) throw error;
    const { where, attempts, backoffMs, signal } = this.connection;
    const { waitMs, status } = error;
    const tooLong = waitMs !== undefined && waitMs > MOST_WAIT_MS;
    if (tooLong || ++this.failures >= attempts) {
      throw new HubError(error.message, {
        where,
        hint: tooLong
          ? `The server asks to wait ${formatDuration(waitMs / 1000)}. Run the same command then: it goes on where it stopped.`
          : adviceFor(error),
        unreachable: status === undefined || status >= 500 || status === 429,
        cause: error,
        ...(status === undefined ? {} : { status }),
      });
    }
    // Not all who failed at the same moment should come back at the same moment.
    const backoff = Math.min(MOST_BACKOFF_MS, backoffMs * 2 ** (this.failures - 1)) * (0.75 + Math.random() / 2);
    await pause(Math.max(backoff, waitMs ?? 0), signal, where);
  }
}

function adviceFor(error: TransientError): string {
  const again = 'Run the same command again later: it goes on where it stopped.';
  if (error.status !== undefined) return again;
  const hasProxy = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'].some((name) => process.env[name]);
  const proxy = hasProxy ? ' A proxy is set here: Node uses it from version 24 on, with NODE_USE_ENV_PROXY=1.' : '';
  return `Check the network; where the Hub cannot be reached, HF_ENDPOINT may name a mirror.${proxy} ${again}`;
}

/** Waits. @throws {HubError} at once when the signal is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined, where: string): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw stopped(where, error);
  }
}

/** The user does not want it any more. */
export function stopped(where: string, cause: unknown): HubError {
  return new HubError('the download was stopped', {
    where,
    hint: 'What has come is kept. Run the same command again: it goes on from there.',
    cause,
  });
}

/** Sends a request until it succeeds. */
export async function withRetries<T>(connection: Connection, attempt: () => Promise<T>): Promise<T> {
  const retries = new Retries(connection);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await retries.after(error);
    }
  }
}
