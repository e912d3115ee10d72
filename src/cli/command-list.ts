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
  {
    name: 'forge',
    summary: 'from raw text to a chat model, in the time you give',
    load: () => import('./commands/forge.js'),
  },
  { name: 'chat', summary: 'talk with a model', load: () => import('./commands/chat.js') },
  { name: 'generate', summary: 'continue a text', load: () => import('./commands/generate.js') },
  {
    name: 'tokenizer',
    summary: 'train a tokenizer, or see how it cuts a text',
    load: () => import('./commands/tokenizer.js'),
  },
  { name: 'plan', summary: 'memory and time of a training before it runs', load: () => import('./commands/plan.js') },
  { name: 'pretrain', summary: 'train a model on raw text', load: () => import('./commands/pretrain.js') },
  { name: 'sft', summary: 'tune a model on chats', load: () => import('./commands/sft.js') },
  {
    name: 'import',
    summary: 'make a folder of a model from elsewhere, proven equal',
    load: () => import('./commands/import.js'),
  },
  {
    name: 'export',
    summary: 'write a model as safetensors, GGUF or ONNX, proven equal',
    load: () => import('./commands/export.js'),
  },
  {
    name: 'verify',
    summary: 'hold two models against each other',
    load: () => import('./commands/verify.js'),
  },
  {
    name: 'embed',
    summary: 'turn texts into vectors, or fill masks',
    load: () => import('./commands/embed.js'),
  },
  { name: 'runs', summary: 'list the runs of a folder', load: () => import('./commands/runs.js') },
  { name: 'bench', summary: 'measure this machine', load: () => import('./commands/bench.js') },
];
