import { type Command, InvalidArgumentError, Option } from 'commander';

interface Range {
  readonly min?: number;
  readonly max?: number;
}

function inRange(value: number, text: string, { min, max }: Range): number {
  if (min !== undefined && value < min) throw new InvalidArgumentError(`${text} is less than ${min}.`);
  if (max !== undefined && value > max) throw new InvalidArgumentError(`${text} is more than ${max}.`);
  return value;
}

/** A parser of whole numbers for an option, such as `--steps <count>`; `1e3` and `1_000` are understood. */
export function wholeNumber(range: Range = {}): (text: string) => number {
  return (text) => {
    const value = Number(text.replaceAll('_', ''));
    if (text.trim() === '' || !Number.isSafeInteger(value)) throw new InvalidArgumentError('Not a whole number.');
    return inRange(value, text, range);
  };
}

/** A parser of finite numbers for an option, such as `--temperature <number>`. */
export function realNumber(range: Range = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Not a number.');
    return inRange(value, text, range);
  };
}

/** Collects an option that may be given several times, such as `--set key=value`. */
export function repeated(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** `--json`: machine-readable lines on standard output. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON lines instead of text');
}

/** `--seed <number>`: what every random number of a command follows from. */
export function seedOption(seed = 1): Option {
  return new Option('--seed <number>', 'every random number follows from it')
    .argParser(wholeNumber({ min: 0, max: 2 ** 32 - 1 }))
    .default(seed);
}

/** Ends a command's help with examples that work as pasted. */
export function addExamples(command: Command, examples: readonly string[]): void {
  command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`);
}
