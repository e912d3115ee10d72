import * as path from 'node:path';
import { GenerationEngine } from '../generate/engine.js';
import type { SampledToken } from '../generate/sampling.js';
import type { SamplingOptions } from '../generate/sampling-options.js';
import { StopMatcher } from '../generate/stopping.js';
import type { Decoder } from '../models/architecture.js';
import type { GenerationConfig } from '../models/generation-config.js';
import { loadModel } from '../models/load.js';
import { generationOf } from '../models/save.js';
import { cpu, type Device } from '../runtime/device.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import { TextStream } from '../tokenizer/text-stream.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { ChatFormat } from './chat-format.js';
import { deviceFor, isSmall } from './device-choice.js';
import type {
  ChatEvent,
  ChatOptions,
  CompletionOptions,
  Finish,
  GeneratedTokenText,
  LanguageModel,
  Sampling,
  ScoredToken,
  TextEvent,
} from './language-model.js';
import { TokenScorer } from './scoring.js';

/** A model in memory with what turns text into its ids; `loadModel` gives one. */
export interface ModelParts {
  readonly model: Decoder;
  readonly tokenizer: Tokenizer;
  /** A Jinja template, for a model that chats. */
  readonly chatTemplate?: string | undefined;
  /** Default: what opens and closes a text, by the tokenizer. */
  readonly generation?: GenerationConfig | undefined;
}

export interface LocalModelOptions {
  /** Default: `local`. */
  readonly name?: string;
  /** Default: this machine's processor, with one thread for a small model. */
  readonly device?: Device;
  /**
   * Keep what was read, so that a growing chat is not read again. Default true; say false where the weights change
   * between answers, as they do in training.
   */
  readonly reuse?: boolean;
}

/** An answer in the making. */
interface Run {
  readonly ids: ArrayLike<number>;
  readonly options: CompletionOptions;
  readonly stopIds: Iterable<number>;
  readonly textStream: TextStream;
  /** What reads the calls in the answer, where the model may call. */
  readonly format?: ChatFormat;
  readonly forbidden: readonly number[];
}

/** The share of the context that is kept free for an answer whose length was not said. */
const ANSWER_SHARE = 1 / 4;

/** A model that runs here: the weights in memory, decoded with a cache of keys and values. */
export class LocalModel implements LanguageModel {
  readonly name: string;
  readonly model: Decoder;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
  private readonly generation: GenerationConfig;
  private readonly chatFormat: ChatFormat | undefined;
  private readonly reuse: boolean;
  private readonly engine: GenerationEngine;
  private readonly batchEngines = new Map<number, readonly GenerationEngine[]>();
  /** How many engines answer a batch. */
  private readonly lanes: number;
  private scorer: TokenScorer | undefined;
  /** What the engine's cache holds. */
  private held: readonly number[] = [];

  constructor({ model, tokenizer, chatTemplate, generation }: ModelParts, options: LocalModelOptions = {}) {
    const small = isSmall(model);
    const { name = 'local', device = deviceFor(model), reuse = true } = options;
    this.name = name;
    this.model = model;
    this.tokenizer = tokenizer;
    this.device = device;
    const whole = options.device ?? cpu();
    this.lanes = small && whole.kind === 'cpu' ? whole.threads : 1;
    this.generation = generation ?? generationOf(tokenizer);
    this.chatFormat = chatTemplate === undefined ? undefined : new ChatFormat(tokenizer, chatTemplate);
    this.reuse = reuse;
    this.engine = new GenerationEngine(model, { device, batch: 1 });
  }

  /** Loads a model from a folder, as `loadModel` does. @throws {InputError} @throws {CorruptFileError} */
  static async load(place: string, options: LocalModelOptions = {}): Promise<LocalModel> {
    const loaded = await loadModel(place);
    return new LocalModel(loaded, { name: path.basename(path.resolve(place)), ...options });
  }

  /** Longest context, in tokens. */
  get positions(): number {
    return this.model.config.positions;
  }

  /** Whether the model has a chat template. */
  get canChat(): boolean {
    return this.chatFormat !== undefined;
  }

  /** Whether the model has a token that opens a tool call. */
  get canCall(): boolean {
    return this.chatFormat?.callId !== undefined;
  }

  /** How conversations become ids. @throws {InputError} if the model cannot chat. */
  get format(): ChatFormat {
    if (this.chatFormat !== undefined) return this.chatFormat;
    throw new InputError('this model cannot chat: it has no chat template', {
      where: this.name,
      hint: 'It can continue a text: athanor generate MODEL --prompt "..."',
    });
  }

  async *complete(prompt: string, options: CompletionOptions = {}): AsyncGenerator<TextEvent, void, undefined> {
    const { tokenizer } = this;
    const ids = this.promptIds(prompt, options.allowSpecial ?? false);
    const textStream = new TextStream(tokenizer, { skipSpecial: options.allowSpecial !== true });
    // It must know that the text begins here: some tokenizers drop a space there.
    if (prompt === '') textStream.push(ids[0]!);
    const stopIds = [...this.generation.eosIds, tokenizer.bosId, tokenizer.eosId].filter((id) => id !== undefined);
    const forbidden = this.unknownIds();
    for await (const event of this.answer({ ids, options, stopIds, textStream, forbidden })) {
      if (event.type !== 'call' && event.type !== 'note') yield event;
    }
  }

  async *chat(messages: readonly ChatMessage[], options: ChatOptions = {}): AsyncGenerator<ChatEvent, void, undefined> {
    const { format } = this;
    const { tools = [] } = options;
    const { ids, dropped } = format.fit(messages, { positions: this.positions, room: this.room(options), tools });
    if (dropped > 0) {
      const text = `The conversation is longer than the model's context of ${this.positions} tokens; the oldest ${dropped} messages are left out.`;
      yield { type: 'note', text, droppedMessages: dropped };
    }
    const textStream = new TextStream(this.tokenizer, { skipSpecial: true });
    const forbidden = this.forbiddenIds(tools.length > 0);
    yield* this.answer({ ids, options, stopIds: this.stopIds, textStream, format, forbidden });
  }

  async score(text: string): Promise<readonly ScoredToken[]> {
    const { tokenizer } = this;
    const given = Array.from(tokenizer.encode(text));
    const opening = tokenizer.bosId === undefined ? [] : [tokenizer.bosId];
    this.scorer ??= new TokenScorer(this.model, this.device);
    const scores = await this.scorer.score([...opening, ...given]);
    return given.map((id, i) => ({ id, text: this.tokenText(id), logProbability: scores[i + opening.length - 1] }));
  }

  /** How the model is meant to be sampled, with what is asked for instead. */
  samplingOf(sampling: Sampling = {}): Partial<SamplingOptions> {
    const { temperature, topK, topP, minP, repetitionPenalty } = this.generation;
    const given = Object.entries(sampling).filter(([, value]) => value !== undefined);
    const merged = { temperature, topK, topP, minP, repetitionPenalty, ...Object.fromEntries(given) };
    return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
  }

  /** Ids that a chat's answer must not hold: those that no text has, and that of a call where there are no tools. */
  forbiddenIds(mayCall: boolean): number[] {
    const callId = this.chatFormat?.callId;
    return mayCall || callId === undefined ? this.unknownIds() : [callId, ...this.unknownIds()];
  }

  /** Ids that end an answer. @throws {InputError} if the model cannot chat. */
  get stopIds(): ReadonlySet<number> {
    return new Set([...this.generation.eosIds, ...this.format.stopIds]);
  }

  /** Positions to keep free for an answer. */
  room({ maxTokens }: { readonly maxTokens?: number | undefined }): number {
    const share = Math.max(1, Math.floor(this.positions * ANSWER_SHARE));
    return Math.min(maxTokens ?? this.generation.maxNewTokens ?? share, share);
  }

  /**
   * Engines for so many sequences at once each, beside the one that holds the chat. They can run at the same time, and
   * together they use the device: a small model gets one with a thread of its own for each core.
   */
  enginesOf(batch: number): readonly GenerationEngine[] {
    let engines = this.batchEngines.get(batch);
    if (engines === undefined) {
      const device = this.lanes > 1 ? cpu({ threads: 1 }) : this.device;
      engines = Array.from({ length: this.lanes }, () => new GenerationEngine(this.model, { device, batch }));
      this.batchEngines.set(batch, engines);
    }
    return engines;
  }

  /** Frees everything but the weights. No answer may be under way. */
  async release(): Promise<void> {
    for (const engine of [this.engine, ...[...this.batchEngines.values()].flat()]) await engine.release();
    this.batchEngines.clear();
    await this.scorer?.release();
    this.scorer = undefined;
  }

  /**
   * The ids of a text to continue, with what the tokenizer puts around texts and nothing else: an opening token that the
   * model has not seen there (GPT-2 has one for empty prompts alone) changes every answer.
   */
  private promptIds(prompt: string, allowSpecial: boolean): number[] {
    const { bosId, eosId } = this.tokenizer;
    const ids = Array.from(this.tokenizer.encode(prompt, { allowSpecial, addSpecial: prompt !== '' }));
    // A prompt that spells the opening token has it once.
    if (bosId !== undefined && ids[0] === bosId && ids[1] === bosId) ids.shift();
    if (ids.length > 0) return ids;
    // Documents follow each other with the closing token between them: behind it one begins.
    const opening = bosId ?? this.generation.bosId ?? eosId ?? this.generation.eosIds[0];
    if (opening !== undefined) return [opening];
    throw new InputError('the prompt is empty, and the model has no token that begins a text', {
      where: 'prompt',
      hint: 'Give it some text to continue.',
    });
  }

  /** Ids of the model that its tokenizer does not have. */
  private unknownIds(): number[] {
    const known = this.tokenizer.vocabularySize;
    const count = Math.max(0, this.model.config.vocabularySize - known);
    return Array.from({ length: count }, (_, i) => known + i);
  }

  private async *answer(run: Run): AsyncGenerator<ChatEvent, void, undefined> {
    const { options, textStream, format } = run;
    const ids = Array.from(run.ids);
    const maxTokens = options.maxTokens ?? this.generation.maxNewTokens;
    const matcher = new StopMatcher(options.stop ?? []);
    const room = this.positions + 1 - ids.length;
    const tokens = this.engine.stream(ids, {
      ...(maxTokens === undefined ? {} : { maxTokens: room > 0 ? Math.min(maxTokens, room) : maxTokens }),
      sampling: {
        ...this.samplingOf(options.sampling),
        logitBias: new Map(run.forbidden.map((id) => [id, Number.NEGATIVE_INFINITY])),
      },
      seed: options.seed ?? 0,
      stopIds: run.stopIds,
      reuse: this.reuse,
      ...(options.logProbabilities === undefined ? {} : { logProbabilities: options.logProbabilities }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const reusedTokens = this.reuse ? commonLength(this.held, ids) : 0;
    const written: number[] = [];
    let callAt: number | undefined;
    let finish: Finish = 'aborted';
    let stop: string | undefined;
    this.held = [];
    try {
      for await (const token of tokens) {
        if (token.finish !== undefined) finish = token.finish;
        if (token.finish === 'stop') break;
        written.push(token.token);
        if (options.logProbabilities !== undefined) yield { type: 'token', token: this.describe(token) };
        if (format !== undefined && token.token === format.callId) callAt ??= written.length - 1;
        if (callAt !== undefined) continue;
        const { emit, stopped, matched } = matcher.push(textStream.push(token.token));
        if (emit !== '') yield { type: 'text', text: emit };
        if (!stopped) continue;
        finish = 'stop';
        stop = matched;
        break;
      }
    } finally {
      // The last token was drawn and not read.
      this.held = [...ids, ...written.slice(0, -1)];
    }
    if (stop === undefined) {
      const last = matcher.push(textStream.end());
      const rest = last.emit + matcher.end();
      if (rest !== '') yield { type: 'text', text: rest };
      if (last.stopped) [finish, stop] = ['stop', last.matched];
    }
    // A call that was cut off must not be taken for a whole one.
    if (callAt !== undefined && finish === 'stop') {
      for (const call of format!.parse(written.slice(callAt)).calls) yield { type: 'call', ...call };
    }
    const usage = { promptTokens: ids.length, completionTokens: written.length, reusedTokens };
    yield { type: 'end', finish, usage, ...(stop === undefined ? {} : { stop }) };
  }

  private describe({ token, logProbability, top = [] }: SampledToken): GeneratedTokenText {
    return {
      id: token,
      text: this.tokenText(token),
      logProbability,
      top: top.map((other) => ({
        id: other.token,
        text: other.token < this.tokenizer.vocabularySize ? this.tokenText(other.token) : '',
        logProbability: other.logProbability,
      })),
    };
  }

  private tokenText(id: number): string {
    return Buffer.from(this.tokenizer.tokenBytes(id)).toString('utf8');
  }
}

/** How many ids of a prompt a cache holds already; never all of them, since the last one is always read. */
function commonLength(held: readonly number[], ids: readonly number[]): number {
  const most = Math.min(held.length, ids.length - 1);
  let common = 0;
  while (common < most && held[common] === ids[common]) common++;
  return common;
}
