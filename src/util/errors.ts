/**
 * What a failed operation has to say: where it happened, what was expected, what came instead, and a way out.
 */
export interface ErrorDetails {
  /** The place: an operation, a `file:line`, a flag or a config key. */
  readonly where?: string;
  readonly expected?: string;
  readonly got?: string;
  /** What the reader can do about it, as a full sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The base of every error that Athanor raises on purpose. The command line prints its message alone and exits with
 * code 1; a stack trace appears under `--debug` only.
 */
export class AthanorError extends Error {
  readonly details: ErrorDetails;

  constructor(summary: string, details: ErrorDetails = {}) {
    super(format(summary, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.details = details;
  }
}

function format(summary: string, { where, expected, got, hint }: ErrorDetails): string {
  let text = where === undefined ? summary : `${where}: ${summary}`;
  if (expected !== undefined) text += `\n  expected: ${expected}`;
  if (got !== undefined) text += `\n  got:      ${got}`;
  if (hint !== undefined) text += `\n  ${hint}`;
  return text;
}

/** Something that a user handed in (a file, a flag, a config key, a line of data) is not usable. */
export class InputError extends AthanorError {}

/** A file is damaged: its checksum, length or structure is not what its writer left. */
export class CorruptFileError extends AthanorError {}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
