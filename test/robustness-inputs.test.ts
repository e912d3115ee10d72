import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { athanor, athanorHere, type Ended } from './athanor-process.js';

const dir = fs.mkdtempSync(path.join(tmpdir(), 'athanor-inputs-'));
const at = (...parts: string[]): string => path.join(dir, ...parts);
const write = (name: string, content: string | Uint8Array): void => fs.writeFileSync(at(name), content);
const TINY = ['threads=1', 'width=16', 'layers=1', 'rows=4', 'columns=16', 'steps=3', 'sampleEverySteps=0'];
const MEMORY = 700e6;

const answer = (model: string): string => {
  const { out } = athanor(['generate', at(model), '--prompt', '3 plus', '--max-tokens', '8', '--temperature', '0']);
  expect(out).not.toBe('');
  return out;
};
let before = '';

beforeAll(() => {
  const sum = (i: number): string => `${i % 50} plus ${(i * 7) % 50} makes ${(i % 50) + ((i * 7) % 50)}`;
  write('corpus.txt', Array.from({ length: 400 }, (_, i) => sum(i)).join('\n\n'));
  const chats = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ prompt: `${i} plus 1?`, completion: `${i + 1}` }),
  );
  write('chats.jsonl', chats.join('\n'));
  write('empty.txt', '');
  write('blank.txt', '  \n\n \n');
  write('one.txt', 'x');
  fs.mkdirSync(at('empty'));
  fs.mkdirSync(at('linked'));
  fs.symlinkSync('nowhere', at('linked', 'a.txt'));
  const good = 'a line that is good\n';
  write(
    'latin1.txt',
    Buffer.concat([Buffer.from(good.repeat(20)), Buffer.from('caf\xe9\n', 'latin1'), Buffer.from(good)]),
  );
  write('latin1.jsonl', Buffer.concat([Buffer.from(`${chats[0]}\n`), Buffer.from('{"text": "caf\xe9"}\n', 'latin1')]));
  write('broken.jsonl', `${chats.join('\n')}\n{"prompt": what}\n`);
  write('unknown.yaml', 'train:\n  stpes: 3\n');
  write('foreign.yaml', 'model:\n  width: 8\n');
  write('line.txt', 'word '.repeat(2e6));
  write('line.jsonl', JSON.stringify({ prompt: 'why '.repeat(1.25e6), completion: 'so '.repeat(1.6e6) }));
  const base = athanor(['pretrain', '--data', at('corpus.txt'), '--out', at('base'), 'positions=64', ...TINY]);
  expect(base.code, base.err).toBe(0);
  const chat = ['sft', at('base'), '--data', at('chats.jsonl'), '--out', at('chat'), 'threads=1', 'rows=2', 'steps=2'];
  expect(athanor(chat).code).toBe(0);
  before = answer('base');
});
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Ended with a message, as a user may read it: no stack, no error that nobody thought of. */
function expectMessage({ code, err, memoryBytes }: Ended, message: string | RegExp): void {
  expect(code, err).toBe(1);
  expect(err).toMatch(/^athanor: \S/m);
  expect(err).toMatch(message);
  expect(err).not.toMatch(/^ {4}at /m);
  expect(err).not.toContain('--debug');
  expect(memoryBytes).toBeLessThan(MEMORY);
}

const data = (name: string): string[] => ['--data', at(name), '--out', at('refused')];
const tokenizer = (name: string, ...more: string[]): string[] => ['tokenizer', 'train', ...data(name), ...more];
const pretrain = (name: string, ...more: string[]): string[] => ['pretrain', ...data(name), ...TINY, ...more];
const sft = (name: string, ...more: string[]): string[] => ['sft', at('base'), ...data(name), 'threads=1', ...more];
const forge = (name: string, ...more: string[]): string[] => [
  'forge',
  ...data(name),
  '--minutes',
  '0.25',
  '--threads',
  '1',
  ...more,
];
const generate = (...more: string[]): string[] => ['generate', at('base'), '--threads', '1', ...more];
const chat = (...more: string[]): string[] => ['chat', at('chat'), '--threads', '1', ...more];

const refused: readonly (readonly [what: string, args: () => string[], message: RegExp])[] = [
  ...[tokenizer, pretrain, sft, forge].flatMap((command) => {
    const name = command('')[0]!;
    return [
      [`${name}: no data`, () => command('nothing'), /nothing: cannot read: no such file/],
      [`${name}: an empty file`, () => command('empty.txt'), /empty\.txt: the file is empty/],
      [`${name}: an empty folder`, () => command('empty'), /empty: the folder holds no text files/],
      [`${name}: an unreadable file`, () => command('linked'), /linked\/a\.txt: cannot read/],
      [`${name}: nothing but blanks`, () => command('blank.txt'), /blank\.txt: .*(no text|no chats)/],
      [
        `${name}: an unknown flag`,
        () => command('corpus.txt', '--otu', 'x'),
        /unknown option --otu\n {2}Did you mean --out\?/,
      ],
      [
        `${name}: a file in place of the folder`,
        () => command('chats.jsonl').map((word) => (word === at('refused') ? at('one.txt') : word)),
        /one\.txt.*: cannot (write|lock): a file of that name is in the way/,
      ],
    ] as const;
  }),
  [
    'tokenizer: a large vocabulary',
    () => tokenizer('corpus.txt', '--vocabulary', '9999'),
    /expected: at most \d+\n {2}got: {6}9999/,
  ],
  ['tokenizer: invalid UTF-8', () => tokenizer('latin1.txt'), /latin1\.txt:21: not valid UTF-8 \(byte 4 of the line\)/],
  ['tokenizer: a broken record', () => tokenizer('broken.jsonl'), /broken\.jsonl:41: not valid JSON/],
  ['pretrain: one character', () => pretrain('one.txt'), /one\.txt:1: .*too little text[\s\S]*got: {6}one character/],
  [
    'pretrain: a large vocabulary',
    () => pretrain('corpus.txt', 'vocabularySize=9999'),
    /expected: at most \d+\n {2}got: {6}9999/,
  ],
  ['pretrain: invalid UTF-8', () => pretrain('latin1.txt'), /latin1\.txt:21: not valid UTF-8/],
  ['pretrain: a broken record', () => pretrain('broken.jsonl'), /broken\.jsonl:41: not valid JSON/],
  [
    'pretrain: a long context',
    () => pretrain('corpus.txt', 'columns=64', 'positions=32'),
    /context is longer[\s\S]*at most 32/,
  ],
  [
    'pretrain: an unknown key',
    () => pretrain('corpus.txt', 'stpes=4'),
    /unknown key "stpes"\n {2}Did you mean steps\?/,
  ],
  [
    'pretrain: an unknown key in a file',
    () => ['pretrain', at('unknown.yaml'), ...data('corpus.txt')],
    /unknown\.yaml: train: unknown key "stpes"/,
  ],
  [
    'pretrain: a folder as recipe',
    () => ['pretrain', at('empty'), ...data('corpus.txt')],
    /cannot read: is a folder, not a file/,
  ],
  [
    'pretrain: a tokenizer that is none',
    () => pretrain('corpus.txt', `tokenizer.from=${at('empty')}`),
    /tokenizer\.json: cannot read/,
  ],
  [
    'pretrain: a huge model',
    () => pretrain('corpus.txt', 'width=1_000_000', 'heads=1').map((word) => word.replaceAll('_', '')),
    /more memory than this machine has[\s\S]*smaller model/,
  ],
  [
    'pretrain: a huge batch',
    () => pretrain('corpus.txt', 'rows=1000000000'),
    /train\.rows, train\.columns: .*more memory/,
  ],
  ['pretrain: many threads', () => pretrain('corpus.txt', 'threads=100000'), /train\.threads[\s\S]*at most 1024/],
  ['sft: no model', () => ['sft', at('nothing'), ...data('chats.jsonl')], /nothing: cannot open the model/],
  ['sft: a text of one character', () => sft('one.txt'), /one\.txt: the data holds no chats/],
  ['sft: invalid UTF-8', () => sft('latin1.jsonl'), /latin1\.jsonl:2: not valid UTF-8/],
  ['sft: a broken record', () => sft('broken.jsonl'), /broken\.jsonl:41: not valid JSON/],
  [
    'sft: a long context',
    () => sft('chats.jsonl', 'columns=99'),
    /train\.columns: .*longer than the model's\n.*at most 64/,
  ],
  [
    'sft: a key of another recipe',
    () => ['sft', at('base'), at('foreign.yaml'), ...data('chats.jsonl')],
    /foreign\.yaml: unknown key "model"/,
  ],
  [
    'sft: the folder of another run',
    () => ['sft', at('base'), '--data', at('chats.jsonl'), '--out', at('base')],
    /begun with another command/,
  ],
  ['forge: one character', () => forge('one.txt'), /one\.txt:1: .*too little text/],
  ['forge: no time', () => ['forge', '--minutes', '0'], /--minutes/],
  ['generate: no model', () => ['generate', at('nothing'), '--prompt', 'x'], /nothing: cannot open the model/],
  [
    'generate: a long prompt',
    () => generate('--prompt', '7 plus '.repeat(90)),
    /prompt: longer than the context.*\n.*64 positions/,
  ],
  [
    'generate: an unknown flag',
    () => generate('--prompt', 'x', '--sede', '3'),
    /unknown option --sede\n {2}Did you mean --seed\?/,
  ],
  ['generate: many threads', () => generate('--prompt', 'x', '--threads', '100000'), /more than 1024/],
  ['chat: no model', () => ['chat', at('nothing'), '--once', 'x'], /nothing: cannot open the model/],
  ['chat: a model without a template', () => ['chat', at('base'), '--once', 'x'], /this model cannot chat/],
  ['chat: a long question', () => chat('--once', '7 plus '.repeat(90)), /longer than the context.*\n.*64 positions/],
  ['chat: an unknown flag', () => chat('--onec', 'x'), /unknown option --onec\n {2}Did you mean --once\?/],
];

/** A case of each command, and those that would cost memory. */
const IN_ITS_OWN_PROCESS = /an empty file|no model|huge|many threads/;

describe('a message and exit code 1', () => {
  it.each(refused)('%s', async (what, args, message) => {
    fs.rmSync(at('refused'), { recursive: true, force: true });
    expectMessage(IN_ITS_OWN_PROCESS.test(what) ? athanor(args()) : await athanorHere(args()), message);
    // A corrected command is not refused for what this one left behind.
    if (fs.existsSync(at('refused')) && !args().includes('forge')) {
      expect(fs.readdirSync(at('refused'))).not.toContain('run.json');
    }
  });

  it.each([
    ['generate', generate('--prompt', '-')],
    ['chat', chat()],
  ])('%s: input that is not UTF-8, and a line of 10 MB', (_name, args) => {
    expectMessage(athanor(args, { input: Buffer.from('caf\xe9\n', 'latin1') }), /standard input: not UTF-8 text/);
    expectMessage(
      athanor(args, { input: 'word '.repeat(2e6) }),
      /longer than the context of the model\n.*64 positions/,
    );
  });

  it.skipIf(!fs.existsSync('/dev/full'))('output that cannot be written', () => {
    const message = /standard output: cannot write: no space left/;
    expectMessage(athanor(generate('--prompt', 'x', '--max-tokens', '9'), { stdout: '/dev/full' }), message);
    fs.rmSync(at('refused'), { recursive: true, force: true });
    expectMessage(athanor(pretrain('corpus.txt'), { stdout: '/dev/full' }), message);
    expect(athanor(['generate', at('refused'), '--prompt', 'x']).code).toBe(0);
  });
});

describe('data that is strange and can be used', () => {
  it('a line of 10 MB', () => {
    const runs = [
      [tokenizer('line.txt'), 'tokenizer.json'],
      [pretrain('line.txt'), 'model'],
      [pretrain('line.jsonl'), 'model'],
    ] as const;
    for (const [args, made] of runs) {
      fs.rmSync(at('refused'), { recursive: true, force: true });
      const { code, err, memoryBytes } = athanor(args);
      expect(code, err).toBe(0);
      expect(fs.existsSync(at('refused', made))).toBe(true);
      expect(memoryBytes).toBeLessThan(MEMORY);
    }
    fs.rmSync(at('refused'), { recursive: true, force: true });
    expectMessage(athanor(sft('line.jsonl')), /(too little data to hold a part of it out|no chat to learn from)/);
  });

  it('a text of one character has a tokenizer', () => {
    fs.rmSync(at('refused'), { recursive: true, force: true });
    const { code, err } = athanor(tokenizer('one.txt'));
    expect(code).toBe(0);
    expect(err).toContain('The text allows a vocabulary of 263 tokens only');
  });

  it('lines that are not UTF-8 are left out when asked', () => {
    fs.rmSync(at('refused'), { recursive: true, force: true });
    const { code, err } = athanor(pretrain('latin1.txt', '--skip-bad-lines'));
    expect(code, err).toBe(0);
    expect(err).toMatch(/Left out .*latin1\.txt:21: not valid UTF-8/);
  });
});

it('nothing of it has harmed the model that was there', () => {
  expect(answer('base')).toBe(before);
});
