import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadModel } from '../../models/load.js';
import { Random } from '../../util/random.js';
import { releaseInterrupt, requestStop } from '../interrupt.js';
import { main } from '../program.js';

const dir = fs.mkdtempSync(path.join(tmpdir(), 'athanor-pretrain-'));
const at = (...parts: string[]): string => path.join(dir, ...parts);
const TINY = ['threads=1', 'width=16', 'layers=1', 'rows=4', 'columns=16', 'steps=10', 'evaluateEverySteps=5'];

let out = '';
let err = '';
beforeAll(() => {
  const random = new Random(1);
  const sum = (): readonly [number, number] => [random.integer(50), random.integer(50)];
  const lines = Array.from({ length: 400 }, sum).map(([a, b]) => `${a} plus ${b} makes ${a + b}`);
  fs.writeFileSync(at('corpus.txt'), lines.join('\n\n'));
  const chats = Array.from({ length: 40 }, sum).map(([a, b]) => ({
    prompt: `${a} plus ${b}?`,
    completion: `${a + b}`,
  }));
  fs.writeFileSync(at('chats.jsonl'), chats.map((chat) => JSON.stringify(chat)).join('\n'));
  fs.writeFileSync(at('empty.txt'), '');
  fs.writeFileSync(at('one.txt'), 'x');
  fs.writeFileSync(
    at('verse.txt'),
    '床前明月光，疑是地上霜。举头望明月，低头思故乡。\n\n'.repeat(4) +
      '春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。\n\n白日依山尽，黄河入海流。',
  );
});
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));
beforeEach(() => {
  out = '';
  err = '';
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
  releaseInterrupt();
});

const records = (): Record<string, unknown>[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const pretrain = (name: string, ...words: string[]): Promise<number> =>
  main(['pretrain', '--data', at('corpus.txt'), '--out', at(name), ...TINY, ...words]);

describe('athanor pretrain', () => {
  it('leaves a model, a report and metrics; run again, it says that it is finished', async () => {
    expect(await pretrain('run', 'sampleEverySteps=5')).toBe(0);
    expect(out).toMatch(/held-out bits per byte: \d\.\d+ → \d\.\d+/);
    expect(err).toMatch(/The text allows a vocabulary of \d+ tokens only; 512 were planned/);
    expect(err).toContain('10/10');
    const { model, tokenizer } = await loadModel(at('run'));
    expect(model.config).toMatchObject({ width: 16, vocabularySize: tokenizer.vocabularySize });
    for (const file of ['report.md', 'loss.svg', 'held-out.svg', 'samples.jsonl'])
      expect(fs.existsSync(at('run', file))).toBe(true);
    err = '';
    expect(await pretrain('run', 'sampleEverySteps=5')).toBe(0);
    expect(err).toBe(`The run in ${at('run')} is finished: the model is in ${at('run', 'model')}.\n`);
    expect(await pretrain('run', 'width=32')).toBe(1);
    expect(err).toContain('begun with another model.width');
  });

  it('stops on Ctrl-C and goes on with the same numbers, in JSON lines for programs', async () => {
    expect(await pretrain('whole', '--json')).toBe(0);
    const whole = records().at(-1)!;
    expect(whole).toMatchObject({ event: 'result', finished: true, step: 10 });
    out = '';
    const metrics = at('parted', 'metrics.jsonl');
    const watch = setInterval(() => {
      if (fs.existsSync(metrics) && fs.readFileSync(metrics, 'utf8').includes('"step":2')) requestStop();
    }, 1);
    expect(await pretrain('parted', '--json')).toBe(130);
    clearInterval(watch);
    expect(records().at(-1)).toMatchObject({ event: 'stopped', run: at('parted') });
    releaseInterrupt();
    out = '';
    expect(await pretrain('parted', '--json')).toBe(0);
    const parted = records().at(-1)!;
    expect({ ...parted, seconds: 0, model: '' }).toEqual({ ...whole, seconds: 0, model: '' });
    const weights = (name: string): Buffer => fs.readFileSync(at(name, 'model', 'model.safetensors'));
    expect(weights('parted').equals(weights('whole'))).toBe(true);
    expect(err).toBe('');
  });

  it('takes characters for Chinese', async () => {
    const words = [...TINY, 'steps=2'];
    expect(await main(['pretrain', '--data', at('verse.txt'), '--out', at('verse'), '--json', ...words])).toBe(0);
    expect((await loadModel(at('verse'))).tokenizer.kind).toBe('character');
  });

  const refused: readonly (readonly [readonly string[], string])[] = [
    [['pretrain', '--data', at('nothing.txt'), '--out', at('x1')], 'nothing.txt: cannot read: no such file'],
    [['pretrain', '--data', at('empty.txt'), '--out', at('x2')], 'the file is empty'],
    [['pretrain', '--data', at('one.txt'), '--out', at('x3')], 'got:      one character'],
    [
      ['pretrain', '--data', at('corpus.txt'), '--out', at('x4'), 'columns=64', 'positions=32'],
      "train.columns: the context is longer than the model's",
    ],
    [['pretrain', '--data', at('corpus.txt'), '--out', at('x5'), 'vocabularySize=50_000'], 'vocabularySize'],
    [['pretrain', '--data', at('corpus.txt'), '--out', at('x6'), 'vocabularySize=50000'], 'the texts allow'],
    [['pretrain', '--data', at('corpus.txt'), '--out', at('x7'), 'stpes=3'], 'Did you mean steps?'],
    [['pretrain', '--data', at('corpus.txt'), '--out', at('x8'), '--josn'], 'Did you mean --json?'],
    [['pretrain', '--out', at('x9')], 'there is no data to learn from'],
    [['plan', 'columns=64', 'positions=32'], 'at most 32 tokens'],
    [['sft', at('nothing'), '--data', at('chats.jsonl'), '--out', at('y1')], 'cannot open the model'],
    [['tokenizer', 'train', '--data', at('corpus.txt'), '--out', at('y2'), '--vocabulary', '9999'], 'the texts allow'],
    [['tokenizer', 'inspect', at('nothing'), 'text'], 'cannot open the model'],
  ];
  it.each(refused)('%j is refused in words', async (args, message) => {
    expect(await main(args)).toBe(1);
    expect(err).toContain(message);
    expect(err).not.toContain('    at ');
    expect(err).not.toContain('--debug');
    expect(fs.readdirSync(dir).filter((name) => /^x[1-35-9]|^y/.test(name))).toEqual([]);
  });
});

describe('athanor tokenizer', () => {
  it('is trained and shows the tokens of a text', async () => {
    expect(
      await main([
        'tokenizer',
        'train',
        '--data',
        at('corpus.txt'),
        '--out',
        at('tok'),
        '--vocabulary',
        '272',
        '--json',
      ]),
    ).toBe(0);
    expect(records().at(-1)).toMatchObject({ event: 'result', kind: 'byte-bpe', vocabularySize: 272 });
    out = '';
    expect(await main(['tokenizer', 'inspect', at('tok'), '1 plus 月', '--json'])).toBe(0);
    const [shown] = records() as { tokens: { id: number; text: string; bytes: number }[]; bytesPerToken: number }[];
    expect(shown!.tokens.map(({ text }) => text)).toEqual(['1', ' plus', ' ', '<0xE6>', '<0x9C>', '<0x88>']);
    expect(shown!.bytesPerToken).toBeCloseTo(10 / 6);
    out = '';
    expect(await main(['tokenizer', 'inspect', at('tok'), '1 plus'])).toBe(0);
    expect(out).toMatch(/" plus" +\d+ +5\n/);
  });
});

describe('athanor sft', () => {
  it('tunes a pretrained model on chats, and goes on after Ctrl-C in another process', async () => {
    expect(await pretrain('base', 'steps=5', 'positions=64')).toBe(0);
    const words = [
      'sft',
      at('base'),
      '--data',
      at('chats.jsonl'),
      '--out',
      at('chat'),
      'threads=1',
      'rows=2',
      'steps=4000',
    ];
    const program = path.resolve(import.meta.dirname, '..', 'main.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', program, ...words]);
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    const closed = once(child, 'close') as Promise<[number | null]>;
    const metrics = at('chat', 'metrics.jsonl');
    while (!(fs.existsSync(metrics) && fs.readFileSync(metrics, 'utf8').includes('"step":3'))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (child.exitCode !== null) break;
    }
    child.kill('SIGINT');
    const [code] = await closed;
    expect(code, told).toBe(130);
    expect(told).toContain(`To go on, run the same command again:\n  athanor sft ${at('base')} --data`);
    const step = Number(fs.readdirSync(at('chat', 'checkpoints')).at(-1));
    expect(await main([...words.slice(0, -1), `steps=${step + 5}`])).toBe(0);
    expect(err).toContain(`Going on with the run in ${at('chat')} from step ${step}`);
    expect(out).toMatch(/held-out loss of answers: \d+\.\d+ → \d+\.\d+ nats per token/);
    expect((await loadModel(at('chat'))).chatTemplate).toContain('add_generation_prompt');
  });

  it('takes a chat template for a model that has none, and keeps it', async () => {
    if (!fs.existsSync(at('base'))) expect(await pretrain('base', 'steps=5', 'positions=64')).toBe(0);
    const template = "{% for m in messages %}{{ m.role + ': ' + m.content + '<|endoftext|>' }}{% endfor %}";
    fs.writeFileSync(at('plain.jinja'), template);
    const args = [
      'sft',
      at('base'),
      '--data',
      at('chats.jsonl'),
      '--out',
      at('plain'),
      'threads=1',
      'rows=2',
      'steps=2',
    ];
    expect(await main([...args, '--chat-template', at('plain.jinja')])).toBe(0);
    expect((await loadModel(at('plain'))).chatTemplate).toBe(template);
    expect(await main([...args, '--chat-template', at('absent.jinja')])).toBe(1);
    expect(err).toContain('absent.jinja');
  });
});

describe('athanor plan', () => {
  it('says what a recipe takes and measures this machine', async () => {
    expect(await main(['plan', ...TINY, 'vocabularySize=300', '--seconds', '0.05', '--json'])).toBe(0);
    const [plan] = records();
    expect(plan).toMatchObject({ model: { width: 16, vocabularySize: 300 }, tokensPerStep: 64, totalTokens: 640 });
    expect((plan!.speed as { tokensPerSecond: number }).tokensPerSecond).toBeGreaterThan(100);
    out = '';
    expect(await main(['plan', 'recipes/small.yaml', '--seconds', '0'])).toBe(0);
    expect(out).toMatch(/parameters +1\.\d M\n/);
  });
});
