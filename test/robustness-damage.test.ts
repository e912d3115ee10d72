import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listCheckpoints } from '../src/models/checkpoint-list.js';
import { athanor, athanorHere, type Ended, linesOf } from './athanor-process.js';

const dir = fs.mkdtempSync(path.join(tmpdir(), 'athanor-damage-'));
const at = (...parts: string[]): string => path.join(dir, ...parts);
const MEMORY = 400e6;

const training = (out: string, steps: number): string[] => [
  ...['pretrain', '--data', at('corpus.txt'), '--out', out, 'threads=1', 'width=16', 'layers=1', 'rows=4'],
  ...['columns=16', `steps=${steps}`, 'sampleEverySteps=0', 'checkpointSeconds=0'],
];
const weights = (run: string): Buffer => fs.readFileSync(path.join(run, 'model', 'model.safetensors'));
const speaking = (model: string): string[] => [
  ...['generate', model, '--prompt', '3 plus', '--max-tokens', '8', '--temperature', '0', '--threads', '1'],
];
const say = (model: string): Ended => athanor(speaking(model));
const sayHere = (model: string): Promise<Ended> => athanorHere(speaking(model));

beforeAll(() => {
  const sum = (i: number): string => `${i % 50} plus ${(i * 7) % 50} makes ${(i % 50) + ((i * 7) % 50)}`;
  fs.writeFileSync(at('corpus.txt'), Array.from({ length: 400 }, (_, i) => sum(i)).join('\n\n'));
  for (const [name, steps] of [
    ['six', 6],
    ['nine', 9],
  ] as const) {
    const { code, err } = athanor(training(at(name), steps));
    expect(code, err).toBe(0);
  }
});
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Ended with a message, in bounded time and memory. */
function expectMessage({ code, err, seconds, memoryBytes }: Ended, message: string | RegExp): void {
  expect(code, err).toBe(1);
  expect(err).toMatch(/^athanor: \S/m);
  expect(err).toMatch(message);
  expect(err).not.toMatch(/^ {4}at /m);
  expect(err).not.toContain('--debug');
  expect(err.length).toBeLessThan(4000);
  expect(seconds).toBeLessThan(10);
  expect(memoryBytes).toBeLessThan(MEMORY);
}

function copy(from: string, to: string): string {
  fs.rmSync(at(to), { recursive: true, force: true });
  fs.cpSync(at(from), at(to), { recursive: true });
  return at(to);
}

function flipBit(file: string): void {
  const bytes = fs.readFileSync(file);
  bytes[bytes.length >> 1]! ^= 4;
  fs.writeFileSync(file, bytes);
}

const damages: readonly (readonly [what: string, damage: (file: string) => void])[] = [
  ['cut off', (file) => fs.truncateSync(file, fs.statSync(file).size >> 1)],
  ['with a flipped bit', flipBit],
];
const CHECKPOINT_FILES = [
  ...['checksums.json', 'config.json', 'generation_config.json', 'model.safetensors', 'optimizer.safetensors'],
  ...['tokenizer.json', 'tokenizer_config.json', 'trainer.json'],
];

describe('a damaged checkpoint', () => {
  it('has the files that are damaged here', () => {
    expect(fs.readdirSync(at('six', 'checkpoints', '6')).sort()).toEqual(CHECKPOINT_FILES);
  });

  it.each(damages)('is passed over, whichever file is %s', async (_what, damage) => {
    for (const file of CHECKPOINT_FILES) {
      const run = copy('six', 'run');
      fs.rmSync(path.join(run, 'model'), { recursive: true });
      damage(path.join(run, 'checkpoints', '6', file));
      const { code, err } = await (file === 'model.safetensors' ? say(run) : sayHere(run));
      expect(code, err).toBe(0);
      // A changed checksum shows in the file that it belongs to.
      const named = file === 'checksums.json' ? '' : file;
      expect(err).toMatch(new RegExp(`Passed over .*checkpoints/6: .*${named}: this file of a checkpoint is damaged`));
    }
  });

  it('is passed over by the run, which comes to the same weights', () => {
    const run = copy('six', 'run');
    flipBit(path.join(run, 'checkpoints', '6', 'optimizer.safetensors'));
    // What a kill while the model was saved would leave.
    fs.cpSync(path.join(run, 'model'), path.join(run, 'model.0badcafe.tmp'), { recursive: true });
    const { code, err } = athanor(training(run, 9));
    expect(code, err).toBe(0);
    expect(err).toMatch(/checkpoints\/6 is damaged and passed over/);
    expect(weights(run).equals(weights(at('nine')))).toBe(true);
    const rows = (of: string): unknown[] =>
      linesOf(path.join(of, 'metrics.jsonl')).flatMap((line) => /^\{"step":\d+,"loss":[^,]+/.exec(line)?.[0] ?? []);
    expect(rows(run)).toEqual(rows(at('nine')));
    expect(fs.readdirSync(run).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('is refused where there is no other, and each file of a model, too', async () => {
    const run = copy('six', 'run');
    fs.rmSync(path.join(run, 'model'), { recursive: true });
    for (const { folder } of listCheckpoints(run)) flipBit(path.join(folder, 'model.safetensors'));
    expectMessage(say(run), /every checkpoint of the run is damaged/);
    for (const file of fs.readdirSync(at('six', 'model'))) {
      const other = copy('six', 'other');
      flipBit(path.join(other, 'model', file));
      const named = file === 'checksums.json' ? '' : file;
      expectMessage(await sayHere(other), new RegExp(`other/model/.*${named}: this file of a checkpoint is damaged`));
    }
    for (const command of [
      ['sft', run, '--data', at('corpus.txt'), '--out', at('tuned')],
      ['chat', run, '--once', 'x'],
    ]) {
      expectMessage(await athanorHere(command), /every checkpoint of the run is damaged/);
    }
  });

  it.each([
    ['run.json', '{"command": '],
    ['metrics.jsonl', '{"step":1}\n{"step"\n{"step":2}\n'],
  ])('nor is a damaged %s believed', async (file, content) => {
    const run = copy('six', 'run');
    fs.writeFileSync(path.join(run, file), content);
    expectMessage(await athanorHere(training(run, 9)), new RegExp(`run/${file.replace('.', '\\.')}`));
    expect((await sayHere(run)).code).toBe(0);
  });
});

it('a file that cannot be read is named', async () => {
  for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'checksums.json']) {
    const model = path.join(copy('six', 'run'), 'model');
    if (file !== 'checksums.json') fs.rmSync(path.join(model, 'checksums.json'));
    fs.rmSync(path.join(model, file));
    fs.mkdirSync(path.join(model, file));
    expectMessage(await sayHere(model), new RegExp(`${file}: .*(cannot (be )?read|is not a file)`));
  }
});

describe('a full disk', () => {
  const disk = at('disk');
  let mounted = false;
  beforeAll(() => {
    fs.mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk], { stdio: 'ignore' });
      mounted = true;
    } catch {
      process.stdout.write('skipped: mounting a small file system is not permitted here\n');
    }
  });
  afterAll(() => {
    if (mounted) execFileSync('umount', [disk]);
  });

  it('stops a run, which loses nothing and goes on when there is space again', ({ skip }) => {
    if (!mounted) skip();
    const run = path.join(disk, 'run');
    const first = athanor(training(run, 6));
    expect(first.code, first.err).toBe(0);
    const filler = path.join(disk, 'filler');
    const { bavail, bsize } = fs.statfsSync(disk);
    fs.writeFileSync(filler, Buffer.alloc((bavail - 12) * bsize));
    expectMessage(athanor(training(run, 9)), /cannot write: no space left on the disk/);
    expect(say(run).out).toBe(say(at('six')).out);
    for (const args of [
      ['tokenizer', 'train', '--data', at('corpus.txt'), '--out', path.join(disk, 'tokenizer'), '--vocabulary', '270'],
      ['sft', at('six'), '--data', at('chats.jsonl'), '--out', path.join(disk, 'tuned'), 'threads=1', 'steps=2'],
      ['forge', '--data', at('corpus.txt'), '--out', path.join(disk, 'forged'), '--minutes', '0.25', '--threads', '1'],
    ]) {
      const chats = Array.from({ length: 9 }, (_, i) => JSON.stringify({ prompt: `${i} plus 1?`, completion: `${i}` }));
      fs.writeFileSync(at('chats.jsonl'), chats.join('\n'));
      const left = fs.statfsSync(disk);
      fs.writeFileSync(path.join(disk, 'rest'), Buffer.alloc(left.bavail * left.bsize));
      expectMessage(athanor(args), /cannot (write|lock): no space left on the disk/);
      fs.rmSync(path.join(disk, 'rest'));
    }
    fs.rmSync(filler);
    const last = athanor(training(run, 9));
    expect(last.code, last.err).toBe(0);
    expect(weights(run).equals(weights(at('nine')))).toBe(true);
  });
});

/** A model of a stranger: without checksums. */
function stranger(): string {
  const model = path.join(copy('six', 'run'), 'model');
  fs.rmSync(path.join(model, 'checksums.json'));
  return model;
}

/** The same with another value under a dotted key of a file; under the empty key, with another content. */
function strange(file: string, key: string, value: unknown): string {
  const model = stranger();
  const target = path.join(model, file);
  const root = JSON.parse(fs.readFileSync(target, 'utf8')) as Record<string, unknown>;
  const parts = key.split('.');
  const last = parts.pop()!;
  const holder = parts.reduce((at, part) => at[part] as Record<string, unknown>, root);
  holder[last] = value;
  fs.writeFileSync(target, JSON.stringify(key === '' ? value : root));
  return model;
}

/** The same with another `model.safetensors`: a header, and so many bytes of data that are not really there. */
function strangeWeights(
  header: string | Uint8Array,
  dataBytes = 0,
  headerLength = BigInt(Buffer.byteLength(header)),
): string {
  const model = stranger();
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(headerLength);
  const file = path.join(model, 'model.safetensors');
  fs.writeFileSync(file, Buffer.concat([prefix, Buffer.from(header)]));
  fs.truncateSync(file, fs.statSync(file).size + dataBytes);
  return model;
}

/** The same with a file of so many zeros, which take no space on the disk. */
function sparse(file: string, bytes: number): string {
  const model = stranger();
  fs.truncateSync(path.join(model, file), bytes);
  return model;
}

const tensor = (shape: readonly number[], end: number, more: object = {}): string =>
  JSON.stringify({ 'model.embed_tokens.weight': { dtype: 'F32', shape, data_offsets: [0, end] }, ...more });

const hostile: readonly (readonly [what: string, model: () => string, message: RegExp])[] = [
  ['a vocabulary without end', () => strange('config.json', 'vocab_size', 2 ** 52), /config\.json: vocab_size/],
  ['a width without end', () => strange('config.json', 'hidden_size', 2 ** 40), /config\.json: hidden_size/],
  ['many layers', () => strange('config.json', 'num_hidden_layers', 1e9), /config\.json: num_hidden_layers/],
  [
    'the most layers that are allowed',
    () => strange('config.json', 'num_hidden_layers', 1024),
    /tensors of the weights are not those/,
  ],
  [
    'a context without end',
    () => strange('config.json', 'max_position_embeddings', 2 ** 31),
    /config\.json: max_position_embeddings/,
  ],
  ['a negative size', () => strange('config.json', 'intermediate_size', -1), /config\.json: intermediate_size/],
  [
    'a text in place of a size',
    () => strange('config.json', 'num_attention_heads', '4'.repeat(1e5)),
    /config\.json: num_attention_heads/,
  ],
  ['another model', () => strange('config.json', 'model_type', '../../etc/passwd'), /model_type|architecture/],
  ['a prototype', () => strange('config.json', 'model_type', '__proto__'), /model_type|architecture/],
  ['a list in place of a configuration', () => strange('config.json', '', []), /config\.json: not a JSON object/],
  ['another configuration', () => strange('config.json', '', { a: 0 }), /config\.json/],
  ['a configuration of 10 GB', () => sparse('config.json', 1e10), /config\.json: too large/],
  ['a tokenizer of 10 GB', () => sparse('tokenizer.json', 1e10), /tokenizer\.json: too large/],
  ['a tokenizer of zeros', () => sparse('tokenizer.json', 1e7), /tokenizer\.json: not valid JSON/],
  [
    'an id without end',
    () => strange('tokenizer.json', 'model.vocab', { a: 2 ** 31 }),
    /tokenizer\.json: .*model\.vocab\["a"\]/,
  ],
  [
    'an added token without end',
    () => strange('tokenizer.json', 'added_tokens', [{ id: 1e12, content: 'x' }]),
    /added_tokens\[0\]/,
  ],
  ['ids that the model does not have', () => strange('config.json', 'vocab_size', 100), /ids that the model does not/],
  ['merges of nothing', () => strange('tokenizer.json', 'model.merges', [['', '']]), /model\.merges\[0\]/],
  [
    'a pattern that never ends',
    () =>
      strange('tokenizer.json', 'pre_tokenizer', { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated' }),
    /tokenizer\.json: .*not supported/,
  ],
  ['a header of 2⁶⁰ bytes', () => strangeWeights('{}', 0, 2n ** 60n), /safetensors: .*header passes the limit/],
  [
    'a header longer than the file',
    () => strangeWeights('{}', 0, 90_000_000n),
    /safetensors: .*ends inside its header/,
  ],
  ['a header of 90 MB of zeros', () => strangeWeights('', 90_000_000, 90_000_000n), /safetensors: .*not JSON/],
  ['a tensor of 10 TB', () => strangeWeights(tensor([2.5e12], 1e13)), /safetensors: .*cut off/],
  [
    'a shape whose product passes every number',
    () => strangeWeights(tensor([2 ** 52, 2 ** 52, 2 ** 52], 8)),
    /wrong length/,
  ],
  [
    'a tensor of 100 GB that takes no space',
    () => strangeWeights(tensor([2.5e10], 1e11), 1e11),
    /tensors of the weights are not those/,
  ],
  [
    'tensors over each other',
    () => strangeWeights(tensor([2], 8, { other: { dtype: 'F32', shape: [2], data_offsets: [4, 12] } }), 12),
    /does not follow the one before/,
  ],
  [
    'weights outside the folder',
    () => {
      const model = stranger();
      fs.rmSync(path.join(model, 'model.safetensors'));
      const index = { weight_map: { 'model.embed_tokens.weight': '../../nine/model/model.safetensors' } };
      fs.writeFileSync(path.join(model, 'model.safetensors.index.json'), JSON.stringify(index));
      return model;
    },
    /weight_map: not an index of weights\n.*plain file names/,
  ],
  [
    'checksums of files outside the folder',
    () => {
      const model = stranger();
      const files = { '../../../etc/passwd': { bytes: 1, sha256: '' } };
      fs.writeFileSync(path.join(model, 'checksums.json'), JSON.stringify({ format: 'athanor-checksums-1', files }));
      return model;
    },
    /is not a checksum/,
  ],
];

/** What would cost memory if it were believed: in a process of its own, whose memory is told. */
const LARGE = /\d (GB|TB|MB|bytes)/;

describe('a model of a stranger', () => {
  it.each(hostile)('with %s is refused', async (what, model, message) => {
    expectMessage(LARGE.test(what) ? say(model()) : await sayHere(model()), message);
  });

  it('works without checksums', () => {
    expect(say(stranger()).out).toBe(say(at('six')).out);
  });
});
