import type { ChatMessage } from '../tokenizer/chat-template.js';
import { AthanorError } from '../util/errors.js';
import type {
  ChatEvent,
  ChatOptions,
  CompletionOptions,
  EndEvent,
  LanguageModel,
  ScoredToken,
  TextEvent,
} from './language-model.js';

/** What a scripted model does when it is asked: say a text, call a tool, or fail. */
export type ScriptedReply =
  | string
  | { readonly call: { readonly name: string; readonly argument: string }; readonly text?: string }
  | { readonly error: Error };

/** A request that a scripted model got. */
export type ScriptedRequest =
  | { readonly prompt: string; readonly options: CompletionOptions }
  | { readonly messages: readonly ChatMessage[]; readonly options: ChatOptions };

/** Replies in turn, or one made for each request. */
export type Script = readonly ScriptedReply[] | ((request: ScriptedRequest) => ScriptedReply);

export interface ScriptedModelOptions {
  readonly name?: string;
  /** The log-probability that `score` gives to each word of a text; default −1. */
  readonly logProbability?: (word: string) => number;
}

/**
 * A language model for tests: it says what a script says, word by word, and remembers what it was asked. It counts
 * words as tokens, keeps to `maxTokens`, stop strings and the signal.
 */
export class ScriptedModel implements LanguageModel {
  readonly name: string;
  /** Every request so far. */
  readonly requests: ScriptedRequest[] = [];
  private readonly script: Script;
  private readonly logProbability: (word: string) => number;
  private replies = 0;

  constructor(script: Script, { name = 'scripted', logProbability = () => -1 }: ScriptedModelOptions = {}) {
    this.script = script;
    this.name = name;
    this.logProbability = logProbability;
  }

  async *complete(prompt: string, options: CompletionOptions = {}): AsyncGenerator<TextEvent, void, undefined> {
    for await (const event of this.answer({ prompt, options }, prompt)) {
      if (event.type !== 'call' && event.type !== 'note') yield event;
    }
  }

  async *chat(messages: readonly ChatMessage[], options: ChatOptions = {}): AsyncGenerator<ChatEvent, void, undefined> {
    yield* this.answer({ messages: [...messages], options }, messages.map(({ content }) => content).join(' '));
  }

  async score(text: string): Promise<readonly ScoredToken[]> {
    return wordsOf(text).map((word, id) => ({ id, text: word, logProbability: this.logProbability(word) }));
  }

  private next(request: ScriptedRequest): ScriptedReply {
    this.requests.push(request);
    if (typeof this.script === 'function') return this.script(request);
    const reply = this.script[this.replies++];
    if (reply !== undefined) return reply;
    throw new AthanorError('the script is over', { where: this.name, expected: `${this.script.length} requests` });
  }

  private async *answer(request: ScriptedRequest, prompt: string): AsyncGenerator<ChatEvent, void, undefined> {
    const reply = this.next(request);
    const { stop = [], maxTokens = Number.POSITIVE_INFINITY, signal, logProbabilities } = request.options;
    if (typeof reply === 'object' && 'error' in reply) throw reply.error;
    const whole = typeof reply === 'string' ? reply : (reply.text ?? '');
    const found = stop.map((text) => [whole.indexOf(text), text] as const).filter(([at]) => at >= 0);
    const [end, matched] = found.sort(([a], [b]) => a - b)[0] ?? [whole.length, undefined];
    let finish: EndEvent['finish'] = 'stop';
    let completionTokens = 0;
    for (const [id, word] of wordsOf(whole.slice(0, end)).entries()) {
      if (signal?.aborted) finish = 'aborted';
      else if (completionTokens >= maxTokens) finish = 'length';
      if (finish !== 'stop') break;
      completionTokens++;
      const logProbability = this.logProbability(word);
      if (logProbabilities !== undefined) yield { type: 'token', token: { id, text: word, logProbability, top: [] } };
      yield { type: 'text', text: word };
    }
    if (typeof reply === 'object' && finish === 'stop') yield { type: 'call', ...reply.call };
    const usage = { promptTokens: wordsOf(prompt).length, completionTokens, reusedTokens: 0 };
    yield { type: 'end', finish, usage, ...(finish === 'stop' && matched !== undefined ? { stop: matched } : {}) };
  }
}

/** A text in pieces of a word each, the space before it included. */
function wordsOf(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}
