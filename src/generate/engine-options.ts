import { InputError } from '../util/errors.js';
import type { DecoderModel } from './contract.js';
import type { SampledToken } from './sampling.js';
import type { SamplingOptions } from './sampling-options.js';

export interface GenerationOptions {
  /** Most tokens to generate; default: as many as the model's context has room for. */
  readonly maxTokens?: number;
  /** Default: drawn from the model's own distribution; `{ temperature: 0 }` is greedy. */
  readonly sampling?: Partial<Omit<SamplingOptions, 'topLogProbabilities'>>;
  /** How many of the most probable tokens to report at each step; default 0. */
  readonly logProbabilities?: number;
  /** The same seed gives the same tokens; default 0. */
  readonly seed?: number;
  /** Which of the seed's independent random streams; prompt i of a batch takes `sequence + i`. Default 0. */
  readonly sequence?: number;
  /** Ids that end the sequence, such as the end-of-text token. They are part of the result. */
  readonly stopIds?: Iterable<number>;
  /** Ends generation early; what there is by then is kept, and nothing is thrown. */
  readonly signal?: AbortSignal;
  /**
   * Keep what the cache holds of earlier calls, so that only the new part of a growing chat is read. The weights must not
   * have changed since, which nothing checks; so the default is false.
   */
  readonly reuse?: boolean;
}

/** Why a sequence ended: a stop id, `maxTokens`, or the signal. */
export type FinishReason = 'stop' | 'length' | 'aborted';

export interface GeneratedToken extends SampledToken {
  /** On the last token: why it is the last. With `'stop'`, the token is the stop id. */
  readonly finish?: 'stop' | 'length';
}

/** A whole sequence, without its prompt. */
export interface Generation {
  readonly tokens: readonly GeneratedToken[];
  readonly finish: FinishReason;
}

/** The ids of a prompt, checked, and how many tokens may follow. */
export interface CheckedPrompt {
  readonly ids: readonly number[];
  readonly maxTokens: number;
}

/** @throws {InputError} if the prompt is empty, holds an unknown id, or leaves no room for what is asked. */
export function checkPrompt(
  { vocabularySize, positions }: DecoderModel['config'],
  prompt: ArrayLike<number>,
  maxTokens: number | undefined,
  where: string,
): CheckedPrompt {
  const ids = Array.from(prompt);
  if (ids.length === 0) {
    throw new InputError('nothing to continue', {
      where,
      expected: 'at least one id',
      got: 'none',
      hint: 'Begin with the id that begins a text.',
    });
  }
  const at = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (at >= 0) {
    throw new InputError('not an id of this model', {
      where: `${where}, token ${at}`,
      expected: `0 to ${vocabularySize - 1}`,
      got: `${ids[at]}`,
      hint: 'Encode the text with the tokenizer that the model was trained with.',
    });
  }
  if (maxTokens !== undefined && (!Number.isInteger(maxTokens) || maxTokens < 1)) {
    throw new InputError('not a number of tokens', { where: 'maxTokens', expected: '1 or more', got: `${maxTokens}` });
  }
  if (ids.length + (maxTokens ?? 1) > positions + 1) {
    const room = positions + 1 - ids.length;
    throw new InputError('longer than the context of the model', {
      where,
      expected: `at most ${positions} positions`,
      got: `${ids.length} in the prompt${maxTokens === undefined ? '' : ` and ${maxTokens} to generate`}`,
      hint:
        room > 0
          ? `Ask for at most ${room} tokens, or shorten the prompt.`
          : `Shorten the prompt by ${1 - room} tokens or more, or use a model with a longer context.`,
    });
  }
  return { ids, maxTokens: maxTokens ?? positions + 1 - ids.length };
}
