import type { ChatMessage, ToolCall } from '../tokenizer/chat-template.js';
import type { Json } from '../util/json.js';

/**
 * What one record of a data file holds. `foreign` tells a record of an unknown shape (no known field) from one that
 * has a known field with something wrong in it.
 */
export type DataRecord =
  | { readonly texts: readonly string[]; readonly chat?: ChatMessage[] }
  | { readonly problem: string; readonly foreign: boolean };

type JsonObject = { [key: string]: Json };

/** Field pairs that hold a question and its answer, in the order in which they are looked for. */
const PAIRS: readonly (readonly [question: string, answer: string])[] = [
  ['instruction', 'output'],
  ['instruction', 'response'],
  ['prompt', 'completion'],
  ['prompt', 'response'],
  ['question', 'answer'],
];
const TEXT_FIELDS = ['text', 'content', 'body'] as const;
const CHAT_FIELDS = ['messages', 'conversations'] as const;
const LINE_FIELDS = ['paragraphs', 'para'] as const;
const KNOWN = 'text, content, paragraphs, messages, prompt and completion, or instruction and output';

const ROLES: { readonly [role: string]: ChatMessage['role'] } = {
  system: 'system',
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
  tool: 'tool',
};

/** True if a record with these fields can be read without guessing. */
export function hasKnownField(fields: readonly string[]): boolean {
  return (
    [...TEXT_FIELDS, ...CHAT_FIELDS, ...LINE_FIELDS].some((field) => fields.includes(field)) ||
    PAIRS.some(([question, answer]) => fields.includes(question) && fields.includes(answer))
  );
}

function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isText(value: Json | undefined): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function isTextArray(value: Json | undefined): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string');
}

/** A content string, or the joined text parts of the list form that chat services use. */
function contentOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (!Array.isArray(value)) return undefined;
  const parts = value.map((part) => (isObject(part) && typeof part.text === 'string' ? part.text : undefined));
  return parts.includes(undefined) ? undefined : parts.join('');
}

/** Tool calls as `{ name, arguments }` or in the form of chat services, `{ function: { name, arguments: "json" } }`. */
function toolCallsOf(value: Json | undefined): ToolCall[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const calls: ToolCall[] = [];
  for (const item of value) {
    const call = isObject(item) && isObject(item.function) ? item.function : item;
    if (!isObject(call) || typeof call.name !== 'string') return undefined;
    let parameters: Json = call.arguments ?? {};
    if (typeof parameters === 'string') {
      try {
        parameters = JSON.parse(parameters) as Json;
      } catch {
        return undefined;
      }
    }
    calls.push({ name: call.name, arguments: parameters });
  }
  return calls;
}

/** Reads a list of messages, or says what is wrong with it. */
function messagesOf(list: Json, field: string): ChatMessage[] | string {
  if (!Array.isArray(list) || list.length === 0) return `"${field}" is not a list of messages`;
  const messages: ChatMessage[] = [];
  for (const [index, item] of list.entries()) {
    const at = `${field}[${index}]`;
    if (!isObject(item)) return `${at} is not an object`;
    const name = item.role ?? item.from;
    const role = typeof name === 'string' && Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
    if (role === undefined) return `${at}: role ${JSON.stringify(name)} is not system, user, assistant or tool`;
    const content = contentOf(item.content ?? item.value);
    if (content === undefined) return `${at}: "content" is not text`;
    const given = item.toolCalls ?? item.tool_calls;
    if (given === undefined || given === null) {
      if (content === '' && role === 'assistant') return `${at}: neither content nor tool calls`;
      messages.push({ role, content });
      continue;
    }
    const toolCalls = toolCallsOf(given);
    if (toolCalls === undefined) return `${at}: tool calls are not a list of { name, arguments }`;
    messages.push(toolCalls.length === 0 ? { role, content } : { role, content, toolCalls });
  }
  if (!messages.some((message) => message.role === 'assistant')) return `"${field}" holds no assistant message`;
  return messages;
}

function chatOf(record: JsonObject): ChatMessage[] | string | undefined {
  for (const field of CHAT_FIELDS) {
    if (record[field] !== undefined) return messagesOf(record[field], field);
  }
  for (const [question, answer] of PAIRS) {
    if (!(question in record && answer in record)) continue;
    const asked = record[question];
    const answered = record[answer];
    if (!isText(asked)) return `"${question}" is not a text`;
    if (!isText(answered)) return `"${answer}" is not a text`;
    const content = isText(record.input) ? `${asked}\n\n${record.input}` : asked;
    const system: ChatMessage[] = isText(record.system) ? [{ role: 'system', content: record.system }] : [];
    return [...system, { role: 'user', content }, { role: 'assistant', content: answered }];
  }
  return undefined;
}

/** A poem or a chapter: title, author, and its lines, each on a line. */
function verse(record: JsonObject, lines: readonly string[]): string {
  const title = [record.title, record.rhythmic, record.chapter].find(isText);
  const heading = isText(record.subchapter) ? [title, record.subchapter].filter(isText).join(' ') : title;
  return [heading, record.author, ...lines].filter(isText).join('\n');
}

function chatText(messages: readonly ChatMessage[]): string {
  return messages
    .map((message) => message.content)
    .filter((content) => content !== '')
    .join('\n');
}

/**
 * Reads one record: a string; an object with `text` or `content`; verse (`title`, `author`, `paragraphs`, also nested
 * in lists under `content`); or a chat (`messages`, prompt and completion, instruction and output).
 */
export function readRecord(value: Json): DataRecord {
  if (typeof value === 'string') {
    return isText(value) ? { texts: [value] } : { problem: 'an empty text', foreign: false };
  }
  if (!isObject(value)) return { problem: 'neither an object nor a text', foreign: true };
  const chat = chatOf(value);
  if (typeof chat === 'string') return { problem: chat, foreign: false };
  if (chat !== undefined) return { texts: [chatText(chat)], chat };
  for (const field of LINE_FIELDS) {
    const lines = value[field];
    if (isTextArray(lines)) return { texts: [verse(value, lines)] };
    if (isText(lines)) return { texts: [verse(value, [lines])] };
  }
  const found = TEXT_FIELDS.find((field) => value[field] !== undefined && value[field] !== null);
  if (found === undefined) {
    const fields = Object.keys(value).slice(0, 8).join(', ');
    return {
      problem: `no field with text (looked for ${KNOWN}; the record has: ${fields || 'nothing'})`,
      foreign: true,
    };
  }
  const body = value[found];
  if (isText(body)) return { texts: [body] };
  if (isTextArray(body)) return { texts: [verse(value, body)] };
  if (!Array.isArray(body)) return { problem: `"${found}" is not a text or is empty`, foreign: false };
  const texts: string[] = [];
  for (const part of body) {
    const inner = readRecord(part);
    if ('texts' in inner) texts.push(...inner.texts);
  }
  return texts.length > 0 ? { texts } : { problem: `"${found}" holds no text`, foreign: true };
}
