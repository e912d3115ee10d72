import { AthanorError } from '../util/errors.js';
import type { SamplingOptions } from './sampling-options.js';

/** True where a history changes the logits. */
export function hasPenalties(options: SamplingOptions): boolean {
  return options.repetitionPenalty !== 1 || options.frequencyPenalty !== 0 || options.presencePenalty !== 0;
}

/**
 * Repetition, frequency and presence penalties, in place. For a token that the history holds, with `n` of its
 * occurrences after the prompt:
 *
 *     l ← l > 0 ? l / repetition : l · repetition
 *     l ← l − frequency · n − presence · [n > 0]
 *
 * @param counts `[vocabulary]`, all zero; left all zero
 * @param promptLength how many ids at the beginning of the history were given, not generated
 * @throws {AthanorError} if the history holds an id outside the vocabulary.
 */
export function applyPenalties(
  logits: Float32Array,
  options: SamplingOptions,
  history: ArrayLike<number>,
  promptLength: number,
  counts: Int32Array,
): void {
  const { repetitionPenalty, frequencyPenalty, presencePenalty } = options;
  for (let i = 0; i < history.length; i++) {
    const token = history[i]!;
    if (!(token >= 0 && token < logits.length)) {
      counts.fill(0);
      throw new AthanorError('the history holds an id that the model does not have', {
        where: `sampling, token ${i} of the history`,
        expected: `an id from 0 to ${logits.length - 1}`,
        got: String(token),
      });
    }
    // While counting, n generated occurrences are held as n + 1, so that a token of the prompt alone is seen too.
    if (counts[token] === 0) counts[token] = 1;
    if (i >= promptLength) counts[token]!++;
  }
  for (let i = 0; i < history.length; i++) {
    const token = history[i]!;
    if (counts[token] === 0) continue;
    const generated = counts[token]! - 1;
    counts[token] = 0;
    const logit = logits[token]!;
    const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    logits[token] = repeated - frequencyPenalty * generated - (generated > 0 ? presencePenalty : 0);
  }
}
