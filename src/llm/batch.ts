import type { Generation } from '../generate/engine-options.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import { InputError } from '../util/errors.js';
import type { Finish, Sampling } from './language-model.js';
import type { LocalModel } from './local.js';
import { type ChatTool, callTool, type ToolResult, toolsByName } from './tool-loop.js';

export interface BatchOptions {
  /** Most tokens of each message of the assistant; default 128. */
  readonly maxTokens?: number | undefined;
  /** What the model may call; without tools it makes no call. */
  readonly tools?: readonly ChatTool[] | undefined;
  /** Sequences that are computed together; default 32. */
  readonly batch?: number | undefined;
  /** Most calls for an answer; default 1. */
  readonly maxCalls?: number | undefined;
  /** Default: greedy. */
  readonly sampling?: Sampling | undefined;
  readonly seed?: number | undefined;
  /** Stops early: what has no answer by then has an empty one. */
  readonly signal?: AbortSignal | undefined;
  /** Told from time to time how many conversations have their answer. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface BatchAnswer {
  /** The text of the assistant's last message. */
  readonly answer: string;
  readonly calls: readonly ToolResult[];
  readonly finish: Finish;
}

/** A conversation on its way to an answer. */
interface Pending {
  readonly index: number;
  readonly messages: readonly ChatMessage[];
  readonly calls: readonly ToolResult[];
}

/** Progress is told after so many batches, whose ends are not shared with what follows. */
const BATCHES_A_REPORT = 8;

/**
 * Answers many conversations at once, in their order, without streaming: for evaluation. All of them are generated
 * together up to an answer or a call; the calls are run; those that called are generated together again.
 *
 * @throws {InputError} before anything runs, if the model cannot chat or a conversation is longer than its context. A
 * conversation that only the result of a tool makes too long gets an empty answer that ended for `length`.
 */
export async function answerAll(
  model: LocalModel,
  conversations: readonly (readonly ChatMessage[])[],
  options: BatchOptions = {},
): Promise<BatchAnswer[]> {
  const { tools = [], maxCalls = 1, onProgress } = options;
  const byName = toolsByName(tools);
  const answers = conversations.map((): BatchAnswer => ({ answer: '', calls: [], finish: 'aborted' }));
  let done = 0;
  let pending = conversations.map((messages, index): Pending => ({ index, messages, calls: [] }));
  for (let round = 0; pending.length > 0 && !options.signal?.aborted; round++) {
    const called: Pending[] = [];
    const mayCall = tools.length > 0 && round < maxCalls;
    const prompts = pending.map((conversation) => promptOf(model, conversation, options, round > 0));
    const chunk = BATCHES_A_REPORT * (options.batch ?? 32) * model.enginesOf(options.batch ?? 32).length;
    for (let from = 0; from < pending.length; from += chunk) {
      const part = prompts.slice(from, from + chunk);
      const generations = await generate(model, part, from, options, mayCall);
      for (const [i, generation] of generations.entries()) {
        const conversation = pending[from + i]!;
        const { index, calls } = conversation;
        const { text, asked, finish } = read(model, generation);
        if (asked.length > 0 && finish === 'stop') {
          const results = await Promise.all(asked.map((call) => callTool(byName, call)));
          called.push(withResults(conversation, text, results));
          continue;
        }
        answers[index] = { answer: text, calls, finish };
        done++;
      }
      onProgress?.(done, conversations.length);
    }
    pending = called;
  }
  for (const { index, calls } of pending) answers[index] = { answer: '', calls, finish: 'aborted' };
  return answers;
}

function withResults({ index, messages, calls }: Pending, content: string, results: readonly ToolResult[]): Pending {
  const toolCalls = results.map(({ name, argument }) => ({ name, arguments: argument }));
  return {
    index,
    messages: [
      ...messages,
      { role: 'assistant', content, toolCalls },
      ...results.map(({ result }): ChatMessage => ({ role: 'tool', content: result })),
    ],
    calls: [...calls, ...results],
  };
}

/** The ids of a conversation; undefined for one that is too long, where that is nobody's mistake. */
function promptOf(
  model: LocalModel,
  { index, messages }: Pending,
  options: BatchOptions,
  forgiving: boolean,
): Int32Array | undefined {
  try {
    const { positions } = model;
    return model.format.fit(messages, { positions, room: model.room(options), tools: options.tools }).ids;
  } catch (error) {
    if (forgiving && error instanceof InputError) return undefined;
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.message, { where: `conversation ${index + 1}`, cause: error });
  }
}

async function generate(
  model: LocalModel,
  prompts: readonly (Int32Array | undefined)[],
  first: number,
  options: BatchOptions,
  mayCall: boolean,
): Promise<(Generation | undefined)[]> {
  const { maxTokens = 128, batch = 32, sampling = { temperature: 0 }, seed = 0, signal } = options;
  const engines = model.enginesOf(batch);
  const found: (Generation | undefined)[] = prompts.map(() => undefined);
  // Sequences whose context leaves less room than asked for have to be generated with a lower limit.
  const groups = new Map<number, number[]>();
  for (const [i, ids] of prompts.entries()) {
    if (ids === undefined) continue;
    const limit = Math.min(maxTokens, model.positions + 1 - ids.length);
    groups.set(limit, [...(groups.get(limit) ?? []), i]);
  }
  const generation = {
    sampling: {
      ...model.samplingOf(sampling),
      logitBias: new Map(model.forbiddenIds(mayCall).map((id) => [id, Number.NEGATIVE_INFINITY])),
    },
    stopIds: model.stopIds,
    ...(signal === undefined ? {} : { signal }),
  };
  for (const [limit, members] of groups) {
    const share = Math.ceil(members.length / engines.length);
    await Promise.all(
      engines.map(async (engine, lane) => {
        const own = members.slice(lane * share, (lane + 1) * share);
        const ids = own.map((i) => prompts[i]!);
        // What is drawn depends on the place among all conversations, not on the number of engines.
        const sequence = first + lane * share;
        const generations = await engine.generateBatch(ids, { ...generation, maxTokens: limit, seed, sequence });
        for (const [at, i] of own.entries()) found[i] = generations[at];
      }),
    );
  }
  return found;
}

function read(
  model: LocalModel,
  generation: Generation | undefined,
): { text: string; asked: readonly { name: string; argument: string }[]; finish: Finish } {
  if (generation === undefined) return { text: '', asked: [], finish: 'length' };
  const { tokens, finish } = generation;
  const ids = tokens.map(({ token }) => token);
  if (finish === 'stop') ids.pop();
  const { text, calls } = model.format.parse(ids);
  return { text, asked: calls, finish };
}
