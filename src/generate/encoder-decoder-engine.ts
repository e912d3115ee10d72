import type { EncoderDecoder, EncoderDecoderConfig } from '../models/encoder-decoder.js';
import { array } from '../runtime/array.js';
import { cpu, type Device } from '../runtime/device.js';
import { InputError } from '../util/errors.js';
import { type BeamOptions, BeamSearch, type Hypothesis } from './beam-search.js';
import { EncoderDecoderCache } from './encoder-decoder-cache.js';
import { EncoderDecoderProgram } from './encoder-decoder-program.js';
import type { GeneratedToken, Generation, GenerationOptions } from './engine-options.js';
import { Sequence } from './engine-sequence.js';

export interface EncoderDecoderEngineOptions {
  readonly device?: Device;
  /** Most texts that are computed at once. Default 16. */
  readonly batch?: number;
}

/** As for decoders; `maxTokens` is the model's `positions` where it is not said. */
export type AnswerOptions = Omit<GenerationOptions, 'reuse'>;

export interface BeamSearchOptions extends BeamOptions {
  readonly maxTokens?: number;
  readonly signal?: AbortSignal;
}

/**
 * Generates with an encoder-decoder: the ids of a text in, the ids of another out. The encoder runs once; what the
 * decoder reads of it is kept, and the answer's keys and values grow token by token. The weights are the model's own
 * arrays, as in `GenerationEngine`; on WebGPU keys and values pass through this process's memory at each step.
 *
 * Calls on one engine wait for each other.
 */
export class EncoderDecoderEngine {
  private readonly model: EncoderDecoder;
  private readonly device: Device;
  private readonly batch: number;
  private program: Promise<EncoderDecoderProgram> | undefined;
  private queue: Promise<void> = Promise.resolve();

  /** @throws {InputError} if batch is not a positive whole number. */
  constructor(model: EncoderDecoder, { device = cpu(), batch = 16 }: EncoderDecoderEngineOptions = {}) {
    if (!Number.isInteger(batch) || batch < 1) {
      throw new InputError('not usable', { where: 'batch', expected: 'a whole number above 0', got: `${batch}` });
    }
    this.model = model;
    this.device = device;
    this.batch = batch;
  }

  /**
   * The tokens of the answer to a text, one at a time. Leaving the loop early frees the engine.
   * @throws {InputError} at once, if text or options are not usable.
   */
  stream(text: ArrayLike<number>, options: AnswerOptions = {}): AsyncGenerator<GeneratedToken, void, undefined> {
    const ids = checkText(this.model.config, text, 'text');
    return this.streamSequence(ids, this.sequence(options, 0), options.signal);
  }

  /** The answer to a text. */
  async generate(text: ArrayLike<number>, options: AnswerOptions = {}): Promise<Generation> {
    const [generation] = await this.generateBatch([text], options);
    return generation!;
  }

  /**
   * The answers to many texts of any lengths, in their order, computed together. What a text gives does not depend on the
   * others, up to the rounding of sums in another order.
   * @throws {InputError} before anything runs, if a text or an option is not usable.
   */
  async generateBatch(
    texts: readonly ArrayLike<number>[],
    options: AnswerOptions = {},
  ): Promise<readonly Generation[]> {
    const inputs = texts.map((text, i) =>
      checkText(this.model.config, text, texts.length === 1 ? 'text' : `text ${i}`),
    );
    const sequences = inputs.map((_, i) => this.sequence(options, i));
    const leave = await this.enter();
    try {
      for (let from = 0; from < inputs.length && !options.signal?.aborted; from += this.batch) {
        const to = from + this.batch;
        await this.runTogether(inputs.slice(from, to), sequences.slice(from, to), options.signal);
      }
    } finally {
      leave();
    }
    return sequences.map(({ result }) => result);
  }

  /**
   * The best answers to a text by beam search, best first: as many as there are beams, or fewer.
   * @throws {InputError} if the text or an option is not usable.
   */
  async beamSearch(text: ArrayLike<number>, options: BeamSearchOptions): Promise<readonly Hypothesis[]> {
    const { config } = this.model;
    const ids = checkText(config, text, 'text');
    const search = new BeamSearch(options, checkMaxTokens(config, options.maxTokens));
    const leave = await this.enter();
    try {
      if (options.signal?.aborted) return search.hypotheses;
      const cache = await this.encode([ids]);
      cache.select(new Array(search.rows).fill(0));
      let step = search.advance(await this.step(cache, new Array(search.rows).fill(config.decoderStartId)));
      while (step && !options.signal?.aborted) {
        cache.selectAnswers(step.parents);
        step = search.advance(await this.step(cache, step.tokens));
      }
      return search.hypotheses;
    } finally {
      leave();
    }
  }

  /** Frees the programs. The engine must not be in use. */
  async release(): Promise<void> {
    const program = await this.program;
    this.program = undefined;
    await program?.release();
  }

  private sequence(options: AnswerOptions, index: number): Sequence {
    const { config } = this.model;
    const maxTokens = checkMaxTokens(config, options.maxTokens);
    return new Sequence({ ids: [config.decoderStartId], maxTokens }, options, index);
  }

  private async *streamSequence(
    ids: readonly number[],
    sequence: Sequence,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<GeneratedToken, void, undefined> {
    const leave = await this.enter();
    try {
      if (signal?.aborted) return;
      const cache = await this.encode([ids]);
      while (!signal?.aborted) {
        const token = sequence.draw(await this.step(cache, [sequence.ids.at(-1)!]));
        yield token;
        if (token.finish !== undefined) return;
      }
    } finally {
      leave();
    }
  }

  /** Waits until the engine is free. @returns what frees it again. */
  private async enter(): Promise<() => void> {
    const before = this.queue;
    let leave!: () => void;
    const done = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.queue = before.then(() => done);
    await before;
    return leave;
  }

  /** Runs sequences to their ends; rows that are done leave the batch. */
  private async runTogether(
    texts: readonly (readonly number[])[],
    sequences: readonly Sequence[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { vocabularySize } = this.model.config;
    const cache = await this.encode(texts);
    let active = sequences;
    while (active.length > 0 && !signal?.aborted) {
      const ids = active.map((sequence) => sequence.ids.at(-1)!);
      const logits = await this.step(cache, ids);
      const rows = active.flatMap((sequence, row) =>
        sequence.extend(logits.subarray(row * vocabularySize, (row + 1) * vocabularySize)) ? [row] : [],
      );
      active = rows.map((row) => active[row]!);
      if (rows.length > 0) cache.select(rows);
    }
  }

  private async encode(texts: readonly (readonly number[])[]): Promise<EncoderDecoderCache> {
    const program = await this.open();
    const cache = new EncoderDecoderCache(this.model, texts);
    const [rows, length] = cache.mask.shape as readonly [number, number];
    const ids = new Int32Array(rows * length);
    for (const [row, text] of texts.entries()) ids.set(text, row * length);
    await program.encode(array(ids, [rows, length]), cache.mask, cache.memory);
    return cache;
  }

  /** Enters the newest token of each row. @returns logits `[rows, vocabulary]`. */
  private async step(cache: EncoderDecoderCache, tokens: readonly number[]): Promise<Float32Array> {
    const program = await this.open();
    const { vocabularySize } = this.model.config;
    const logits = new Float32Array(cache.rows * vocabularySize);
    await program.step({
      ids: array(Int32Array.from(tokens), [cache.rows, 1]),
      mask: cache.mask,
      memory: cache.memory,
      past: cache.past,
      next: cache.next(1),
      logits: array(logits, [cache.rows, vocabularySize]),
    });
    cache.advance(1);
    return logits;
  }

  private open(): Promise<EncoderDecoderProgram> {
    this.program ??= EncoderDecoderProgram.open(this.model, this.device);
    return this.program;
  }
}

function checkText({ vocabularySize }: EncoderDecoderConfig, text: ArrayLike<number>, where: string): number[] {
  const ids = Array.from(text);
  if (ids.length === 0) {
    throw new InputError('nothing to answer', {
      where,
      expected: 'at least one id',
      got: 'none',
      hint: 'A text of no words is the id that closes a text.',
    });
  }
  const at = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (at < 0) return ids;
  throw new InputError('not an id of this model', {
    where: `${where}, token ${at}`,
    expected: `0 to ${vocabularySize - 1}`,
    got: `${ids[at]}`,
    hint: 'Encode the text with the tokenizer that the model was trained with.',
  });
}

function checkMaxTokens({ positions }: EncoderDecoderConfig, maxTokens = positions): number {
  if (Number.isInteger(maxTokens) && maxTokens >= 1) return maxTokens;
  throw new InputError('not a number of tokens', { where: 'maxTokens', expected: '1 or more', got: `${maxTokens}` });
}
