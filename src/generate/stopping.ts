import { InputError } from '../util/errors.js';

/** What a piece of text led to. */
export interface StopProgress {
  /** Text that is safe to show: it belongs to no stop string. */
  readonly emit: string;
  /** A stop string is complete; it and what follows it are not part of the output. */
  readonly stopped: boolean;
  /** The stop string that was found. */
  readonly matched?: string;
}

/**
 * Finds stop strings in text that arrives in pieces. Text that may be the beginning of a stop string is held back until
 * it is decided, and nothing longer than that.
 *
 * The stop string that is complete first wins; of those that end at the same character, the longest. So the result does
 * not depend on how the text was cut into pieces.
 */
export class StopMatcher {
  private readonly stops: readonly string[];
  private held = '';
  private matched: string | undefined;

  /** @throws {InputError} if a stop string is empty. */
  constructor(stops: readonly string[]) {
    const empty = stops.indexOf('');
    if (empty >= 0) {
      throw new InputError('a stop string is empty', {
        where: `stop[${empty}]`,
        expected: 'at least one character',
        hint: 'Leave it out to generate without it.',
      });
    }
    this.stops = stops;
  }

  /** Takes the next piece. After a stop string was found it takes nothing more. */
  push(text: string): StopProgress {
    if (this.matched !== undefined) return { emit: '', stopped: true, matched: this.matched };
    const pending = this.held + text;
    let end = Number.POSITIVE_INFINITY;
    for (const stop of this.stops) {
      const start = pending.indexOf(stop);
      if (start < 0) continue;
      const stopEnd = start + stop.length;
      if (stopEnd < end || (stopEnd === end && stop.length > this.matched!.length)) {
        end = stopEnd;
        this.matched = stop;
      }
    }
    if (this.matched !== undefined) {
      this.held = '';
      return { emit: pending.slice(0, end - this.matched.length), stopped: true, matched: this.matched };
    }
    const shown = pending.length - this.longestBeginning(pending);
    this.held = pending.slice(shown);
    return { emit: pending.slice(0, shown), stopped: false };
  }

  /** The text is over: what was held back, which turned out to be no stop string. */
  end(): string {
    const { held } = this;
    this.held = '';
    return held;
  }

  /** How many characters at the end of a text are the beginning of a stop string. */
  private longestBeginning(text: string): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
