import { type ChatMessage, renderChat } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';

/**
 * How chats of one structure (roles, tool calls) are put together. The template is rendered once with placeholders in
 * place of all that the messages say; what lies between the placeholders is the template's own text.
 */

/** A part of a rendered chat: the template's own text, or what a message says (`slot` of the outline's texts). */
export type ChatPiece =
  | { readonly isAnswer: boolean; readonly text: string }
  | { readonly isAnswer: boolean; readonly slot: number };

/** A template bound to a tokenizer. */
export interface ChatFormat {
  readonly tokenizer: Tokenizer;
  readonly template: string;
  readonly tools: readonly Json[] | undefined;
}

// Placeholders are written in characters for private use, which no template contains.
const OPEN = '\ue000';
const CLOSE = '\ue001';
const PLACEHOLDER = /\ue000(\d+)\ue001/g;

function tokenText(tokenizer: Tokenizer, id: number | undefined): string {
  return id === undefined ? '' : Buffer.from(tokenizer.tokenBytes(id)).toString('utf8');
}

/** Renders messages with a format's template. */
export function renderMessages(
  { tokenizer, template, tools }: ChatFormat,
  messages: readonly ChatMessage[],
  addGenerationPrompt = false,
): string {
  return renderChat(template, messages, {
    addGenerationPrompt,
    tools,
    bosToken: tokenText(tokenizer, tokenizer.bosId),
    eosToken: tokenText(tokenizer, tokenizer.eosId),
  });
}

/** Replaces every string in a JSON value. */
function mapStrings(value: Json, replace: (text: string) => string): Json {
  if (typeof value === 'string') return replace(value);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, replace));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, replace)]));
}

/** Messages with placeholders for what they say, and the texts that belong there as the template will write them. */
export interface Outline {
  readonly messages: ChatMessage[];
  readonly texts: string[];
}

/** Takes what the messages say out of them. Empty content stays empty, for templates that ask whether it is. */
export function outlineOf(messages: readonly ChatMessage[]): Outline {
  const texts: string[] = [];
  const slot = (text: string): string => (text === '' ? '' : `${OPEN}${texts.push(text) - 1}${CLOSE}`);
  // Inside the arguments of a tool call a template writes JSON, so that text appears there with JSON's escapes.
  const escaped = (text: string): string => slot(JSON.stringify(text).slice(1, -1));
  const outlined = messages.map(({ role, content, toolCalls }): ChatMessage => {
    if (toolCalls === undefined) return { role, content: slot(content) };
    return {
      role,
      content: slot(content),
      toolCalls: toolCalls.map((call) => ({
        name: slot(call.name),
        arguments: typeof call.arguments === 'string' ? slot(call.arguments) : mapStrings(call.arguments, escaped),
      })),
    };
  });
  return { messages: outlined, texts };
}

/** The end of what a model says in a rendered turn: after its last special token, if only white space follows. */
function answerEnd(turn: string, tokenizer: Tokenizer): number {
  let end = 0;
  for (const special of tokenizer.specialTokens.keys()) {
    const at = turn.lastIndexOf(special);
    if (at !== -1) end = Math.max(end, at + special.length);
  }
  return end > 0 && turn.slice(end).trim() === '' ? end : turn.length;
}

/** The stretches of the rendered outline that the model says: from the generation prompt's end to the closing token. */
function answerSpans(format: ChatFormat, messages: readonly ChatMessage[], whole: string): [number, number][] {
  const spans: [number, number][] = [];
  messages.forEach((message, index) => {
    if (message.role !== 'assistant') return;
    const before = renderMessages(format, messages.slice(0, index), true);
    const after = renderMessages(format, messages.slice(0, index + 1));
    if (!after.startsWith(before) || !whole.startsWith(after)) {
      throw new InputError('the chat template rewrites earlier turns, so the answers cannot be told apart', {
        where: `message ${index + 1}`,
        expected:
          'a template that renders each turn after the last, and ends its generation prompt where answers begin',
      });
    }
    spans.push([before.length, before.length + answerEnd(after.slice(before.length), format.tokenizer)]);
  });
  return spans;
}

/** The pieces of chats with this outline, in their order. @throws {InputError} if the template cannot be taken apart. */
export function planChat(format: ChatFormat, messages: readonly ChatMessage[]): ChatPiece[] {
  const whole = renderMessages(format, messages);
  const spans = answerSpans(format, messages, whole);
  const cuts = new Set<number>([0, whole.length, ...spans.flat()]);
  const slots = new Map<number, number>();
  for (const match of whole.matchAll(PLACEHOLDER)) {
    slots.set(match.index, Number(match[1]));
    cuts.add(match.index).add(match.index + match[0].length);
  }
  const points = [...cuts].sort((a, b) => a - b);
  return points.slice(0, -1).map((start, index): ChatPiece => {
    const isAnswer = spans.some(([from, to]) => start >= from && start < to);
    const slot = slots.get(start);
    return slot === undefined ? { isAnswer, text: whole.slice(start, points[index + 1]) } : { isAnswer, slot };
  });
}
