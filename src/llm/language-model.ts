import type { ChatMessage } from '../tokenizer/chat-template.js';

/** How the next token is drawn. What is absent is left to the model. */
export interface Sampling {
  /** Divides the logits; 0 is greedy. */
  readonly temperature?: number | undefined;
  /** Keep the K most probable tokens; 0 is off. */
  readonly topK?: number | undefined;
  /** Keep the fewest tokens that hold this share of the probability; 1 is off. */
  readonly topP?: number | undefined;
  /** Keep tokens at least this many times as probable as the most probable one; 0 is off. */
  readonly minP?: number | undefined;
  /** Makes tokens that were used already less likely; 1 is off. */
  readonly repetitionPenalty?: number | undefined;
}

export interface CompletionOptions {
  /** Most tokens to generate. Default: as many as the context has room for. */
  readonly maxTokens?: number | undefined;
  readonly sampling?: Sampling | undefined;
  /** The same seed gives the same text; default 0. */
  readonly seed?: number | undefined;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[] | undefined;
  /** Report each token with its log-probability, and so many of the most probable ones beside it. */
  readonly logProbabilities?: number | undefined;
  /** Ends the answer early; what there is by then is kept, and nothing is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Recognise special tokens that the prompt spells. Default false: untrusted text must not forge them. */
  readonly allowSpecial?: boolean | undefined;
}

/** A tool as a model is told of it. */
export interface ToolDescription {
  /** Letters, digits, `_`, `-` and `.`. */
  readonly name: string;
  readonly description: string;
}

export interface ChatOptions extends Omit<CompletionOptions, 'allowSpecial'> {
  /** What the model may call. Without tools it makes no call. */
  readonly tools?: readonly ToolDescription[] | undefined;
}

/** A token with its text, which is U+FFFD where the token is a part of a character, and its log-probability in nats. */
export interface TokenText {
  readonly id: number;
  readonly text: string;
  readonly logProbability: number;
}

export interface GeneratedTokenText extends TokenText {
  /** The model's most probable tokens at this place, best first. */
  readonly top: readonly TokenText[];
}

/** Tokens of one answer. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Tokens of the prompt that were read before and did not need to be read again. */
  readonly reusedTokens: number;
}

/**
 * Why an answer ended: the model ended it or a stop string was found, `maxTokens` or the context was used up, or it was
 * asked to stop.
 */
export type Finish = 'stop' | 'length' | 'aborted';

/** The last event of every answer. */
export interface EndEvent {
  readonly type: 'end';
  readonly finish: Finish;
  readonly usage: Usage;
  /** The stop string that was found. */
  readonly stop?: string;
}

/** A piece of an answer as it comes: whole characters. */
export type TextEvent =
  | { readonly type: 'text'; readonly text: string }
  /** Only where `logProbabilities` is given; a token comes before the text that it completes. */
  | { readonly type: 'token'; readonly token: GeneratedTokenText }
  | EndEvent;

export type ChatEvent =
  | TextEvent
  /** The model asks for a tool. Nothing has been run. */
  | { readonly type: 'call'; readonly name: string; readonly argument: string }
  /** Something that the user should know. */
  | {
      readonly type: 'note';
      readonly text: string;
      /** How many of the oldest messages, system messages aside, were left out for want of room. */
      readonly droppedMessages: number;
    };

/** A token of a given text. */
export interface ScoredToken {
  readonly id: number;
  readonly text: string;
  /** In nats, given the tokens before it; undefined for a first token with nothing before it. */
  readonly logProbability: number | undefined;
}

/**
 * A language model as everything above this layer sees it: text in, events out, wherever it runs. Every answer is a
 * sequence of events that closes with `end`; leaving the loop early stops the model.
 */
export interface LanguageModel {
  readonly name: string;
  /** Text that follows a prompt. An empty prompt begins a document. @throws {InputError} if it is not usable. */
  complete(prompt: string, options?: CompletionOptions): AsyncIterable<TextEvent>;
  /** The assistant's next message. @throws {InputError} if the model cannot chat, or the messages are not usable. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): AsyncIterable<ChatEvent>;
  /** The log-probability of each token of a text. */
  score(text: string): Promise<readonly ScoredToken[]>;
}

/** The messages without the oldest ones, of which system messages do not count, as a `note` event says. */
export function withoutOldest(messages: readonly ChatMessage[], count: number): ChatMessage[] {
  let left = count;
  return messages.filter(({ role }) => role === 'system' || left-- <= 0);
}

/** All text of an answer, put together. */
export async function textOf(events: AsyncIterable<ChatEvent>): Promise<string> {
  let text = '';
  for await (const event of events) if (event.type === 'text') text += event.text;
  return text;
}
