import type { Command } from 'commander';
import type { EndEvent, GeneratedTokenText } from '../../llm/language-model.js';
import { InputError } from '../../util/errors.js';
import { MODEL_PLACES } from '../model-place.js';
import { addExamples, jsonOption, wholeNumber } from '../options.js';
import { writeNote, writeRecord } from '../output.js';
import { addGenerationOptions, type GenerationFlags, openWriter, printable, samplingOf } from './generate-options.js';

interface GenerateFlags extends GenerationFlags {
  readonly beams?: number;
  readonly prompt: string;
  readonly echo?: boolean;
  readonly special?: boolean;
  /** True where the flag has no number behind it. */
  readonly logprobs?: number | true;
  readonly json?: boolean;
}

/** Declares `athanor generate`. */
export function configure(command: Command): void {
  command
    .description(
      'Continue a text, or answer it with a model such as T5. The new text alone goes to standard output, as it is generated.',
    )
    .argument('<model>', MODEL_PLACES)
    .requiredOption('--prompt <text>', 'the text to continue; "" begins a new one, - reads standard input');
  addGenerationOptions(command);
  command
    .option(
      '--beams <count>',
      'of an encoder-decoder: follow so many answers at once, take the best',
      wholeNumber({ min: 1 }),
    )
    .option('--echo', 'print the prompt, too')
    .option('--special', 'recognise special tokens in the prompt, such as <|user|>, and print them')
    .option('--logprobs [count]', 'report each token, and so many alternatives', wholeNumber({ min: 0, max: 100 }))
    .addOption(jsonOption());
  addExamples(command, [
    'athanor generate runs/forge --prompt "A frog is" --max-tokens 40',
    'athanor generate runs/forge --prompt "" --temperature 0 --json',
    'athanor generate runs/forge --prompt - --stop "." --logprobs 3',
    'athanor generate hf:google/flan-t5-small --prompt "translate English to German: How old are you?"',
  ]);
}

/** Continues a text. */
export async function run(place: string, flags: GenerateFlags): Promise<void> {
  const prompt = flags.prompt === '-' ? await readInput() : flags.prompt;
  const model = await openWriter(place, flags);
  const write = (text: string): void => {
    if (flags.json !== true) process.stdout.write(printable(text, process.stdout));
  };
  const alternatives = flags.logprobs === true ? 0 : flags.logprobs;
  const begin = performance.now();
  if (flags.echo === true) {
    if (flags.json === true) writeRecord({ type: 'prompt', text: prompt });
    else write(prompt);
  }
  const tokens: GeneratedTokenText[] = [];
  const events = model.complete(prompt, {
    maxTokens: flags.maxTokens,
    sampling: samplingOf(flags),
    seed: flags.seed,
    stop: flags.stop,
    logProbabilities: alternatives,
    allowSpecial: flags.special,
  });
  for await (const event of events) {
    if (event.type === 'text') write(event.text);
    if (event.type === 'token') tokens.push(event.token);
    if (event.type === 'end') {
      write('\n');
      if (flags.json !== true) noteShortAnswer(event, flags.maxTokens, model.model.config.positions);
    }
    if (flags.json !== true) continue;
    if (event.type === 'end') writeRecord({ ...event, usage: { ...event.usage }, seconds: seconds(begin) });
    else if (event.type === 'token') writeRecord({ type: 'token', ...plain(event.token) });
    else writeRecord(event);
  }
  if (flags.json !== true) for (const token of tokens) writeNote(tokenLine(token));
}

const seconds = (begin: number): number => Math.round(performance.now() - begin) / 1000;

function plain({ top, ...token }: GeneratedTokenText) {
  return { ...token, top: top.map((other) => ({ ...other })) };
}

function noteShortAnswer({ finish, usage }: EndEvent, maxTokens: number | undefined, positions: number): void {
  if (finish !== 'length' || maxTokens === undefined || usage.completionTokens >= maxTokens) return;
  writeNote(`Stopped after ${usage.completionTokens} tokens: the model's context of ${positions} is full.`);
}

/** A token with its log-probability, and what else was likely. */
function tokenLine({ text, logProbability, top }: GeneratedTokenText): string {
  const shown = (of: { text: string; logProbability: number }): string =>
    `${JSON.stringify(of.text)} ${of.logProbability.toFixed(3)}`;
  return [shown({ text, logProbability }), ...top.map((other) => `  ${shown(other)}`)].join('\t');
}

/** All of standard input. */
async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new InputError('not UTF-8 text', { where: 'standard input', cause: error });
  }
}
