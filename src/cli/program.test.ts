import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InputError } from '../util/errors.js';
import type { CommandEntry } from './command-list.js';
import { wholeNumber } from './options.js';
import { main } from './program.js';

const loaded: string[] = [];
const ran: unknown[] = [];

function entry(name: string, run: (...args: never[]) => void | Promise<void>): CommandEntry {
  return {
    name,
    summary: `does ${name}`,
    load: async () => {
      loaded.push(name);
      const configure = (command: Command): void => {
        command.argument('[model]').option('--steps <count>', 'how many', wholeNumber({ min: 1 }));
      };
      return { configure, run };
    },
  };
}

const entries: readonly CommandEntry[] = [
  entry('train', (model, options) => void ran.push([model, options])),
  entry('refuse', () => {
    throw new InputError('too short', { where: 'a.txt:3', got: '0 lines', hint: 'Add lines.' });
  }),
  entry('crash', async () => {
    await Promise.resolve();
    throw new TypeError('x is undefined');
  }),
  {
    name: 'tokenizer',
    summary: 'has commands of its own',
    load: async () => ({
      configure: (command) => {
        command.command('inspect').action(() => void ran.push('inspect'));
        command.command('learn').action(() => void ran.push('learn'));
      },
    }),
  },
];

describe('the command line', () => {
  let out = '';
  let err = '';

  beforeEach(() => {
    out = '';
    err = '';
    loaded.length = 0;
    ran.length = 0;
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += text;
      return true;
    });
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      err += text;
      return true;
    });
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  const athanor = (...args: string[]): Promise<number> => main(args, entries);

  it('loads the command that is asked for and no other', async () => {
    expect(await athanor('train', 'runs/a', '--steps', '1_000')).toBe(0);
    expect(ran).toEqual([['runs/a', { steps: 1000 }]]);
    expect(loaded).toEqual(['train']);
  });

  it('prints the help of all commands without loading one', async () => {
    expect(await athanor('--help')).toBe(0);
    expect(out).toContain('Usage: athanor');
    for (const { name, summary } of entries) expect(out).toMatch(new RegExp(`${name} +${summary}`));
    expect(await athanor()).toBe(0);
    expect(loaded).toEqual([]);
    expect(err).toBe('');
  });

  it.each([[['train', '--help']], [['help', 'train']]])('prints the options of a command for %j', async (args) => {
    expect(await athanor(...args)).toBe(0);
    expect(out).toContain('--steps <count>');
  });

  it('runs sub-commands', async () => {
    expect(await athanor('tokenizer', 'inspect')).toBe(0);
    expect(ran).toEqual(['inspect']);
  });

  it.each([
    [['trian'], 'unknown command trian', 'Did you mean train?'],
    [['tokenizer', 'inspct'], 'unknown command inspct', 'Did you mean inspect?'],
    [['train', '--step', '3'], 'unknown option --step', 'Did you mean --steps?'],
    [['train', '--x'], 'unknown option --x', 'See: athanor train --help'],
    [['--versio'], 'unknown option --versio', 'Did you mean --version?'],
    [['train', '--steps'], 'argument missing', 'See: athanor train --help'],
    [['train', '--steps', 'many'], "'many' is invalid. Not a whole number.", 'See: athanor train --help'],
    [['train', '--steps=0'], '0 is less than 1.', 'See: athanor train --help'],
    [['train', 'a', 'b'], 'too many arguments', 'See: athanor train --help'],
  ])('refuses %j', async (args, problem, hint) => {
    expect(await athanor(...args)).toBe(1);
    expect(err).toMatch(/^athanor: /);
    expect(err).toContain(problem);
    expect(err).toContain(hint);
    expect(err).not.toContain('    at ');
    expect(out).toBe('');
    expect(ran).toEqual([]);
  });

  it('prints the message of our errors alone', async () => {
    expect(await athanor('refuse')).toBe(1);
    expect(err).toBe('athanor: a.txt:3: too short\n  got:      0 lines\n  Add lines.\n');
  });

  it('keeps the stack trace of other errors for --debug', async () => {
    expect(await athanor('crash')).toBe(1);
    expect(err).toBe('athanor: x is undefined\n  Run again with --debug for the stack trace.\n');
    err = '';
    expect(await athanor('crash', '--debug')).toBe(1);
    expect(err).toMatch(/TypeError: x is undefined\n\s+at /);
    err = '';
    expect(await athanor('--debug', 'crash')).toBe(1);
    expect(err).toMatch(/TypeError: x is undefined\n\s+at /);
  });
});
