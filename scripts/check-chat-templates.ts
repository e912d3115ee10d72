// Renders every chat template of a folder (*.jinja) with our renderChat and with Python's transformers, and compares the texts.
//
//     npx tsx scripts/check-chat-templates.ts FOLDER --python venv/bin/python [--verbose]
//
// The Python needs transformers and jinja2 (see check-chat-templates.py). Templates are published with models; a collection
// lies in models/templates of llama.cpp. A conversation that both refuse counts as equal. Exit code 1 if any text differs.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ChatMessage, type RenderChatOptions, renderChat } from '../src/tokenizer/chat-template.js';
import type { Json } from '../src/util/json.js';

interface Case {
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly options: RenderChatOptions;
}

const TOOLS: Json[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather of a city — now & "here" <soon>.',
      parameters: {
        type: 'object',
        properties: {
          city: { type: 'string', description: 'Its name; e.g. 北京' },
          days: { type: 'integer', default: 1 },
          unit: { type: 'string', enum: ['C', 'F'] },
        },
        required: ['city'],
      },
    },
  },
];

const system: ChatMessage = { role: 'system', content: 'You are brief.\n' };
const question: ChatMessage = { role: 'user', content: '  How warm is it in 北京? "quoted" <b>&amp;\n' };
const answer: ChatMessage = { role: 'assistant', content: 'Warm: 25 °C.' };
const thanks: ChatMessage = { role: 'user', content: 'Thanks! 🙂' };
const thought: ChatMessage = { role: 'assistant', content: '<think>\nThey thank.\n</think>\n\nYou are welcome.' };
const call: ChatMessage = {
  role: 'assistant',
  content: '',
  toolCalls: [{ name: 'get_weather', arguments: { city: '北京', days: 2, exact: true, of: ['now', 1] } }],
};
const vague: ChatMessage = { ...call, toolCalls: [{ name: 'get_weather', arguments: { city: null } }] };
const result: ChatMessage = { role: 'tool', content: '{"temperature": 25.0}' };

const SPECIALS = { bosToken: '<s>', eosToken: '</s>' };

const CASES: readonly Case[] = [
  { name: 'question', messages: [question], options: { ...SPECIALS, addGenerationPrompt: true } },
  { name: 'no prompt', messages: [question, answer], options: SPECIALS },
  { name: 'system', messages: [system, question, answer, thanks], options: { ...SPECIALS, addGenerationPrompt: true } },
  { name: 'no specials', messages: [question, answer, thanks], options: { addGenerationPrompt: true } },
  {
    name: 'thought',
    messages: [question, answer, thanks, thought, question],
    options: { ...SPECIALS, addGenerationPrompt: true },
  },
  {
    name: 'tools on offer',
    messages: [system, question],
    options: { ...SPECIALS, addGenerationPrompt: true, tools: TOOLS },
  },
  {
    name: 'tool called',
    messages: [system, question, call, result, answer, thanks],
    options: { ...SPECIALS, addGenerationPrompt: true, tools: TOOLS },
  },
  {
    name: 'tool called last',
    messages: [question, call, result],
    options: { ...SPECIALS, addGenerationPrompt: true, tools: TOOLS },
  },
  {
    name: 'null argument',
    messages: [question, vague, result, answer],
    options: { ...SPECIALS, tools: TOOLS },
  },
  { name: 'wrong order', messages: [answer, thanks], options: { ...SPECIALS, addGenerationPrompt: true } },
];

type Outcome = { readonly text: string } | { readonly error: string };

/** As apply_chat_template is called. */
function forPython({ name, messages, options }: Case): Json {
  return {
    name,
    messages: messages.map(({ role, content, toolCalls }) => ({
      role,
      content,
      ...(toolCalls === undefined
        ? {}
        : {
            tool_calls: toolCalls.map((one) => ({
              type: 'function',
              function: { name: one.name, arguments: one.arguments },
            })),
          }),
    })),
    options: {
      add_generation_prompt: options.addGenerationPrompt ?? false,
      tools: options.tools === undefined ? null : [...options.tools],
      ...(options.bosToken === undefined ? {} : { bos_token: options.bosToken }),
      ...(options.eosToken === undefined ? {} : { eos_token: options.eosToken }),
    },
  };
}

function ours(template: string, { messages, options }: Case): Outcome {
  try {
    return { text: renderChat(template, messages, options) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** Where two texts part. */
function difference(mine: Outcome, theirs: Outcome): string {
  if ('error' in mine) return `ours is refused: ${mine.error.slice(0, 300)}`;
  if ('error' in theirs) return `theirs is refused: ${theirs.error.slice(0, 200)}`;
  let at = 0;
  while (at < mine.text.length && mine.text[at] === theirs.text[at]) at++;
  const around = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 40), at + 60));
  return `at ${at}\n      ours   ${around(mine.text)}\n      theirs ${around(theirs.text)}`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { python: { type: 'string', default: 'python3' }, verbose: { type: 'boolean', default: false } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('which folder?');
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.jinja'))
  .sort();
const templates = Object.fromEntries(names.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));
const script = fileURLToPath(new URL('check-chat-templates.py', import.meta.url));
const python = spawnSync(values.python, [script], {
  input: JSON.stringify({ templates, cases: CASES.map(forPython) }),
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
});
if (python.status !== 0) throw new Error(`python failed: ${python.stderr}`);
const expected: { [name: string]: { [name: string]: Outcome } } = JSON.parse(python.stdout);

let [equalTemplates, equalCases, refused] = [0, 0, 0];
for (const name of names) {
  let isEqual = true;
  for (const one of CASES) {
    const [mine, theirs] = [ours(templates[name]!, one), expected[name]![one.name]!];
    const bothRefuse = 'error' in mine && 'error' in theirs;
    if (bothRefuse) refused++;
    if (bothRefuse || ('text' in mine && 'text' in theirs && mine.text === theirs.text)) equalCases++;
    else {
      isEqual = false;
      process.stdout.write(`${name}, ${one.name}: ${difference(mine, theirs)}\n`);
    }
    if (bothRefuse && values.verbose)
      process.stdout.write(`${name}, ${one.name}: refused by both: ${theirs.error.slice(0, 120)}\n`);
  }
  if (isEqual) equalTemplates++;
}
process.stdout.write(
  `${equalTemplates} of ${names.length} templates are equal; ${equalCases} of ${names.length * CASES.length} conversations (${refused} refused by both)\n`,
);
process.exitCode = equalTemplates === names.length ? 0 : 1;
