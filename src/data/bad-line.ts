import { InputError } from '../util/errors.js';

/** One piece of input data that cannot be used. */
export interface DataProblem {
  /** `file:line`, or the file. */
  readonly where: string;
  readonly summary: string;
}

/** What to do with a bad line: stop with an error, or leave it out and tell. */
export interface BadLinePolicy {
  readonly onBadLine: 'refuse' | 'skip';
  readonly onSkip: (problem: DataProblem) => void;
}

/** Refuses or reports a problem, as the policy says. @throws {InputError} when the policy is to refuse. */
export function reportProblem(problem: DataProblem, policy: BadLinePolicy): void {
  if (policy.onBadLine === 'skip') {
    policy.onSkip(problem);
    return;
  }
  throw new InputError(problem.summary, {
    where: problem.where,
    hint: 'Correct it, or ask for bad lines to be skipped.',
  });
}
