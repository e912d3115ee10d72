import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Llama } from '../src/models/llama.js';
import { architectureOf } from '../src/models/registry.js';
import { saveModel } from '../src/models/save.js';
import type { Module } from '../src/nn/module.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../src/tokenizer/chat-template.js';
import { loadTokenizer } from '../src/tokenizer/file.js';
import type { Tokenizer } from '../src/tokenizer/tokenizer.js';
import { trainWordPiece } from '../src/tokenizer/wordpiece-training.js';
import type { Json } from '../src/util/json.js';
import { athanorHere } from './athanor-process.js';
import { HubServer } from './hub-server.js';
import { likeTrained } from './model-contract.js';
import { sharedData } from './shared-data.js';
import { repositoryRoot } from './source-files.js';

const home = fs.mkdtempSync(path.join(tmpdir(), 'athanor-exchange-'));
const at = (...parts: string[]): string => path.join(home, ...parts);
const fixture = (...parts: string[]): string => path.join(repositoryRoot, 'test', 'fixtures', ...parts);
const TEXTS = ['the cat sat on the mat and the dog sat on the cat', 'a frog sat in the bog, and the hog sat on a log'];

/** A model of a fixture's shape, for the words of a tokenizer. */
function modelLike(name: string, tokenizer: Tokenizer, more = 0): Module & { readonly config: unknown } {
  const json = JSON.parse(fs.readFileSync(fixture('models', name, 'config.json'), 'utf8')) as { [key: string]: Json };
  const config = { ...json, vocab_size: tokenizer.vocabularySize + more };
  const architecture = architectureOf(config, name);
  return likeTrained(architecture.create(architecture.fromConfig(config, name))) as never;
}

type Line = Readonly<Record<string, unknown>>;

/** Runs a command that succeeds, and reads the lines that it prints under `--json`. */
async function records(...args: string[]): Promise<Line[]> {
  const { code, out, err } = await athanorHere([...args, '--json']);
  expect(err).toBe('');
  expect(code, out).toBe(0);
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const verdicts = (lines: readonly Line[]): unknown[] =>
  lines.flatMap(({ event, verdict }) => (event === 'verification' ? [verdict] : []));

/** Runs a command that fails with one message. */
async function fault(...args: string[]): Promise<string> {
  const { code, err } = await athanorHere(args);
  expect(code).toBe(1);
  expect(err.match(/^athanor: /gm)).toHaveLength(1);
  expect(err).not.toContain('    at ');
  return err;
}

beforeAll(async () => {
  const bytes = await trainByteBpe(TEXTS, { vocabularySize: 290, specialTokens: CHAT_SPECIAL_TOKENS });
  const config = { vocabularySize: bytes.vocabularySize, width: 32, layers: 2, heads: 2, keyHeads: 1, hidden: 64 };
  const rest = { positions: 96, theta: 10_000, epsilon: 1e-5, tiedHead: true, queryKeyNorm: false };
  const llama = likeTrained(new Llama({ ...config, ...rest }));
  const generation = { eosIds: [bytes.specialTokens.get('<|end|>')!], temperature: 0.7, topK: 20 };
  await saveModel(at('llama'), { model: llama, tokenizer: bytes, chatTemplate: DEFAULT_CHAT_TEMPLATE, generation });
  const other = likeTrained(new Llama({ ...config, ...rest }), 6);
  await saveModel(at('other'), { model: other, tokenizer: bytes, chatTemplate: DEFAULT_CHAT_TEMPLATE });

  fs.mkdirSync(at('pieces'));
  fs.copyFileSync(fixture('tokenizers', 'unigram-bytes.model'), at('pieces', 'spiece.model'));
  fs.writeFileSync(
    at('pieces', 'tokenizer_config.json'),
    '{"eos_token":"</s>","pad_token":"<pad>","unk_token":"<unk>"}',
  );
  const pieces = loadTokenizer(at('pieces'));
  // Where there is no tokenizer.json, T5's hundred masks are added to the words of the file.
  await saveModel(at('t5'), { model: modelLike('t5', pieces, 100), tokenizer: pieces });

  const words = await trainWordPiece(TEXTS, { vocabularySize: 60 });
  await saveModel(at('bert'), { model: modelLike('bert-masked-lm', words), tokenizer: words });
}, 60_000);

afterAll(() => fs.rmSync(home, { recursive: true, force: true }));

describe('a model that goes out', () => {
  it('comes back from safetensors, whole and in parts', async () => {
    const lines = await records('export', at('llama'), '--format', 'safetensors', '--to', at('whole'), '--tokens', '8');
    expect(verdicts(lines)).toEqual(['equal']);
    expect(lines[0]).toMatchObject({ event: 'written', types: ['f32'] });
    const cut = await records(
      ...['export', at('llama'), '--format', 'safetensors', '--to', at('parts'), '--tokens', '8', '--type', 'bf16'],
      ...['--shard', '20KB'],
    );
    expect(verdicts(cut)).toEqual(['close']);
    const names = fs.readdirSync(at('parts'));
    expect(names.filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name)).length).toBeGreaterThan(1);
    expect(names).toContain('model.safetensors.index.json');
    const generation = JSON.parse(fs.readFileSync(at('parts', 'generation_config.json'), 'utf8')) as object;
    expect(generation).toMatchObject({ eos_token_id: 6, do_sample: true, temperature: 0.7, top_k: 20 });
  });

  it.each([
    ['f32', 'equal'],
    ['f16', 'close'],
    ['q8_0', 'close'],
    ['q4_0', 'close'],
  ])('comes back from GGUF of type %s', async (type, verdict) => {
    const file = at(`${type}.gguf`);
    const lines = await records(
      'export',
      at('llama'),
      '--format',
      'gguf',
      '--type',
      type,
      '--to',
      file,
      '--tokens',
      '8',
    );
    expect(verdicts(lines)).toEqual([verdict]);
    expect(lines.at(-1)).toMatchObject({ chat: { verdict: 'equal' }, tokenizer: { verdict: 'equal' } });
  });

  it('comes back from ONNX of every type', async () => {
    const lines = await records(
      ...['export', at('llama'), '--format', 'onnx', '--type', 'f32,f16,int8,q4', '--to', at('onnx'), '--tokens', '8'],
    );
    expect(verdicts(lines)).toEqual(['equal', 'close', 'close', 'close']);
    const again = await athanorHere(['verify', at('llama'), at('onnx'), '--type', 'f32', '--tokens', '8']);
    expect(again.code).toBe(0);
    expect(again.out).toContain('EQUAL');
  });

  it.each([
    ['bert', 'onnx'],
    ['bert', 'safetensors'],
    ['t5', 'onnx'],
    ['t5', 'safetensors'],
  ])('is a %s in %s', async (name, format) => {
    const to = at(`${name}-${format}`);
    const lines = await records('export', at(name), '--format', format, '--to', to, '--tokens', '6');
    expect(verdicts(lines)).toEqual(['equal']);
  });

  it('takes with it how a sentence encoder makes vectors', async () => {
    const source = fixture('sentences', 'model');
    const lines = await records('export', source, '--format', 'safetensors', '--to', at('sentences'));
    expect(verdicts(lines)).toEqual(['equal']);
    const texts = ['--text', 'the cat sat', '--text', 'cat'];
    const [before, after] = [
      await records('embed', source, ...texts),
      await records('embed', at('sentences'), ...texts),
    ];
    expect(before).toHaveLength(2);
    expect(after).toEqual(before);
  });

  it.skipIf(sharedData('models/stories260K') === undefined)('is a trained one of llama2.c', async () => {
    const source = sharedData('models/stories260K')!;
    const lines = await records('import', source, '--to', at('stories'));
    expect(lines[0]).toMatchObject({ event: 'model', architecture: 'llama', tokens: 512, hasChatTemplate: false });
    expect(verdicts(lines)).toEqual(['equal']);
    const file = at('stories.gguf');
    const packed = await records(
      'export',
      at('stories'),
      '--format',
      'gguf',
      '--type',
      'q8_0',
      '--to',
      file,
      '--tokens',
      '8',
    );
    expect(verdicts(packed)).toEqual(['close']);
    expect(packed.at(-1)).toMatchObject({ outputs: { positions: expect.any(Number) } });
  });
});

describe('a model that comes in', () => {
  it('from a GGUF file', async () => {
    await records('export', at('llama'), '--format', 'gguf', '--type', 'f32', '--to', at('in.gguf'), '--tokens', '4');
    const lines = await records('import', at('in.gguf'), '--to', at('imported'));
    expect(verdicts(lines)).toEqual(['equal']);
    expect(lines[0]).toMatchObject({ architecture: 'llama', hasChatTemplate: true, layers: 2 });
    expect(verdicts(await records('verify', at('llama'), at('imported'), '--tokens', '4'))).toEqual(['equal']);
  });

  it('from a folder with a plain vocabulary', async () => {
    fs.cpSync(at('t5'), at('plain'), { recursive: true });
    for (const name of ['tokenizer.json', 'checksums.json']) fs.rmSync(at('plain', name));
    fs.copyFileSync(at('pieces', 'spiece.model'), at('plain', 'spiece.model'));
    fs.copyFileSync(at('pieces', 'tokenizer_config.json'), at('plain', 'tokenizer_config.json'));
    expect(verdicts(await records('import', at('plain'), '--to', at('from-plain')))).toEqual(['equal']);
    expect(fs.existsSync(at('from-plain', 'tokenizer.json'))).toBe(true);
  });

  it('from the Hub, in every command, and from the cache without it', async () => {
    const server = await HubServer.start();
    const before = { ...process.env };
    Object.assign(process.env, { HF_HOME: at('hub'), HF_ENDPOINT: server.endpoint });
    try {
      const files = fs.readdirSync(at('llama')).filter((name) => name !== 'checksums.json');
      server.commit(
        'models/ada/tiny',
        Object.fromEntries(files.map((name) => [name, fs.readFileSync(at('llama', name))])),
      );
      await records('export', at('llama'), '--format', 'gguf', '--type', 'f32', '--to', at('hub.gguf'));
      server.commit('models/ada/packed', { 'README.md': 'models', 'tiny-F32.gguf': fs.readFileSync(at('hub.gguf')) });
      expect(await fault('generate', 'hf:ada/packed', '--prompt', 'a')).toMatch(
        /GGUF files[\s\S]*hf:ada\/packed\/tiny-F32\.gguf/,
      );
      expect(await fault('generate', 'hf:ada/packed/other.gguf', '--prompt', 'a')).toMatch(/no such file/);
      const same = await records('verify', 'hf:ada/packed/tiny-F32.gguf', at('llama'), '--tokens', '4');
      expect(verdicts(same)).toEqual(['equal']);
      const { code, out, err } = await athanorHere([
        'generate',
        'hf:ada/tiny',
        '--prompt',
        'the',
        '--max-tokens',
        '3',
        '--temperature',
        '0',
      ]);
      expect([code, out.length > 0]).toEqual([0, true]);
      expect(err).toContain('download');
      await server.stop();
      expect(verdicts(await records('verify', 'hf:ada/tiny', at('llama'), '--offline', '--tokens', '4'))).toEqual([
        'equal',
      ]);
      const lines = await records('import', 'hf:ada/tiny@main', '--to', at('from-hub'), '--offline');
      expect(verdicts(lines)).toEqual(['equal']);
      expect(await fault('embed', 'hf:ada/none', '--text', 'a', '--offline')).toMatch(/ada\/none is not in the cache/);
      expect(await fault('generate', 'hf:datasets/ada/texts', '--prompt', 'a')).toMatch(/data set, not a model/);
    } finally {
      for (const name of ['HF_HOME', 'HF_ENDPOINT']) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });
});

describe('models of other kinds', () => {
  it('answer: an encoder-decoder', async () => {
    const { code, out } = await athanorHere([
      'generate',
      at('t5'),
      '--prompt',
      'the cat',
      '--max-tokens',
      '4',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(out.trim().split('\n').at(-1)!)).toMatchObject({ type: 'end' });
    const asked = ['generate', at('t5'), '--prompt', 'the cat', '--max-tokens', '4'];
    const beams = await athanorHere([...asked, '--beams', '3']);
    expect([beams.code, beams.err]).toEqual([0, '']);
    expect(await fault('generate', at('llama'), '--prompt', 'a', '--beams', '3')).toMatch(/token by token[\s\S]*t5/);
  });

  it('give vectors and words: an encoder', async () => {
    const table = await athanorHere(['embed', at('bert'), '--text', 'the cat', '--text', 'the dog']);
    expect(table.code).toBe(0);
    expect(table.out).toMatch(/1 {2}the cat\s+1\.000\s+-?0\.\d{3}/);
    fs.writeFileSync(at('lines.txt'), 'the cat\n\nthe dog\r\na frog\n');
    const lines = await records('embed', at('bert'), '--file', at('lines.txt'));
    expect(lines.map(({ text }) => text)).toEqual(['the cat', 'the dog', 'a frog']);
    const filled = await records('embed', at('bert'), '--fill', 'the [MASK] sat on [MASK]', '--top', '3');
    expect(filled.map(({ mask, tokens }) => [mask, (tokens as Json[]).length])).toEqual([
      [0, 3],
      [1, 3],
    ]);
  });
});

describe('what cannot be done', () => {
  it('is said in one message', async () => {
    const to = ['--to', at('never')];
    expect(await fault('export', at('llama'), '--format', 'guff', ...to)).toContain('Did you mean gguf?');
    expect(await fault('export', at('llama'), '--format', 'gguf', '--type', 'int8', ...to)).toContain('type of onnx');
    expect(await fault('export', at('llama'), '--format', 'onnx', '--type', 'q8', ...to)).toMatch(/Did you mean q4\?/);
    expect(await fault('export', at('llama'), '--format', 'gguf', '--type', 'f16,f32', ...to)).toContain('one type');
    expect(await fault('export', at('t5'), '--format', 'gguf', ...to)).toContain('a t5 is not written to GGUF files');
    expect(await fault('export', at('nowhere'), '--format', 'onnx', ...to)).toContain('no such file or folder');
    expect(await fault('import', at('nowhere.gguf'), ...to)).toContain('no such file or folder');
    expect(await fault('export', at('llama'), '--format', 'onnx', '--shard', 'much', ...to)).toContain('Not a size');
    const gguf = ['export', at('llama'), '--format', 'gguf', ...to];
    expect(await fault(...gguf, '--shard', '1MB')).toMatch(/--shard: gguf knows no such option[\s\S]*safetensors/);
    expect(await fault(...gguf, '--no-cache')).toMatch(/--no-cache: gguf knows no such option[\s\S]*onnx/);
    expect(await fault(...gguf, '--type', '')).toContain('Name one, or several');
    for (const type of ['q8_0', 'f32,q4']) {
      const message = await fault('verify', at('llama'), at('other'), '--type', type);
      expect(message).toContain('Allowed choices are f32, f16, int8, q4.');
    }
    expect(await fault('verify', at('llama'), at('bert'))).toContain('two kinds of models');
    expect(await fault('verify', at('llama'), at('bert'), '--type', 'q4')).toContain('neither model is an ONNX export');
    expect(await fault('embed', at('llama'), '--text', 'a')).toContain('gives no vectors');
    expect(await fault('embed', at('llama'), '--fill', 'a [MASK]')).toContain('does not fill masks');
    expect(await fault('embed', at('bert'))).toContain('there is no text');
    expect(await fault('generate', at('bert'), '--prompt', 'a')).toContain('athanor embed');
    expect(fs.existsSync(at('never'))).toBe(false);
  });

  it('keeps what is there', async () => {
    fs.mkdirSync(at('full'));
    fs.writeFileSync(at('full', 'mine.txt'), 'mine');
    const exporting = ['export', at('llama'), '--format', 'safetensors', '--to', at('full'), '--tokens', '2'];
    expect(await fault(...exporting)).toContain('the folder is not empty');
    expect(await fault(...exporting, '--force')).toContain('all that is in it would be lost');
    expect(fs.readdirSync(at('full'))).toEqual(['mine.txt']);
    fs.writeFileSync(at('full', 'config.json'), '{}');
    await records(...exporting, '--force');
    expect(fs.readdirSync(at('full'))).not.toContain('mine.txt');
    fs.writeFileSync(at('mine.gguf'), 'mine');
    const file = ['export', at('llama'), '--format', 'gguf', '--to', at('mine.gguf'), '--tokens', '2'];
    expect(await fault(...file)).toContain('the file is there already');
    expect(fs.readFileSync(at('mine.gguf'), 'utf8')).toBe('mine');
    expect(verdicts(await records(...file, '--force'))).toEqual(['close']);
  });

  it('ends with exit code 1 where two models differ', async () => {
    const { code, out, err } = await athanorHere(['verify', at('llama'), at('other'), '--tokens', '4']);
    expect(code).toBe(1);
    expect(out).toContain('DIFFERS');
    expect(err).toContain('differs in outputs, greedy');
  });

  it('leaves nothing half written on a full disk', async ({ skip }) => {
    const disk = at('disk');
    fs.mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      skip('this user may not mount a small disk');
    }
    try {
      for (const [format, to] of [
        ['safetensors', path.join(disk, 'model')],
        ['onnx', path.join(disk, 'onnx')],
        ['gguf', path.join(disk, 'model.gguf')],
      ] as const) {
        const type = format === 'gguf' ? ['--type', 'f32'] : [];
        expect(await fault('export', at('llama'), '--format', format, '--to', to, ...type)).toContain('no space left');
        expect(fs.readdirSync(disk)).toEqual([]);
      }
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});
