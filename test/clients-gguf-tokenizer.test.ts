import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type GgufField, ggufParts } from '../src/gguf/index.js';
import { ByteBpe } from '../src/tokenizer/byte-bpe.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import { loadTokenizer } from '../src/tokenizer/file.js';
import { ggufCutOf } from '../src/tokenizer/gguf-pre.js';
import { tokenizerToGguf } from '../src/tokenizer/gguf-writing.js';
import { loadLlama2cTokenizer } from '../src/tokenizer/llama2c.js';
import { NFC } from '../src/tokenizer/normalizer.js';
import { readPreTokenizer } from '../src/tokenizer/pre-tokenizer.js';
import { pretokenizerOf, WHOLE_TEXT } from '../src/tokenizer/pretokenizer.js';
import type { Tokenizer } from '../src/tokenizer/tokenizer.js';
import { writeParts } from '../src/util/file-parts.js';
import { HARD_TEXTS } from './hard-texts.js';
import { hasLlamaClient, MODULE } from './llama-client.js';
import { sharedData } from './shared-data.js';
import { repositoryRoot } from './source-files.js';

const NO_CLIENT = 'node-llama-cpp is not installed here: npm run clients';
const NO_DATA = 'the shared test data is not on this machine';

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-gguf-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The texts of the shared data and our own. */
function hardTexts(): string[] {
  const inputs = sharedData('tokenizers/expected/multilingual/inputs.json');
  const shared = inputs === undefined ? [] : (JSON.parse(readFileSync(inputs, 'utf8')) as { text: string }[]);
  const strings = sharedData('tokenizers/gguf/ggml-vocab-gpt-2.gguf.inp');
  const separated = strings === undefined ? [] : readFileSync(strings, 'utf8').split('\n__ggml_vocab_test__\n');
  return [...HARD_TEXTS, ...shared.map(({ text }) => text), ...separated].filter((text) => text !== '');
}

/** A model file that has a tokenizer and nothing else. */
function writeVocabulary(name: string, tokenizer: Tokenizer): string {
  const file = path.join(folder, `${name}.gguf`);
  const size: GgufField = { type: 'u32', value: 1 };
  const shape = ['block_count', 'context_length', 'embedding_length', 'feed_forward_length', 'attention.head_count'];
  const metadata = new Map<string, GgufField>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ...shape.map((key): [string, GgufField] => [`llama.${key}`, size]),
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }],
    ...tokenizerToGguf(tokenizer).fields,
  ]);
  writeParts(file, ggufParts(metadata, []));
  return file;
}

/** A tokenizer, and texts that llama.cpp must cut as it does. */
interface Task {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly texts: readonly string[];
  /** Whether special tokens in the text are recognised. */
  readonly special?: boolean;
}

function expectSameIds(tasks: readonly Task[]): void {
  const program = path.join(repositoryRoot, 'test', 'programs', 'llama-cpp-tokenize.ts');
  const files = tasks.map(({ name, tokenizer, texts, special = false }) => {
    return { file: writeVocabulary(name, tokenizer), texts, special };
  });
  const input = JSON.stringify({ module: pathToFileURL(MODULE).href, tasks: files });
  const options = { input, encoding: 'utf8', timeout: 150_000, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 } as const;
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', program], options);
  expect(stdout, stderr).toMatch(/^\[/);
  const results = JSON.parse(stdout) as number[][][];
  tasks.forEach(({ name, tokenizer, texts, special = false }, i) => {
    expect(results[i]).toHaveLength(texts.length);
    texts.forEach((text, k) => {
      expect([...tokenizer.encode(text, { allowSpecial: special })], `${name}: ${text}`).toEqual(results[i]![k]);
    });
  });
}

function gpt2(): ByteBpe | undefined {
  const file = sharedData('tokenizers/gpt2/gpt2_tokenizer.json');
  return file === undefined ? undefined : (loadTokenizer(file) as ByteBpe);
}

/** Merges that were learned without any cut, so that wherever a text is cut otherwise its ids are others. */
async function uncut(texts: readonly string[]): Promise<ByteBpe> {
  const options = { vocabularySize: 3000, specialTokens: ['<|endoftext|>'], pretokenizer: WHOLE_TEXT };
  return trainByteBpe(texts, options);
}

function withCut({ definition }: ByteBpe, name: string): ByteBpe {
  const cut = ggufCutOf(name, 'test');
  return new ByteBpe({
    ...definition,
    cuts: cut.cuts.map((step) => readPreTokenizer(step as Parameters<typeof readPreTokenizer>[0])),
    pretokenizer: pretokenizerOf(cut.pattern),
    ignoreMerges: cut.ignoreMerges,
    normalizer: cut.isNfc ? NFC : undefined,
  });
}

describe('llama.cpp', () => {
  it('gives the same ids from a written GGUF', { timeout: 240_000 }, async (context) => {
    const tokenizer = gpt2();
    const file = sharedData('models/stories260K/tok512.bin');
    if (!hasLlamaClient) return context.skip(NO_CLIENT);
    if (tokenizer === undefined || file === undefined) return context.skip(NO_DATA);
    const stories = loadLlama2cTokenizer(file, 512);
    const story = readFileSync(sharedData('models/stories260K/greedy_256.txt')!, 'utf8');
    const texts = hardTexts();
    expect(texts.length).toBeGreaterThan(130);
    const composed = texts.map((text) => text.normalize('NFC'));
    const forged = ['<|endoftext|>Once<|endoftext|> upon', '<s>Once upon</s> a<s> time', 'Once <s>', '<s>'];
    const learned = await uncut(composed);
    const names = ['gpt-2', 'olmo', 'smollm', 'command-r', 'qwen2', 'qwen35', 'llama-bpe', 'dbrx', 'default'];
    expectSameIds([
      { name: 'whole', tokenizer, texts: [...texts, ...forged] },
      { name: 'stories', tokenizer: stories, texts: [story, ...texts, ...forged] },
      { name: 'stories-special', tokenizer: stories, texts: forged, special: true },
      ...names.map((name) => ({ name, tokenizer: withCut(learned, name), texts: composed })),
      { name: 'special', tokenizer: withCut(learned, 'gpt-2'), texts: forged, special: true },
    ]);
  });
});
