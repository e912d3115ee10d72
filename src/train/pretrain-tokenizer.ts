import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Document } from '../data/document.js';
import { mostlyChinese } from '../data/language.js';
import { type TrainingProgress, trainByteBpe, VocabularyTooLargeError } from '../tokenizer/byte-bpe-training.js';
import { trainCharacters } from '../tokenizer/characters.js';
import { CHAT_SPECIAL_TOKENS } from '../tokenizer/chat-template.js';
import { loadTokenizer, saveTokenizer } from '../tokenizer/file.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { suggestedVocabulary } from './pretrain-recipe.js';
import type { RunFolder } from './run-folder.js';

export interface TokenizerChoice {
  readonly kind?: 'auto' | 'byte-bpe' | 'character' | undefined;
  /** Asked for and impossible is an error; left out, it is chosen by the data. */
  readonly vocabularySize?: number | undefined;
}

/** Told of choices, and of how far training is. */
export interface TokenizerReport {
  readonly note: (text: string) => void;
  readonly onProgress?: ((progress: TrainingProgress) => void) | undefined;
}

/** Characters that are looked at to tell the language. */
const SAMPLE_CHARACTERS = 200_000;

function sampleOf(documents: readonly Document[]): string {
  let sample = '';
  for (const { text } of documents) {
    if (sample.length >= SAMPLE_CHARACTERS) break;
    sample += text;
  }
  return sample;
}

/**
 * Trains a tokenizer for documents, with the special tokens of a chat: characters for text that is mostly Chinese, else
 * byte-level BPE.
 *
 * @throws {VocabularyTooLargeError} if a vocabulary is asked for that the text cannot fill.
 */
export async function trainTokenizerFor(
  documents: readonly Document[],
  choice: TokenizerChoice,
  { note, onProgress }: TokenizerReport,
): Promise<Tokenizer> {
  const { kind = 'auto', vocabularySize } = choice;
  const texts = documents.map(({ text }) => text);
  const specialTokens = CHAT_SPECIAL_TOKENS;
  if (kind === 'character' || (kind === 'auto' && mostlyChinese(sampleOf(documents)))) {
    return trainCharacters(texts, {
      specialTokens,
      ...(vocabularySize === undefined ? {} : { maximumVocabularySize: vocabularySize }),
    });
  }
  const train = (size: number): Promise<Tokenizer> =>
    trainByteBpe(texts, { vocabularySize: size, specialTokens, ...(onProgress ? { onProgress } : {}) });
  if (vocabularySize !== undefined) return train(vocabularySize);
  const suggested = suggestedVocabulary(texts.reduce((total, text) => total + Buffer.byteLength(text), 0));
  try {
    return await train(suggested);
  } catch (error) {
    if (!(error instanceof VocabularyTooLargeError)) throw error;
    note(`The text allows a vocabulary of ${error.largestVocabulary} tokens only; ${suggested} were planned.`);
    return train(error.largestVocabulary);
  }
}

/**
 * The tokenizer of a run, in `<run>/tokenizer`: made when the run begins, read when it goes on, so that a resumed run has
 * the same.
 */
export async function tokenizerOfRun(run: RunFolder, make: () => Promise<Tokenizer>): Promise<Tokenizer> {
  const folder = run.path('tokenizer');
  // Of its two files this one is written last.
  if (run.resumed && existsSync(path.join(folder, 'tokenizer_config.json'))) return loadTokenizer(folder);
  const tokenizer = await make();
  saveTokenizer(tokenizer, folder);
  return tokenizer;
}
