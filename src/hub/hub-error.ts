import { AthanorError, type ErrorDetails } from '../util/errors.js';

/** A model or dataset could not be had from the Hub. */
export class HubError extends AthanorError {
  /** The HTTP status, where the server answered with one. */
  readonly status: number | undefined;
  /** Whether nothing could be learnt from the server: no network, or a server in trouble. What is in the cache may do. */
  readonly unreachable: boolean;

  constructor(summary: string, details: ErrorDetails & { readonly status?: number; readonly unreachable?: boolean }) {
    super(summary, details);
    this.status = details.status;
    this.unreachable = details.unreachable ?? false;
  }
}

/** A failure that may be over in a moment: the same request can be sent again. */
export class TransientError extends Error {
  /** How long the server asks to wait. */
  readonly waitMs: number | undefined;
  readonly status: number | undefined;

  constructor(
    reason: string,
    details: { readonly waitMs?: number; readonly status?: number; readonly cause?: unknown },
  ) {
    super(reason, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TransientError';
    this.waitMs = details.waitMs;
    this.status = details.status;
  }
}

const MOST_CHARACTERS = 300;

/** A stranger's text, fit for a terminal: no control characters, no lines, of bounded length. */
export function printable(text: string): string {
  const clean = text.slice(0, MOST_CHARACTERS + 1).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > MOST_CHARACTERS ? `${clean.slice(0, MOST_CHARACTERS)}…` : clean;
}
