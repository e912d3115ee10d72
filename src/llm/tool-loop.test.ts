import { expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import { ScriptedModel } from './mock.js';
import { type ChatTool, runWithTools, type ToolLoopEvent } from './tool-loop.js';

const echo: ChatTool = { name: 'echo', description: 'says it again', run: async (text) => `${text}!` };
const question = [{ role: 'user', content: 'say it' }] as const;

async function collect(events: AsyncIterable<ToolLoopEvent>): Promise<ToolLoopEvent[]> {
  const all: ToolLoopEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
const call = (name: string, argument = '') => ({ call: { name, argument } });
const results = (events: readonly ToolLoopEvent[]) =>
  events.flatMap((event) => (event.type === 'result' ? [event.result] : []));

it('runs the tool that is called and lets the model go on', async () => {
  const model = new ScriptedModel([{ ...call('echo', 'ab'), text: 'wait' }, 'it is ab!']);
  const events = await collect(runWithTools(model, question, [echo], { seed: 5 }));
  expect(events.map(({ type }) => type)).toEqual(['text', 'call', 'result', 'text', 'text', 'text', 'end']);
  expect(events[2]).toEqual({ type: 'result', name: 'echo', argument: 'ab', result: 'ab!', succeeded: true });
  expect(events.at(-1)).toMatchObject({
    finish: 'stop',
    usage: { completionTokens: 4 },
    messages: [
      { role: 'assistant', content: 'wait', toolCalls: [{ name: 'echo', arguments: 'ab' }] },
      { role: 'tool', content: 'ab!' },
      { role: 'assistant', content: 'it is ab!' },
    ],
  });
  expect(model.requests[1]).toMatchObject({
    messages: [{ role: 'user' }, { role: 'assistant' }, { role: 'tool', content: 'ab!' }],
    options: { seed: 5, tools: [{ name: 'echo', description: 'says it again' }] },
  });
});

it('tells the model when a tool is unknown or fails, and caps what it reads', async () => {
  const broken: ChatTool = {
    name: 'broken',
    description: '',
    run() {
      throw new Error('out of order');
    },
  };
  const long: ChatTool = { name: 'long', description: '', run: () => `123👍${'x'.repeat(100)}` };
  const model = new ScriptedModel([call('constructor'), call('broken'), call('long'), 'done']);
  const events = await collect(runWithTools(model, question, [broken, long], { maxResultLength: 4 + 20 }));
  expect(results(events)).toEqual(['error: there is no tool ', 'error: out of order', `123👍${'x'.repeat(19)}`]);
  const halved = new ScriptedModel([call('long'), 'done']);
  expect(results(await collect(runWithTools(halved, question, [long], { maxResultLength: 4 })))).toEqual(['123']);
});

it('offers no tool after so many calls, and ends the turn if the model still calls', async () => {
  const model = new ScriptedModel(() => call('echo', 'ab'));
  const events = await collect(runWithTools(model, question, [echo], { maxCalls: 2 }));
  expect(results(events)).toEqual(['ab!', 'ab!', 'error: more than 2 calls in a turn']);
  expect(events.at(-1)).toMatchObject({ type: 'end', finish: 'length' });
  expect(model.requests.map(({ options }) => 'tools' in options && options.tools?.length)).toEqual([1, 1, 0]);
});

it('stops between a call and what follows it', async () => {
  const controller = new AbortController();
  const stopping: ChatTool = { ...echo, run: () => String(controller.abort()) };
  const model = new ScriptedModel([call('echo'), 'never said']);
  const events = await collect(runWithTools(model, question, [stopping], { signal: controller.signal }));
  expect(events.at(-1)).toMatchObject({ type: 'end', finish: 'aborted' });
  expect(model.requests).toHaveLength(1);
});

it('refuses names that are not usable, and passes on what the model throws', async () => {
  await expect(collect(runWithTools(new ScriptedModel([]), question, [echo, echo]))).rejects.toThrow('one name');
  const spaced = { ...echo, name: 'a b' };
  await expect(collect(runWithTools(new ScriptedModel([]), question, [spaced]))).rejects.toThrow('not a name');
  const failing = new ScriptedModel([{ error: new InputError('too long') }]);
  await expect(collect(runWithTools(failing, question, [echo]))).rejects.toThrow('too long');
});
