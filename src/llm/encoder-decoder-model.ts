import * as path from 'node:path';
import { EncoderDecoderEngine } from '../generate/encoder-decoder-engine.js';
import type { GeneratedToken } from '../generate/engine-options.js';
import type { SamplingOptions } from '../generate/sampling-options.js';
import { StopMatcher } from '../generate/stopping.js';
import type { EncoderDecoder } from '../models/encoder-decoder.js';
import type { GenerationConfig } from '../models/generation-config.js';
import { type AnyModel, type LoadedModel, loadAnyModel } from '../models/load.js';
import { generationOf } from '../models/save.js';
import type { Device } from '../runtime/device.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import { TextStream } from '../tokenizer/text-stream.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { deviceFor } from './device-choice.js';
import { AnswerScorer } from './encoder-decoder-scoring.js';
import type {
  ChatOptions,
  CompletionOptions,
  Finish,
  GeneratedTokenText,
  LanguageModel,
  Sampling,
  ScoredToken,
  TextEvent,
} from './language-model.js';

/** An encoder-decoder in memory with what turns text into its ids; `loadAnyModel` gives one. */
export interface EncoderDecoderParts {
  readonly model: EncoderDecoder;
  readonly tokenizer: Tokenizer;
  /** Default: what closes a text, by the tokenizer. */
  readonly generation?: GenerationConfig | undefined;
}

export interface EncoderDecoderModelOptions {
  /** Default: `local`. */
  readonly name?: string;
  /** Default: this machine's processor, with one thread for a small model. */
  readonly device?: Device;
  /**
   * With more than 1, answers that are not sampled come from a beam search with so many beams, whole and not token by
   * token. Default 1.
   */
  readonly beams?: number;
  /** Of the beam search; above 0 favours long answers. Default 1. */
  readonly lengthPenalty?: number;
}

/** A token on its way into the answer; beam search gives no probabilities. */
type AnswerToken = Pick<GeneratedToken, 'token' | 'finish'> & Partial<GeneratedToken>;

/** Whether a model reads a text and writes another. */
export function isEncoderDecoder(loaded: LoadedModel<AnyModel>): loaded is LoadedModel<AnyModel & EncoderDecoder> {
  return loaded.architecture.kind === 'encoder-decoder';
}

/**
 * A model that reads a prompt whole and writes an answer to it, such as T5: a translation, a summary, what an instruction
 * asks for. Where neither the caller nor the model's files say how to sample, it takes the most probable token each time:
 * these models are made to be right rather than to tell stories.
 */
export class EncoderDecoderModel implements LanguageModel {
  readonly name: string;
  readonly model: EncoderDecoder;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
  private readonly generation: GenerationConfig;
  private readonly beams: number;
  private readonly lengthPenalty: number;
  private readonly engine: EncoderDecoderEngine;
  private scorer: AnswerScorer | undefined;

  constructor({ model, tokenizer, generation }: EncoderDecoderParts, options: EncoderDecoderModelOptions = {}) {
    const { name = 'local', beams = 1, lengthPenalty = 1 } = options;
    this.name = name;
    this.model = model;
    this.tokenizer = tokenizer;
    this.device = options.device ?? deviceFor(model);
    this.generation = generation ?? generationOf(tokenizer);
    this.beams = beams;
    this.lengthPenalty = lengthPenalty;
    this.engine = new EncoderDecoderEngine(model, { device: this.device });
  }

  /** Loads a model from a folder, as `loadAnyModel` does. @throws {InputError} @throws {CorruptFileError} */
  static async load(place: string, options: EncoderDecoderModelOptions = {}): Promise<EncoderDecoderModel> {
    const loaded = await loadAnyModel(place);
    if (isEncoderDecoder(loaded)) {
      return new EncoderDecoderModel(loaded, { name: path.basename(path.resolve(place)), ...options });
    }
    throw new InputError('this model does not read one text and write another', {
      where: place,
      expected: 'an encoder-decoder, such as t5 or mt5',
      got: `${loaded.architecture.modelType}, of the kind ${loaded.architecture.kind}`,
    });
  }

  /** The answer to a prompt, which the encoder reads. */
  async *complete(prompt: string, options: CompletionOptions = {}): AsyncGenerator<TextEvent, void, undefined> {
    const text = this.textIds(prompt, options.allowSpecial ?? false);
    const matcher = new StopMatcher(options.stop ?? []);
    const stream = new AnswerText(this.tokenizer, options.allowSpecial !== true);
    let completionTokens = 0;
    let finish: Finish = 'aborted';
    let stop: string | undefined;
    for await (const token of this.tokens(text, options)) {
      if (token.finish !== undefined) finish = token.finish;
      if (token.finish === 'stop') break;
      completionTokens++;
      if (options.logProbabilities !== undefined) yield { type: 'token', token: this.describe(token) };
      const { emit, stopped, matched } = matcher.push(stream.push(token.token));
      if (emit !== '') yield { type: 'text', text: emit };
      if (!stopped) continue;
      finish = 'stop';
      stop = matched;
      break;
    }
    if (stop === undefined) {
      const last = matcher.push(stream.end());
      const rest = last.emit + matcher.end();
      if (rest !== '') yield { type: 'text', text: rest };
      if (last.stopped) [finish, stop] = ['stop', last.matched];
    }
    const usage = { promptTokens: text.length, completionTokens, reusedTokens: 0 };
    yield { type: 'end', finish, usage, ...(stop === undefined ? {} : { stop }) };
  }

  /**
   * The answer to one question: a conversation is no form that these models know, so the only message must be the user's.
   * @throws {InputError} for any other conversation, and for tools.
   */
  async *chat(messages: readonly ChatMessage[], options: ChatOptions = {}): AsyncGenerator<TextEvent, void, undefined> {
    const [message] = messages;
    if (messages.length !== 1 || message?.role !== 'user' || (options.tools ?? []).length > 0) {
      throw new InputError('this model answers one question at a time', {
        where: this.name,
        expected: 'one message of the user, and no tools',
        got: `${messages.map(({ role }) => role).join(', ') || 'no messages'}${options.tools?.length ? ', with tools' : ''}`,
        hint: 'Put all that the model has to know into one prompt: athanor generate MODEL --prompt "..."',
      });
    }
    yield* this.complete(message.content, options);
  }

  /** The log-probability of each token of a text as the answer to a prompt of no words. */
  async score(text: string): Promise<readonly ScoredToken[]> {
    return this.scoreIds(this.textIds('', false), Array.from(this.tokenizer.encode(text)));
  }

  /** The log-probability of each token of an answer to a prompt, the one that closes it included. */
  async scoreAnswer(prompt: string, answer: string): Promise<readonly ScoredToken[]> {
    return this.scoreIds(this.textIds(prompt, false), this.textIds(answer, false));
  }

  /** Frees everything but the weights. No answer may be under way. */
  async release(): Promise<void> {
    await this.engine.release();
    await this.scorer?.release();
    this.scorer = undefined;
  }

  private async scoreIds(text: readonly number[], answer: readonly number[]): Promise<readonly ScoredToken[]> {
    this.scorer ??= new AnswerScorer(this.model, this.device);
    const scores = await this.scorer.score(text, answer);
    return answer.map((id, i) => ({ id, text: this.tokenText(id), logProbability: scores[i] }));
  }

  /** The ids of a text as the model was trained to see it: with the token that closes it. */
  private textIds(text: string, allowSpecial: boolean): number[] {
    const ids = Array.from(this.tokenizer.encode(text, { allowSpecial, addSpecial: true }));
    const closing = this.tokenizer.eosId ?? this.generation.eosIds[0];
    if (closing !== undefined && ids.at(-1) !== closing) ids.push(closing);
    if (ids.length > 0) return ids;
    throw new InputError('the prompt is empty, and the model has no token that closes a text', { where: 'prompt' });
  }

  private samplingOf(sampling: Sampling = {}): Partial<SamplingOptions> {
    const { temperature = 0, topK, topP, minP, repetitionPenalty } = this.generation;
    const given = Object.entries(sampling).filter(([, value]) => value !== undefined);
    const merged = { temperature, topK, topP, minP, repetitionPenalty, ...Object.fromEntries(given) };
    return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
  }

  private async *tokens(
    text: readonly number[],
    options: CompletionOptions,
  ): AsyncGenerator<AnswerToken, void, undefined> {
    const { generation, tokenizer } = this;
    const maxTokens = options.maxTokens ?? generation.maxNewTokens;
    const common = {
      stopIds: [...generation.eosIds, tokenizer.eosId].filter((id) => id !== undefined),
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    const sampling = this.samplingOf(options.sampling);
    const forbidden = this.unknownIds();
    if (this.beams > 1 && sampling.temperature === 0) {
      this.checkBeamOptions(options);
      const { beams, lengthPenalty } = this;
      const [best] = await this.engine.beamSearch(text, { ...common, beams, lengthPenalty, forbidden });
      const { ids, finish } = best!;
      for (const [i, token] of ids.entries()) {
        yield i === ids.length - 1 && finish !== 'aborted' ? { token, finish } : { token };
      }
      return;
    }
    yield* this.engine.stream(text, {
      ...common,
      sampling: { ...sampling, logitBias: new Map(forbidden.map((id) => [id, Number.NEGATIVE_INFINITY])) },
      seed: options.seed ?? 0,
      ...(options.logProbabilities === undefined ? {} : { logProbabilities: options.logProbabilities }),
    });
  }

  /** What a beam search would pass over without a word. */
  private checkBeamOptions({ logProbabilities, sampling }: CompletionOptions): void {
    const penalty = sampling?.repetitionPenalty ?? this.generation.repetitionPenalty ?? 1;
    if (logProbabilities === undefined && penalty === 1) return;
    throw new InputError('a beam search does not do this', {
      where: logProbabilities === undefined ? 'sampling.repetitionPenalty' : 'logProbabilities',
      hint: 'Use one beam.',
    });
  }

  /** Ids of the model that its tokenizer does not have. */
  private unknownIds(): number[] {
    const known = this.tokenizer.vocabularySize;
    const count = Math.max(0, this.model.config.vocabularySize - known);
    return Array.from({ length: count }, (_, i) => known + i);
  }

  private describe({ token, logProbability = Number.NaN, top = [] }: AnswerToken): GeneratedTokenText {
    return {
      id: token,
      text: this.tokenText(token),
      logProbability,
      top: top.map((other) => ({
        id: other.token,
        text: this.tokenText(other.token),
        logProbability: other.logProbability,
      })),
    };
  }

  private tokenText(id: number): string {
    if (id >= this.tokenizer.vocabularySize) return '';
    return Buffer.from(this.tokenizer.tokenBytes(id)).toString('utf8');
  }
}

/** The text of an answer as its tokens come. Where the tokenizer puts a space before a text, the answer's own is dropped. */
class AnswerText {
  private readonly stream: TextStream;
  private atStart: boolean;

  constructor(tokenizer: Tokenizer, skipSpecial: boolean) {
    this.stream = new TextStream(tokenizer, { skipSpecial });
    this.atStart = tokenizer.dropsLeadingSpace === true;
  }

  push(id: number): string {
    return this.begun(this.stream.push(id));
  }

  end(): string {
    return this.begun(this.stream.end());
  }

  private begun(text: string): string {
    if (!this.atStart || text === '') return text;
    this.atStart = false;
    return text.startsWith(' ') ? text.slice(1) : text;
  }
}
