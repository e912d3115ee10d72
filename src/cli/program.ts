import { Command, CommanderError } from 'commander';
import { AthanorError, InputError, messageOf } from '../util/errors.js';
import { nearestName } from '../util/nearest.js';
import { packageVersion } from '../util/package-version.js';
import { COMMANDS, type CommandEntry } from './command-list.js';
import { INTERRUPTED_EXIT_CODE, wasInterrupted } from './interrupt.js';
import { endQuietlyOnClosedPipe, outputFailed, writeNote } from './output.js';

const DEBUG = '--debug';

/** A wrong command line. */
export class UsageError extends InputError {}

/** A sentence that names the nearest of some names. */
function suggestion(name: string, candidates: readonly string[]): string {
  const nearest = nearestName(name, candidates);
  return nearest === undefined ? '' : `Did you mean ${nearest}? `;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** Turns commander's error into ours, with the nearest valid name. Help and version pass as they are. */
function usageError(command: Command, error: CommanderError): Error {
  if (error.exitCode === 0) return error;
  const hint = `See: ${fullName(command)} --help`;
  const summary = error.message.replace(/^error: /, '').replace(/\n\(Did you mean.*$/s, '');
  const name = /'(.*)'/s.exec(summary)?.[1] ?? '';
  if (error.code === 'commander.unknownOption') {
    const flags = command
      .createHelp()
      .visibleOptions(command)
      .map((option) => option.long ?? option.short ?? '');
    return new UsageError(`unknown option ${name}`, { hint: suggestion(name, flags) + hint });
  }
  if (error.code === 'commander.unknownCommand') {
    const names = command.commands.map((child) => child.name());
    return new UsageError(`unknown command ${name}`, { hint: suggestion(name, names) + hint });
  }
  return new UsageError(summary, { hint });
}

/** Makes a command and those under it throw instead of ending the process, and gives each of them `--debug`. */
function harden(command: Command): void {
  command.exitOverride((error) => {
    throw usageError(command, error);
  });
  command.configureOutput({ writeErr: () => {} });
  command.option(DEBUG, 'print the stack trace of an error');
  for (const child of command.commands) harden(child);
}

/**
 * The command line as commander sees it. Of all commands only `asked` is loaded, so that help and every command start
 * at once.
 */
export async function createProgram(asked: string | undefined, entries: readonly CommandEntry[]): Promise<Command> {
  const program = new Command('athanor')
    .description('From raw text to a chat model of your own.')
    .version(packageVersion(), '--version', 'print the version')
    .helpCommand('help [command]', 'show the help of a command')
    .enablePositionalOptions()
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', '\nExamples:\n  $ athanor runs --help');
  for (const entry of entries) {
    const command = program.command(entry.name).summary(entry.summary).description(entry.summary);
    if (entry.name !== asked) continue;
    const module = await entry.load();
    module.configure(command);
    const run = module.run as ((...args: unknown[]) => void | Promise<void>) | undefined;
    if (run !== undefined) command.action((...args: unknown[]) => run(...args));
  }
  harden(program);
  return program;
}

/** The command that a command line asks for: its first word that is not a flag, or the next one after `help`. */
function askedCommand(args: readonly string[]): string | undefined {
  const words = args.filter((word) => !word.startsWith('-'));
  return words[0] === 'help' ? words[1] : words[0];
}

/** Prints why the program ends and returns its exit code. */
function report(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  if (wasInterrupted() && !outputFailed() && error instanceof Error && error.name === 'AbortError')
    return INTERRUPTED_EXIT_CODE;
  if (debug && error instanceof Error) writeNote(`athanor: ${error.stack}`);
  else if (error instanceof AthanorError) writeNote(`athanor: ${error.message}`);
  else writeNote(`athanor: ${messageOf(error)}\n  Run again with ${DEBUG} for the stack trace.`);
  return 1;
}

/**
 * Runs a command line and returns the exit code: 0; 1 after an error; 130 after Ctrl-C.
 * @param args the words after `athanor`
 */
export async function main(args: readonly string[], entries: readonly CommandEntry[] = COMMANDS): Promise<number> {
  endQuietlyOnClosedPipe();
  const beforeDashes = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  try {
    const program = await createProgram(askedCommand(beforeDashes), entries);
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: 'user' });
    if (outputFailed()) return 1;
    return wasInterrupted() ? INTERRUPTED_EXIT_CODE : 0;
  } catch (error) {
    return report(error, beforeDashes.includes(DEBUG));
  }
}
