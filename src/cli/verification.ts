import type { Verification } from '../exchange/verify.js';
import { verificationText } from '../exchange/verify-report.js';
import { AthanorError } from '../util/errors.js';
import { readText } from '../util/files.js';
import type { Json } from '../util/json.js';
import { Progress } from '../util/progress.js';
import { writeLine, writeRecord } from './output.js';

/** Two models that should be the same are not. */
export class VerificationError extends AthanorError {}

/** Prints a verification: a table, or under `--json` one line. */
export function printVerification(
  verification: Verification,
  json: boolean | undefined,
  more: { [key: string]: Json } = {},
): void {
  if (json === true) {
    writeRecord({
      event: 'verification',
      ...more,
      ...(JSON.parse(JSON.stringify(verification)) as { [key: string]: Json }),
    });
  } else writeLine(verificationText(verification));
}

/** Ends the command with exit code 1 where a verdict is `differs`. @throws {VerificationError} */
export function failOnDifference(verifications: readonly Verification[]): void {
  const failed = verifications.filter(({ verdict }) => verdict === 'differs');
  if (failed.length === 0) return;
  const parts = (verification: Verification): string =>
    (['tokenizer', 'outputs', 'greedy', 'chat'] as const)
      .filter((part) => verification[part]?.verdict === 'differs')
      .join(', ');
  throw new VerificationError('the models are not the same', {
    where: failed.map(({ b }) => b).join(', '),
    got: failed.map((verification) => `differs in ${parts(verification)}`).join('; '),
  });
}

/** The lines of a file of texts, empty ones left out. @throws {InputError} */
export function linesOf(file: string): string[] {
  return readText(file)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
}

/** Says on a terminal which part of a verification is under way. */
export function stepLine(label: string, json: boolean | undefined): { onStep(step: string): void; stop(): void } {
  if (json === true || process.stderr.isTTY !== true) return { onStep: () => {}, stop: () => {} };
  const progress = new Progress({ label, stream: process.stderr, total: 4, intervalMs: 0 });
  let done = 0;
  return {
    onStep: (step) => progress.update(done++ % 4, { part: step }),
    stop: () => progress.finish({}),
  };
}
