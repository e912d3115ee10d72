import type { ChatOptions, LanguageModel } from '../../llm/language-model.js';
import { withoutOldest } from '../../llm/language-model.js';
import { type ChatTool, runWithTools, type ToolLoopEvent } from '../../llm/tool-loop.js';
import type { ChatMessage } from '../../tokenizer/chat-template.js';

export interface ChatSessionOptions {
  readonly model: LanguageModel;
  readonly tools: readonly ChatTool[];
  readonly system?: string | undefined;
  readonly options: Omit<ChatOptions, 'tools' | 'signal' | 'seed'>;
  readonly seed: number;
  /** Turns what was typed into the question that is asked; by default it is asked as it is. */
  readonly phrase?: (text: string) => string;
  /** Told of everything that happens in an answer. */
  readonly onEvent: (event: ToolLoopEvent) => void;
  /** Shows a line that is no part of an answer. */
  readonly onNote: (text: string) => void;
}

/** A small model that calls again and again is lost, and would fill its context with results. */
const MOST_CALLS = 2;

const HELP = [
  'Write a question and press Enter. Besides:',
  '  /reset          forget the conversation',
  '  /system [TEXT]  set what the model is told before the conversation, and forget it; without a text, show it',
  '  /help           show this',
  '  /quit           leave',
  'Ctrl-C stops an answer; a second one leaves.',
].join('\n');

/** A conversation at the command line: questions, answers, and commands that begin with a slash. */
export class ChatSession {
  private readonly settings: ChatSessionOptions;
  private system: string | undefined;
  private history: ChatMessage[] = [];
  private turns = 0;

  constructor(settings: ChatSessionOptions) {
    this.settings = settings;
    this.system = settings.system;
  }

  /** What the model gets to read before the next question. */
  get messages(): readonly ChatMessage[] {
    const system: ChatMessage[] = this.system === undefined ? [] : [{ role: 'system', content: this.system }];
    return [...system, ...this.history];
  }

  /**
   * Takes a line. @returns false if it asks to leave.
   * @throws what the model throws; the conversation then stands as before the question.
   */
  async enter(line: string, signal?: AbortSignal): Promise<boolean> {
    const text = line.trim();
    if (text === '') return true;
    if (text.startsWith('/')) return this.command(text);
    await this.ask(text, signal);
    return true;
  }

  /** Asks a question. */
  async ask(question: string, signal?: AbortSignal): Promise<void> {
    const { model, tools, options, seed, phrase, onEvent } = this.settings;
    const user: ChatMessage = { role: 'user', content: phrase?.(question) ?? question };
    let history = [...this.history, user];
    const events = runWithTools(model, [...this.messages, user], tools, {
      ...options,
      maxCalls: MOST_CALLS,
      seed: (seed + this.turns++) >>> 0,
      signal,
    });
    for await (const event of events) {
      onEvent(event);
      if (event.type === 'note') history = withoutOldest(history, event.droppedMessages);
      if (event.type === 'end') history.push(...event.messages);
    }
    this.history = history;
  }

  private command(text: string): boolean {
    const { onNote } = this.settings;
    const [name = '', ...words] = text.split(/\s+/);
    const argument = words.join(' ');
    switch (name) {
      case '/quit':
      case '/exit':
        return false;
      case '/reset':
        this.history = [];
        onNote('The conversation is forgotten.');
        break;
      case '/system':
        if (argument === '') onNote(this.system === undefined ? 'There is no system message.' : this.system);
        else {
          this.system = argument;
          this.history = [];
          onNote('The conversation begins anew under this system message.');
        }
        break;
      case '/help':
        onNote(HELP);
        break;
      default:
        onNote(`There is no command ${name}. /help shows those that there are.`);
    }
    return true;
  }
}
