import { Random } from '../util/random.js';
import type { CheckedPrompt, FinishReason, GeneratedToken, Generation, GenerationOptions } from './engine-options.js';
import { Sampler } from './sampling.js';

/** A sequence in the making: its ids so far, its sampler, and when it ends. */
export class Sequence {
  /** The prompt and what was generated. */
  readonly ids: number[];
  private readonly promptLength: number;
  private readonly maxTokens: number;
  private readonly stopIds: ReadonlySet<number>;
  private readonly sampler: Sampler;
  private readonly tokens: GeneratedToken[] = [];

  /** @param index of the prompt in its batch. @throws {InputError} if a sampling option is out of its range. */
  constructor({ ids, maxTokens }: CheckedPrompt, options: GenerationOptions, index = 0) {
    const { sampling, seed = 0, sequence = 0, stopIds = [], logProbabilities = 0 } = options;
    this.ids = [...ids];
    this.promptLength = ids.length;
    this.maxTokens = maxTokens;
    this.stopIds = new Set(stopIds);
    this.sampler = new Sampler(
      { ...sampling, topLogProbabilities: logProbabilities },
      new Random(seed, sequence + index),
    );
  }

  /** Draws the next token. */
  draw(logits: Float32Array): GeneratedToken {
    const sampled = this.sampler.next(logits, this.ids, this.promptLength);
    this.ids.push(sampled.token);
    const stopped = this.stopIds.has(sampled.token);
    const full = this.ids.length - this.promptLength >= this.maxTokens;
    return stopped ? { ...sampled, finish: 'stop' } : full ? { ...sampled, finish: 'length' } : sampled;
  }

  /** Draws the next token and keeps it. @returns whether the sequence goes on. */
  extend(logits: Float32Array): boolean {
    const token = this.draw(logits);
    this.tokens.push(token);
    return token.finish === undefined;
  }

  get result(): Generation {
    const finish: FinishReason = this.tokens.at(-1)?.finish ?? 'aborted';
    return { tokens: this.tokens, finish };
  }
}
