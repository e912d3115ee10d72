import { existsSync } from 'node:fs';
import path from 'node:path';
import { Template } from '@huggingface/jinja';
import { InputError, messageOf } from '../util/errors.js';
import { readTextUpTo } from '../util/file-parts.js';
import { type Json, readJsonObject } from '../util/json.js';
import { TEXT_FUNCTIONS, writeAsPython } from './chat-template-text.js';
import { checkTemplateSource, renderWithin } from './template-limits.js';
import { END_OF_TEXT } from './tokenizer.js';

export interface ToolCall {
  readonly name: string;
  /** A text stands as it is; anything else is written as JSON. */
  readonly arguments: Json;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** Calls that the assistant makes after its content. */
  readonly toolCalls?: readonly ToolCall[];
}

/** The special tokens of a chat tokenizer of ours, in the order of their ids. */
export const CHAT_SPECIAL_TOKENS: readonly string[] = [
  END_OF_TEXT,
  '<|system|>',
  '<|user|>',
  '<|assistant|>',
  '<|tool|>',
  '<|call|>',
  '<|end|>',
];

/**
 * Our own chat template (Jinja): `<|user|>TEXT<|end|><|assistant|>TEXT<|end|>`, and for a tool
 * `<|assistant|><|call|>NAME ARGUMENTS<|end|><|tool|>RESULT<|end|><|assistant|>TEXT<|end|>`. It does not list the
 * tools on offer: a model learns them from its examples.
 */
export const DEFAULT_CHAT_TEMPLATE: string = [
  '{%- for message in messages -%}',
  "{{- '<|' + message.role + '|>' + (message.content or '') -}}",
  '{%- for call in message.tool_calls or [] -%}',
  '{%- set arguments = call.function.arguments -%}',
  "{{- '<|call|>' + call.function.name + ' ' + (arguments if arguments is string else arguments | tojson) -}}",
  '{%- endfor -%}',
  "{{- '<|end|>' -}}",
  '{%- endfor -%}',
  "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}",
].join('\n');

export interface RenderChatOptions {
  /** End with the opening of an assistant's message, for the model to go on. */
  readonly addGenerationPrompt?: boolean;
  /** Descriptions of the tools on offer, in the form that the template expects. */
  readonly tools?: readonly Json[] | undefined;
  readonly bosToken?: string | undefined;
  readonly eosToken?: string | undefined;
}

/** Of a file with a template. */
const MOST_BYTES = 2 ** 22;

const ROLES: readonly string[] = ['system', 'user', 'assistant', 'tool'];

/**
 * Messages as one text, by a Hugging Face chat template.
 *
 * The text holds the template's special tokens and whatever the messages say: `encodeChat` keeps the two apart.
 *
 * A template is a program, and may be a stranger's: it is run within bounds (`template-limits.ts`).
 *
 * @throws {InputError} if the template is not valid, refuses the messages, or takes more than any honest one does.
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  options: RenderChatOptions = {},
): string {
  messages.forEach(({ role }, i) => {
    if (!ROLES.includes(role)) {
      throw new InputError('unknown role', {
        where: `message ${i + 1}`,
        expected: ROLES.join(', '),
        got: String(role),
      });
    }
  });
  // As transformers passes them: tools and documents are always there, a token only where the model has one.
  const variables: { [name: string]: unknown } = {
    ...TEXT_FUNCTIONS,
    messages: messages.map(toStandardMessage),
    tools: options.tools ?? null,
    documents: null,
    add_generation_prompt: options.addGenerationPrompt ?? false,
    ...(options.bosToken === undefined ? {} : { bos_token: options.bosToken }),
    ...(options.eosToken === undefined ? {} : { eos_token: options.eosToken }),
  };
  try {
    return renderWithin(compiled(template), variables);
  } catch (error) {
    const missing = ['bos_token', 'eos_token'].filter((name) => template.includes(name) && !(name in variables));
    // The library walks through a template by calling itself.
    const reason = error instanceof RangeError ? 'its parts lie too deep in one another' : messageOf(error);
    throw new InputError(`cannot render the chat: ${reason}`, {
      where: 'chat template',
      ...(missing.length === 0
        ? {}
        : { hint: `The template may need ${missing.join(' and ')}, which the tokenizer does not name.` }),
      cause: error,
    });
  }
}

let lastTemplate: { readonly source: string; readonly parsed: unknown } | undefined;

function compiled(source: string): unknown {
  // Jinja knows one line break only.
  if (lastTemplate?.source !== source) {
    checkTemplateSource(source);
    const { parsed } = new Template(source.replace(/\r\n?/g, '\n'));
    writeAsPython(parsed);
    lastTemplate = { source, parsed };
  }
  return lastTemplate.parsed;
}

/** The shape that published templates read. */
function toStandardMessage({ role, content, toolCalls }: ChatMessage): { [key: string]: unknown } {
  if (toolCalls === undefined || toolCalls.length === 0) return { role, content };
  return {
    role,
    content,
    tool_calls: toolCalls.map((call) => ({
      type: 'function',
      function: { name: call.name, arguments: call.arguments },
    })),
  };
}

/**
 * The chat template of a model folder: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json` (the one
 * named `default` of several). Undefined where the folder has none.
 *
 * @throws {InputError} if the file is there and unreadable.
 */
export function loadChatTemplate(folder: string): string | undefined {
  const own = path.join(folder, 'chat_template.jinja');
  if (existsSync(own)) return readTextUpTo(own, MOST_BYTES, 'a chat template');
  const config = path.join(folder, 'tokenizer_config.json');
  if (!existsSync(config)) return undefined;
  const found = readJsonObject(config).chat_template;
  if (found === undefined || found === null) return undefined;
  if (typeof found === 'string') return found;
  if (Array.isArray(found)) {
    for (const entry of found) {
      if (entry !== null && typeof entry === 'object' && !Array.isArray(entry) && entry.name === 'default') {
        if (typeof entry.template === 'string') return entry.template;
      }
    }
  }
  throw new InputError('chat_template is neither a text nor a list with one named "default"', { where: config });
}
