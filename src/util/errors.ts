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
  let text = where === undefined ? shown(summary) : `${shown(where)}: ${shown(summary)}`;
  if (expected !== undefined) text += `\n  expected: ${shown(expected)}`;
  if (got !== undefined) text += `\n  got:      ${shown(got)}`;
  if (hint !== undefined) text += `\n  ${shown(hint)}`;
  return text;
}

/** A part of a message that is longer has swallowed a file. */
const LONGEST_PART = 2000;

/**
 * Messages quote strangers' files, which may hold a name of a megabyte, or characters that steer a terminal or turn the
 * direction of the text.
 */
function shown(part: string): string {
  const short = part.length > LONGEST_PART ? `${part.slice(0, LONGEST_PART)}…` : part;
  return short.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Something that a user handed in (a file, a flag, a config key, a line of data) is not usable. */
export class InputError extends AthanorError {}

/** A file is damaged: its checksum, length or structure is not what its writer left. */
export class CorruptFileError extends AthanorError {}

/**
 * Runs what uses the content of a file and knows its parts alone: an error of ours that does not name the file gets its name.
 *
 * @param what the file is not, in that case: `not a usable tokenizer`.
 */
export function inFile<T>(file: string, what: string, task: () => T): T {
  try {
    return task();
  } catch (error) {
    if (!(error instanceof AthanorError) || error.message.includes(file)) throw error;
    throw new InputError(`${what}: ${error.message}`, { where: file, cause: error });
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
