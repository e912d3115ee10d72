import { encodeChat } from '../tokenizer/chat-encoding.js';
import { renderChat } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { messageOf } from '../util/errors.js';
import type { Candidate } from './candidate.js';
import { CONVERSATIONS, type Conversation } from './verify-conversations.js';
import type { Verdict } from './verify-verdict.js';

/** A conversation that two models write in different ways. */
export interface ChatDifference {
  readonly conversation: string;
  readonly what: 'text' | 'ids';
  readonly a: string;
  readonly b: string;
}

export interface ChatComparison {
  readonly verdict: Verdict;
  readonly conversations: number;
  readonly differences: readonly ChatDifference[];
}

/**
 * Compares what two models make of conversations: the rendered text and its ids. Undefined where neither chats; where only
 * one has a template, that is the difference.
 */
export function compareChats(a: Candidate, b: Candidate): ChatComparison | undefined {
  if (a.chatTemplate === undefined && b.chatTemplate === undefined) return undefined;
  if (a.chatTemplate === undefined || b.chatTemplate === undefined) {
    const shown = (template: string | undefined): string =>
      template === undefined ? 'no chat template' : 'a chat template';
    const difference = { what: 'text', a: shown(a.chatTemplate), b: shown(b.chatTemplate) } as const;
    return { verdict: 'differs', conversations: 0, differences: [{ conversation: 'all', ...difference }] };
  }
  const differences: ChatDifference[] = [];
  for (const conversation of CONVERSATIONS) {
    for (const what of ['text', 'ids'] as const) {
      const [left, right] = [written(a, conversation, what), written(b, conversation, what)];
      if (left !== right) differences.push({ conversation: conversation.name, what, a: left, b: right });
    }
  }
  const verdict = differences.length === 0 ? 'equal' : 'differs';
  return { verdict, conversations: CONVERSATIONS.length, differences };
}

/** A conversation by a model's template. A template may refuse one; then both must. */
function written(
  { tokenizer, chatTemplate }: Candidate,
  { messages, tools, isWhole = false }: Conversation,
  what: 'text' | 'ids',
): string {
  const options = {
    addGenerationPrompt: !isWhole,
    bosToken: tokenText(tokenizer, tokenizer.bosId),
    eosToken: tokenText(tokenizer, tokenizer.eosId),
    tools,
  };
  try {
    return what === 'text'
      ? renderChat(chatTemplate!, messages, options)
      : encodeChat(tokenizer, chatTemplate!, messages, options).join(' ');
  } catch (error) {
    return `refused: ${messageOf(error)}`;
  }
}

function tokenText({ specialTokens }: Tokenizer, id: number | undefined): string | undefined {
  return [...specialTokens].find(([, special]) => special === id)?.[0];
}
