import type { Command } from 'commander';

/** What a file in `commands/` exports. */
export interface CommandModule {
  /** Declares arguments, options, examples and sub-commands. */
  configure(command: Command): void;
  /** Runs the command with what commander parsed: `(argument, ..., options, command)`. Absent where sub-commands run. */
  readonly run?: (...args: never[]) => void | Promise<void>;
}

/** A command as the list of all commands shows it. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Loads the command's file, which happens only when the command is asked for. */
  readonly load: () => Promise<CommandModule>;
}

/** Every command, in the order of the help, a line each. */
export const COMMANDS: readonly CommandEntry[] = [
  { name: 'runs', summary: 'list the runs of a folder', load: () => import('./commands/runs.js') },
];
