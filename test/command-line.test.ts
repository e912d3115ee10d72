import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/command-list.js';
import { createProgram } from '../src/cli/program.js';
import { repositoryRoot } from './source-files.js';

const main = path.join(repositoryRoot, 'dist', 'cli', 'main.js');
const empty = mkdtempSync(path.join(tmpdir(), 'athanor-cli-'));
afterAll(() => rmSync(empty, { recursive: true, force: true }));

const moduleUrl = (file: string): string => new URL(`../dist/${file}`, import.meta.url).href;

/** Runs a program until it says `ready`, sends signals, and returns how it ended. */
async function signalled(program: string, signals: readonly NodeJS.Signals[]) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  await once(child.stdout, 'data');
  for (const signal of signals) {
    child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const [code, signal] = await ended;
  return { code, signal, out, err };
}

/** A command that works until it is asked to stop, and then `finish`es. */
const worker = (finish: string): string => `
  const { onInterrupt } = await import('${moduleUrl('cli/interrupt.js')}');
  const { main } = await import('${moduleUrl('cli/program.js')}');
  const run = async () => {
    const signal = onInterrupt();
    process.stdout.write('ready ');
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      ${finish}
    }
  };
  process.exitCode = await main(['work'], [{ name: 'work', summary: '', load: async () => ({ configure() {}, run }) }]);
`;

describe('the program', () => {
  it('starts fast', () => {
    const times = Array.from({ length: 7 }, () => {
      const begin = performance.now();
      expect(spawnSync(process.execPath, [main, '--help']).status).toBe(0);
      return performance.now() - begin;
    }).sort((a, b) => a - b);
    process.stdout.write(`athanor --help: ${times[3]!.toFixed(0)} ms (median of ${times.length})\n`);
    expect(times[3]).toBeLessThan(400);
  });

  it.each([
    [['--help'], 0],
    [[], 0],
    [['--version'], 0],
    [['runs'], 0],
    [['runz'], 1],
    [['runs', '--jso'], 1],
    [['runs', '--dir', main], 1],
  ])('athanor %j ends with exit code %i', async (args, code) => {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { cwd: empty, encoding: 'utf8' });
    expect(status).toBe(code);
    expect(stderr).not.toContain('    at ');
    if (code === 1) expect(stderr).toMatch(/^athanor: /);
  });

  it('saves at the first Ctrl-C and ends with exit code 130', async () => {
    const finish = "if (signal.aborted) { process.stdout.write('saved'); return; }";
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      const { code, out, err } = await signalled(worker(finish), [name]);
      expect([code, out]).toEqual([130, 'ready saved']);
      expect(err).toContain('Press Ctrl-C again');
    }
    const thrown = await signalled(worker('signal.throwIfAborted();'), ['SIGINT']);
    expect(thrown.code).toBe(130);
    expect(thrown.err).not.toContain('athanor:');
  });

  it('ends at once at the second', async () => {
    const { signal, out } = await signalled(worker(''), ['SIGINT', 'SIGINT']);
    expect([signal, out]).toEqual(['SIGINT', 'ready ']);
  });

  it('is silent when nobody reads on', async () => {
    const write = "for (let i = 0; i < 1e5; i++) process.stdout.write('line '.repeat(20) + '\\n');";
    const program = `
      const { main } = await import('${moduleUrl('cli/program.js')}');
      const run = async () => { for (;;) { ${write} await new Promise((resolve) => setTimeout(resolve, 1)); } };
      process.exitCode = await main(['work'], [{ name: 'work', summary: '', load: async () => ({ configure() {}, run }) }]);`;
    const shell = `"$0" --input-type=module -e "$1" | head -1; exit "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', shell, process.execPath, program]);
    expect(stdout).toBe(`${'line '.repeat(20)}\n`);
    expect(stderr).toBe('');
  });
});

describe.each(COMMANDS.map((entry) => entry.name))('athanor %s', (name) => {
  it('has help with examples that can be parsed', async () => {
    const program = await createProgram(name, COMMANDS);
    const command = program.commands.find((child) => child.name() === name)!;
    const leaves = command.commands.length === 0 ? [command] : command.commands;
    const help: string[] = [];
    for (const child of [command, ...leaves]) {
      child.configureOutput({ writeOut: (text) => void help.push(text) });
      child.outputHelp();
    }
    const examples = help.flatMap((text) => [...text.matchAll(/^ {2}\$ athanor (.*)$/gm)].map((match) => match[1]!));
    expect(examples.length).toBeGreaterThan(0);

    for (const example of new Set(examples)) {
      let ran = false;
      const fresh = await createProgram(name, COMMANDS);
      const target = fresh.commands.find((child) => child.name() === name)!;
      for (const child of [target, ...target.commands]) {
        child.action(() => {
          ran = true;
        });
      }
      const words = [...example.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3]!);
      await fresh.parseAsync(words, { from: 'user' });
      expect(ran, example).toBe(true);
    }
  });
});
