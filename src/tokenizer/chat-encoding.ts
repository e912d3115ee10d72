import { randomBytes } from 'node:crypto';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { type ChatMessage, type RenderChatOptions, renderChat, type ToolCall } from './chat-template.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * The ids of a chat. Special tokens come from the template alone: a message that spells `<|assistant|>` is encoded as
 * those characters and cannot open a turn.
 *
 * @throws {InputError} if the name or the JSON of a tool or a call spells a special token, or if such a message is
 * rewritten by the template so that its text can no longer be told apart.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  template: string,
  messages: readonly ChatMessage[],
  options: RenderChatOptions = {},
): Int32Array {
  const specials = [...tokenizer.specialTokens.keys()];
  const isForged = (text: string): boolean => specials.some((special) => text.includes(special));
  const isJsonForged = (value: Json | readonly Json[] | undefined): boolean =>
    value !== undefined && isForged(JSON.stringify(value));

  const nonce = randomBytes(8).toString('hex');
  const held: string[] = [];
  const hide = (text: string): string => (isForged(text) ? `\uE000${nonce}:${held.push(text) - 1}\uE001` : text);
  const hideCall = (call: ToolCall): ToolCall => {
    if (typeof call.arguments === 'string' && !isForged(call.name)) {
      return { name: call.name, arguments: hide(call.arguments) };
    }
    if (isForged(call.name) || isJsonForged(call.arguments)) {
      throw new InputError('spells a special token', { where: `tool call ${JSON.stringify(call.name)}` });
    }
    return call;
  };
  if (isJsonForged(options.tools)) throw new InputError('a description spells a special token', { where: 'tools' });
  const safe = messages.map((message) => ({
    ...message,
    content: hide(message.content),
    ...(message.toolCalls === undefined ? {} : { toolCalls: message.toolCalls.map(hideCall) }),
  }));

  const text = renderChat(template, safe, options);
  if (held.length === 0) return tokenizer.encode(text, { allowSpecial: true });
  const parts = text.split(new RegExp(`\uE000${nonce}:(\\d+)\uE001`));
  if (parts.length !== 2 * held.length + 1) {
    throw new InputError('a message spells a special token and the chat template rewrites messages', {
      where: 'chat template',
      hint: 'Take the special token out of the message.',
    });
  }
  const pieces = parts.map((part, i) =>
    i % 2 === 0 ? tokenizer.encode(part, { allowSpecial: true }) : tokenizer.encode(held[Number(part)]!),
  );
  const ids = new Int32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    ids.set(piece, offset);
    offset += piece.length;
  }
  return ids;
}
