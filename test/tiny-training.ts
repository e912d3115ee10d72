import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ChatStore, packChats } from '../src/data/chat-batches.js';
import { packDocuments, type TokenStore } from '../src/data/token-store.js';
import type { LlamaConfig } from '../src/models/llama.js';
import { weightsOf } from '../src/nn/module.js';
import { trainCharacters } from '../src/tokenizer/characters.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../src/tokenizer/chat-template.js';
import type { Tokenizer } from '../src/tokenizer/tokenizer.js';
import { DEFAULT_TRAIN_SETTINGS, type TrainSettings } from '../src/train/recipe.js';
import { openRun, type RunFolder } from '../src/train/run-folder.js';
import { Progress } from '../src/util/progress.js';
import { Random } from '../src/util/random.js';

/** Small enough for a step in a few milliseconds. */
export const TINY_TRAIN: TrainSettings = {
  ...DEFAULT_TRAIN_SETTINGS,
  steps: 12,
  rows: 4,
  columns: 24,
  learningRate: 3e-3,
  warmupSteps: 2,
  threads: 1,
  evaluateEverySteps: 6,
};

export function tinyModel(tokenizer: Tokenizer): LlamaConfig {
  return {
    vocabularySize: tokenizer.vocabularySize,
    width: 16,
    layers: 2,
    heads: 2,
    keyHeads: 1,
    hidden: 32,
    positions: 32,
    theta: 10_000,
    epsilon: 1e-5,
    tiedHead: true,
    queryKeyNorm: false,
  };
}

export interface TinyData {
  readonly tokenizer: Tokenizer;
  readonly training: TokenStore;
  readonly heldOut: TokenStore;
  readonly chats: ChatStore;
  readonly heldOutChats: ChatStore;
}

/** Short sums as text and as chats. */
export async function tinyData(): Promise<TinyData> {
  const random = new Random(7);
  const sums = Array.from({ length: 160 }, () => {
    const [a, b] = [random.integer(50), random.integer(50)] as const;
    return { question: `${a}+${b}=`, answer: `${a + b}` };
  });
  const documents = sums.map(({ question, answer }, i) => ({ text: question + answer, origin: `sum ${i}` }));
  const tokenizer = await trainCharacters(
    documents.map(({ text }) => text),
    { specialTokens: CHAT_SPECIAL_TOKENS },
  );
  const chats = sums.map(({ question, answer }, i) => ({
    messages: [
      { role: 'user' as const, content: question },
      { role: 'assistant' as const, content: answer },
    ],
    origin: `sum ${i}`,
  }));
  const pack = (part: typeof chats) =>
    packChats(part, tokenizer, DEFAULT_CHAT_TEMPLATE, { columns: TINY_TRAIN.columns });
  return {
    tokenizer,
    training: await packDocuments(documents.slice(20), tokenizer),
    heldOut: await packDocuments(documents.slice(0, 20), tokenizer),
    chats: await pack(chats.slice(20)),
    heldOutChats: await pack(chats.slice(0, 20)),
  };
}

export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'athanor-train-'));
}

export function openTinyRun(folder: string): RunFolder {
  return openRun(folder, { command: 'test', recipe: {}, seed: 1 });
}

/** A progress line that nobody sees. */
export function silentProgress(): Progress {
  return new Progress({ label: 'test', stream: { write: () => true } });
}

/** Aborts when `progress` hears of a step. */
export function progressThatStops(step: number): { readonly progress: Progress; readonly signal: AbortSignal } {
  const controller = new AbortController();
  const progress = silentProgress();
  const update = progress.update.bind(progress);
  progress.update = (done, fields) => {
    update(done, fields);
    if (done === step) controller.abort();
  };
  return { progress, signal: controller.signal };
}

/** Every weight of a model, by name, copied. */
export function weightsOfAll(model: {
  namedParameters(): Iterable<[string, Parameters<typeof weightsOf>[0]]>;
}): Map<string, Float32Array> {
  return new Map([...model.namedParameters()].map(([name, parameter]) => [name, weightsOf(parameter).slice()]));
}
