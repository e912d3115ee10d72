import { InputError } from '../util/errors.js';
import type { AddedTokenSplitter } from './added-tokens.js';
import { wellFormed } from './encoding-buffers.js';
import type { PretokenCounts } from './pretoken-counts.js';

const CHARACTERS_A_BREATH = 1 << 20;

/** Lets timers, signals and the progress line have their turn. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Reads the texts of a training to their end: what lies between special tokens goes to `onSection`, which counts it.
 *
 * @param onBreath told now and then how many UTF-16 units were read.
 * @returns the UTF-16 units that were read.
 * @throws {InputError} if there is nothing to learn from.
 */
export async function readTrainingTexts(
  texts: Iterable<string> | AsyncIterable<string>,
  splitter: AddedTokenSplitter,
  counts: PretokenCounts,
  onSection: (section: string) => void,
  onBreath: (characters: number) => void,
): Promise<number> {
  let [characters, breath] = [0, 0];
  for await (const text of texts) {
    splitter.split(wellFormed(text), true, onSection, () => {});
    characters += text.length;
    if (characters >= breath) {
      onBreath(characters);
      await breathe();
      breath = characters + CHARACTERS_A_BREATH;
    }
  }
  if (counts.distinct === 0) {
    throw new InputError('there is no text to learn from', { where: 'texts', hint: 'Is the file or folder empty?' });
  }
  return characters;
}
