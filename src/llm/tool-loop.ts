import type { ChatMessage } from '../tokenizer/chat-template.js';
import { InputError, messageOf } from '../util/errors.js';
import {
  type ChatEvent,
  type ChatOptions,
  type EndEvent,
  type LanguageModel,
  type ToolDescription,
  type Usage,
  withoutOldest,
} from './language-model.js';

/** Something that a model may ask for: a text in, a text out. */
export interface ChatTool extends ToolDescription {
  run(argument: string): string | Promise<string>;
}

/** A call that was answered. */
export interface ToolResult {
  readonly name: string;
  readonly argument: string;
  /** What the model gets to read. */
  readonly result: string;
  /** False where the tool does not exist or failed; the result says why. */
  readonly succeeded: boolean;
}

export type ToolLoopEvent =
  | Exclude<ChatEvent, EndEvent>
  | ({ readonly type: 'result' } & ToolResult)
  | (EndEvent & {
      /** What the turn adds to the conversation: the assistant's messages and the results between them. */
      readonly messages: readonly ChatMessage[];
    });

export interface ToolLoopOptions extends Omit<ChatOptions, 'tools'> {
  /** Most calls in a turn; after them the model is offered no tool, and the turn ends if it still calls. Default 4. */
  readonly maxCalls?: number | undefined;
  /** Longest result that the model gets, in UTF-16 units. Default 2,000. */
  readonly maxResultLength?: number | undefined;
}

const NAME = /^[\w.-]{1,64}$/;

/** @throws {InputError} if a name is not usable or is there twice. */
export function toolsByName(tools: readonly ChatTool[]): ReadonlyMap<string, ChatTool> {
  const byName = new Map<string, ChatTool>();
  for (const tool of tools) {
    if (!NAME.test(tool.name) || byName.has(tool.name)) {
      throw new InputError(byName.has(tool.name) ? 'two tools have one name' : 'not a name for a tool', {
        where: 'tools',
        expected: '1 to 64 letters, digits, "_", "-" or "."',
        got: JSON.stringify(tool.name),
      });
    }
    byName.set(tool.name, tool);
  }
  return byName;
}

/**
 * Runs the tool that a call names, with the text that it gives and nothing else. A tool that is unknown or throws gives
 * a result that says so, for the model to read; nothing is thrown.
 */
export async function callTool(
  tools: ReadonlyMap<string, ChatTool>,
  { name, argument }: { readonly name: string; readonly argument: string },
  maxResultLength = 2000,
): Promise<ToolResult> {
  const tool = tools.get(name);
  const done = (text: string, succeeded: boolean): ToolResult => {
    // Half of a character outside the basic plane is none.
    const result =
      text.length > maxResultLength ? text.slice(0, maxResultLength).replace(/[\ud800-\udbff]$/, '') : text;
    return { name, argument, result, succeeded };
  };
  if (tool === undefined) return done(`error: there is no tool ${name}`, false);
  try {
    return done(String(await tool.run(argument)), true);
  } catch (error) {
    return done(`error: ${messageOf(error)}`, false);
  }
}

/**
 * One turn of a conversation with tools: the model answers, or calls a tool and gets its result until it answers. The
 * last event is the only `end`; its usage is that of all steps together.
 *
 * @throws {InputError} as `chat` does, or if a tool's name is not usable.
 */
export async function* runWithTools(
  model: LanguageModel,
  messages: readonly ChatMessage[],
  tools: readonly ChatTool[],
  options: ToolLoopOptions = {},
): AsyncGenerator<ToolLoopEvent, void, undefined> {
  const { maxCalls = 4, maxResultLength, ...chatOptions } = options;
  const byName = toolsByName(tools);
  const descriptions = tools.map(({ name, description }) => ({ name, description }));
  const added: ChatMessage[] = [];
  let context: readonly ChatMessage[] = messages;
  let usage: Usage = { promptTokens: 0, completionTokens: 0, reusedTokens: 0 };
  let callCount = 0;
  for (;;) {
    let content = '';
    let end: EndEvent | undefined;
    const calls: { name: string; argument: string }[] = [];
    const offered = callCount < maxCalls ? descriptions : [];
    for await (const event of model.chat(context, { ...chatOptions, tools: offered })) {
      if (event.type === 'end') end = event;
      else yield event;
      if (event.type === 'text') content += event.text;
      else if (event.type === 'call') calls.push({ name: event.name, argument: event.argument });
      else if (event.type === 'note') context = withoutOldest(context, event.droppedMessages);
    }
    if (end === undefined) throw new InputError('the model ended without an end event', { where: model.name });
    usage = addUsage(usage, end.usage);
    const toolCalls = calls.map(({ name, argument }) => ({ name, arguments: argument }));
    const message: ChatMessage = { role: 'assistant', content, ...(calls.length === 0 ? {} : { toolCalls }) };
    if (calls.length === 0) {
      added.push(message);
      yield { ...end, usage, messages: added };
      return;
    }
    const results: ChatMessage[] = [];
    const refused = callCount + calls.length > maxCalls;
    for (const call of calls) {
      const limit = `error: more than ${maxCalls} calls in a turn`;
      const result = refused
        ? { ...call, result: limit, succeeded: false }
        : await callTool(byName, call, maxResultLength);
      yield { type: 'result', ...result };
      results.push({ role: 'tool', content: result.result });
    }
    added.push(message, ...results);
    callCount += calls.length;
    const aborted = options.signal?.aborted === true;
    if (refused || aborted) {
      yield { ...end, finish: aborted ? 'aborted' : 'length', usage, messages: added };
      return;
    }
    context = [...context, message, ...results];
  }
}

function addUsage(a: Usage, b: Usage): Usage {
  return {
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    reusedTokens: a.reusedTokens + b.reusedTokens,
  };
}
