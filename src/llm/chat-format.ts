import { encodeChat } from '../tokenizer/chat-encoding.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { ToolDescription } from './language-model.js';

/** The token after which an assistant writes `NAME ARGUMENT`. */
const CALL_TOKEN = '<|call|>';

/** A call that a model wrote. */
export interface ParsedCall {
  readonly name: string;
  readonly argument: string;
}

export interface ParsedAnswer {
  readonly text: string;
  readonly calls: readonly ParsedCall[];
}

/** What a conversation became to fit a context. */
export interface FittedChat {
  readonly ids: Int32Array;
  /** How many of the oldest messages, system messages aside, are not in it. */
  readonly dropped: number;
}

/** A tokenizer with a chat template: conversations to ids, and an assistant's ids back to text and calls. */
export class ChatFormat {
  /** The token that opens a call, where the model has one. */
  readonly callId: number | undefined;
  /** Every special token but the call's ends an answer: none of them can be said. */
  readonly stopIds: ReadonlySet<number>;
  private readonly tokenizer: Tokenizer;
  private readonly template: string;

  constructor(tokenizer: Tokenizer, template: string) {
    this.tokenizer = tokenizer;
    this.template = template;
    this.callId = tokenizer.specialTokens.get(CALL_TOKEN);
    this.stopIds = new Set([...tokenizer.specialTokens.values()].filter((id) => id !== this.callId));
  }

  /** The ids of a conversation, up to where the assistant answers. No message can forge a special token. */
  encode(messages: readonly ChatMessage[], tools: readonly ToolDescription[] = []): Int32Array {
    const tokenOf = (id: number | undefined): string | undefined =>
      [...this.tokenizer.specialTokens].find(([, special]) => special === id)?.[0];
    return encodeChat(this.tokenizer, this.template, messages, {
      addGenerationPrompt: true,
      bosToken: tokenOf(this.tokenizer.bosId),
      eosToken: tokenOf(this.tokenizer.eosId),
      ...(tools.length === 0 || this.callId === undefined ? {} : { tools: tools.map(toolSchema) }),
    });
  }

  /**
   * The ids of a conversation that leave room for an answer: the oldest turns go where there is too much. A turn is what
   * begins with a message of the user; system messages and the last turn stay.
   * @param positions of the context @param room positions wanted for the answer
   * @throws {InputError} if the last turn leaves no room at all.
   */
  fit(
    messages: readonly ChatMessage[],
    { positions, room, tools }: { positions: number; room: number; tools?: readonly ToolDescription[] | undefined },
  ): FittedChat {
    const system = messages.filter(({ role }) => role === 'system');
    const rest = messages.filter(({ role }) => role !== 'system');
    if (rest.length === 0) {
      throw new InputError('there is nothing to answer', { where: 'messages', expected: 'a message of the user' });
    }
    let dropped = 0;
    let ids = this.encode(messages, tools);
    while (ids.length + room > positions + 1) {
      const next = rest.findIndex(({ role }, i) => i > dropped && role === 'user');
      if (next < 0) break;
      dropped = next;
      ids = this.encode([...system, ...rest.slice(dropped)], tools);
    }
    if (ids.length > positions) {
      throw new InputError('longer than the context of the model', {
        where: 'the conversation',
        expected: `at most ${positions} positions`,
        got: `${ids.length} in the last turn alone${system.length > 0 ? ', system message included' : ''}`,
        hint: 'Write less, or use a model with a longer context.',
      });
    }
    return { ids, dropped };
  }

  /** What an assistant's ids say, without the token that ended them. */
  parse(ids: readonly number[]): ParsedAnswer {
    const starts = ids.flatMap((id, at) => (id === this.callId ? [at] : []));
    const text = this.tokenizer.decode(ids.slice(0, starts[0] ?? ids.length), { skipSpecial: true });
    const calls = starts.map((start, i) => this.parseCall(ids.slice(start + 1, starts[i + 1] ?? ids.length)));
    return { text, calls };
  }

  /** `NAME ARGUMENT`. What stands for the name is brought into the form of one, since it is shown and looked up. */
  private parseCall(ids: readonly number[]): ParsedCall {
    const written = this.tokenizer.decode(ids, { skipSpecial: true }).trim();
    const [, name = '', argument = ''] = /^(\S*)\s*(.*)$/s.exec(written) ?? [];
    return { name: name.replace(/[^\w.-]+/g, '_').slice(0, 64), argument };
  }
}

/** The usual description of a function with one text as its argument. */
function toolSchema({ name, description }: ToolDescription): Json {
  const parameters = {
    type: 'object',
    properties: { argument: { type: 'string' } },
    required: ['argument'],
  };
  return { type: 'function', function: { name, description, parameters } };
}
