import type { ChatMessage } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { type ChatFormat, type ChatPiece, outlineOf, planChat, renderMessages } from './chat-plan.js';

/** A chat as tokens. */
export interface EncodedChat {
  readonly ids: Int32Array;
  /** 1 for the tokens that the assistant says, its closing token included; 0 for all others. */
  readonly isAnswer: Uint8Array;
}

/** Options of `encodeChat`. */
export interface ChatEncodingOptions {
  /** Tools that the template describes to the model. */
  readonly tools?: readonly Json[];
}

interface Plan {
  readonly pieces: readonly ChatPiece[];
  uses: number;
}

/** A stretch of a chat that is encoded at once. */
interface Run {
  text: string;
  readonly isAnswer: boolean;
  /** False for a message that spells a special token: there it is ordinary text. */
  readonly allowSpecial: boolean;
}

/** Chats of one structure that are compared with the template's own rendering whatever they say. */
const ALWAYS_VERIFIED = 16;
const MOST_PLANS = 4096;
/** Text on which a template could act in its own way: space at an end, or signs of markup. */
const UNUSUAL = /^\s|\s$|[<{[]/;

/** Encodes the chats of one template, and remembers what the template writes for each structure of a chat. */
class ChatEncoder {
  private readonly plans = new Map<string, Plan>();
  private readonly specials: readonly string[];

  constructor(private readonly format: ChatFormat) {
    this.specials = [...format.tokenizer.specialTokens.keys()];
    const forged = this.specials.find((special) => JSON.stringify(format.tools ?? []).includes(special));
    if (forged !== undefined) throw new InputError('the description of a tool spells a special token', { got: forged });
  }

  encode(messages: readonly ChatMessage[]): EncodedChat {
    const { messages: outlined, texts } = outlineOf(messages);
    const plan = this.plan(outlined);
    const unusual =
      messages.some(({ toolCalls }) => toolCalls !== undefined) || texts.some((text) => UNUSUAL.test(text));
    if (plan.uses++ < ALWAYS_VERIFIED || unusual) this.verify(plan.pieces, texts, messages);
    const runs = this.runs(plan.pieces, texts);
    const parts = runs.map(({ text, allowSpecial }) => this.format.tokenizer.encode(text, { allowSpecial }));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const ids = new Int32Array(length);
    const isAnswer = new Uint8Array(length);
    let at = 0;
    parts.forEach((part, index) => {
      ids.set(part, at);
      if (runs[index]!.isAnswer) isAnswer.fill(1, at, at + part.length);
      at += part.length;
    });
    return { ids, isAnswer };
  }

  private plan(outlined: readonly ChatMessage[]): Plan {
    const key = JSON.stringify(outlined);
    let plan = this.plans.get(key);
    if (plan === undefined) {
      const forged = this.specials.find((special) => key.includes(special));
      if (forged !== undefined) {
        throw new InputError('a name in the arguments of a tool call spells a special token', { got: forged });
      }
      if (this.plans.size >= MOST_PLANS) this.plans.clear();
      plan = { pieces: planChat(this.format, outlined), uses: 0 };
      this.plans.set(key, plan);
    }
    return plan;
  }

  /** Joins pieces as far as text may be cut into tokens across them, so that tokens are those of the whole text. */
  private runs(pieces: readonly ChatPiece[], texts: readonly string[]): Run[] {
    const runs: Run[] = [];
    for (const piece of pieces) {
      const text = 'text' in piece ? piece.text : texts[piece.slot]!;
      const allowSpecial = 'text' in piece || !this.specials.some((special) => text.includes(special));
      const last = runs.at(-1);
      if (allowSpecial && last?.allowSpecial && last.isAnswer === piece.isAnswer) last.text += text;
      else runs.push({ text, isAnswer: piece.isAnswer, allowSpecial });
    }
    return runs;
  }

  /** The pieces, joined, must be what the template writes for these very messages. */
  private verify(pieces: readonly ChatPiece[], texts: readonly string[], messages: readonly ChatMessage[]): void {
    const joined = pieces.map((piece) => ('text' in piece ? piece.text : texts[piece.slot]!)).join('');
    const rendered = renderMessages(this.format, messages);
    if (joined === rendered) return;
    let at = 0;
    while (at < joined.length && joined[at] === rendered[at]) at++;
    throw new InputError('the chat template changes what the messages say', {
      expected: JSON.stringify(joined.slice(at, at + 40)),
      got: JSON.stringify(rendered.slice(at, at + 40)),
      hint: 'Use a template that writes contents as they are, or remove white space at the ends of the messages.',
    });
  }
}

const encoders = new WeakMap<Tokenizer, Map<string, ChatEncoder>>();

function encoderFor(tokenizer: Tokenizer, template: string, tools: readonly Json[] | undefined): ChatEncoder {
  let known = encoders.get(tokenizer);
  if (known === undefined) {
    known = new Map();
    encoders.set(tokenizer, known);
  }
  const key = JSON.stringify([template, tools]);
  let encoder = known.get(key);
  if (encoder === undefined) {
    encoder = new ChatEncoder({ tokenizer, template, tools });
    known.set(key, encoder);
  }
  return encoder;
}

/**
 * Encodes a chat so that the loss can be taken on what the assistant says alone: contents, tool calls and the token
 * that closes its turn; not what users or tools say, nor the role markers. The text is cut where an answer begins and
 * ends, as it is when a model answers. A message that spells a special token becomes ordinary text.
 *
 * @param template a Jinja chat template, as in `tokenizer_config.json`.
 * @throws {InputError} if the template changes the contents or rewrites earlier turns.
 */
export function encodeChat(
  messages: readonly ChatMessage[],
  tokenizer: Tokenizer,
  template: string,
  options: ChatEncodingOptions = {},
): EncodedChat {
  return encoderFor(tokenizer, template, options.tools).encode(messages);
}
