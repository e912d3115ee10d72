import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import { asQuestion, MEMORY_SYSTEM } from '../../data/dictionary-templates.js';
import { lookupTools, toolsOf } from '../../llm/model-tools.js';
import type { ChatTool, ToolLoopEvent } from '../../llm/tool-loop.js';
import { AthanorError, InputError, messageOf } from '../../util/errors.js';
import { MODEL_PLACES } from '../model-place.js';
import { addExamples, jsonOption } from '../options.js';
import { writeNote, writeRecord } from '../output.js';
import { ChatSession } from './chat-session.js';
import { addGenerationOptions, type GenerationFlags, openModel, printable, samplingOf } from './generate-options.js';

interface ChatFlags extends GenerationFlags {
  readonly system?: string;
  readonly tools: boolean;
  readonly once?: string;
  readonly json?: boolean;
}

/** Most lines of a tool's result that are shown. */
const SHOWN_LINES = 8;

/** Declares `athanor chat`. */
export function configure(command: Command): void {
  command
    .description('Talk with a model. Questions come from the terminal or, one a line, from standard input.')
    .argument('<model>', MODEL_PLACES)
    .option('--system <text>', 'what the model is told before the conversation')
    .option('--no-tools', 'offer the model no tools')
    .option('--once <question>', 'ask one question and end');
  addGenerationOptions(command);
  command.addOption(jsonOption());
  addExamples(command, [
    'athanor chat runs/forge',
    'athanor chat runs/forge --once "What is a frog?"',
    'athanor chat runs/forge --no-tools --temperature 0.7',
  ]);
}

/** Talks with a model until the input ends or the user leaves. */
export async function run(place: string, flags: ChatFlags): Promise<void> {
  const { model, loaded } = await openModel(place, flags);
  // Says that the model cannot chat, before anything is asked.
  model.format;
  const trained = toolsOf(loaded.folder) ?? (model.canCall ? lookupTools() : []);
  const tools: readonly ChatTool[] = flags.tools ? trained : [];
  // A model of the look-up tool is taught to do without it when it is told so.
  const withoutLookup = !flags.tools && trained.some(({ name }) => name === 'lookup');
  const session = new ChatSession({
    model,
    tools,
    system: flags.system ?? (withoutLookup ? MEMORY_SYSTEM : undefined),
    options: { maxTokens: flags.maxTokens, sampling: samplingOf(flags), stop: flags.stop },
    seed: flags.seed,
    ...(trained.some(({ name }) => name === 'lookup') ? { phrase: asQuestion } : {}),
    onEvent: flags.json === true ? (event) => writeRecord(JSON.parse(JSON.stringify(event))) : printEvent,
    onNote: writeNote,
  });
  if (flags.once !== undefined) {
    await session.ask(flags.once);
    return;
  }
  if (process.stdin.isTTY === true) writeNote(`Chat with ${model.name}. /help shows what there is.`);
  await converse(session);
}

/** Answers go to standard output; calls, results and notes to standard error. */
function printEvent(event: ToolLoopEvent): void {
  if (event.type === 'text') process.stdout.write(printable(event.text, process.stdout));
  else if (event.type === 'call') writeDimmed(`→ ${event.name} ${event.argument}`);
  else if (event.type === 'result') writeDimmed(`← ${firstLines(event.result).replaceAll('\n', '\n  ')}`);
  else if (event.type === 'note') writeDimmed(event.text);
  else if (event.type === 'end') {
    process.stdout.write('\n');
    if (event.finish === 'length') writeDimmed('(cut off: the limit of tokens or the context is reached)');
    if (event.finish === 'aborted') writeDimmed('(stopped)');
  }
}

function writeDimmed(text: string): void {
  const safe = printable(text, process.stderr);
  writeNote(process.stderr.isTTY === true ? `\u001b[2m${safe}\u001b[22m` : safe);
}

function firstLines(text: string): string {
  const lines = text.split('\n');
  return lines.length <= SHOWN_LINES ? text : [...lines.slice(0, SHOWN_LINES), '…'].join('\n');
}

/** Reads lines and enters them, one after the other. */
async function converse(session: ChatSession): Promise<void> {
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const lines = createInterface({
    input: process.stdin,
    terminal,
    prompt: '> ',
    ...(terminal ? { output: process.stdout } : {}),
  });
  const interrupts = new Interrupts(lines);
  let failures = 0;
  if (terminal) lines.prompt();
  for await (const line of lines) {
    try {
      // The reader puts this character in the place of bytes that are no text.
      if (!terminal && line.includes('\ufffd')) throw new InputError('not UTF-8 text', { where: 'standard input' });
      if (!(await session.enter(line, interrupts.begin()))) break;
    } catch (error) {
      if (!(error instanceof AthanorError)) throw error;
      failures++;
      writeNote(`athanor: ${messageOf(error)}`);
    }
    if (interrupts.leaving) break;
    interrupts.end();
    if (terminal) lines.prompt();
  }
  interrupts.release();
  lines.close();
  if (failures > 0 && !terminal) throw new AthanorError(`${failures} of the questions could not be answered`);
}

/** What Ctrl-C means in a conversation: stop the answer; again, or where nothing is said, leave. */
class Interrupts {
  leaving = false;
  private readonly lines: Interface;
  private answer: AbortController | undefined;
  private readonly onSignal = (): void => {
    if (this.answer !== undefined && !this.answer.signal.aborted) {
      this.answer.abort();
      return;
    }
    this.leaving = true;
    if (process.stdin.isTTY === true) writeNote('');
    this.lines.close();
  };

  constructor(lines: Interface) {
    this.lines = lines;
    lines.on('SIGINT', this.onSignal);
    process.on('SIGINT', this.onSignal);
  }

  /** An answer begins. @returns what stops it. */
  begin(): AbortSignal {
    this.answer = new AbortController();
    return this.answer.signal;
  }

  /** The answer is over. */
  end(): void {
    this.answer = undefined;
  }

  release(): void {
    process.removeListener('SIGINT', this.onSignal);
  }
}
