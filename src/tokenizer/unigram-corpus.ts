/** Words of a training text as symbols: the characters of the alphabet, numbered. */
export interface UnigramCorpus {
  /** The characters, the most frequent first. */
  readonly alphabet: readonly string[];
  /** How often each character occurs. */
  readonly characterCounts: Float64Array;
  /** The symbols of all words, one after another. */
  readonly symbols: Int32Array;
  /** Where each word starts in `symbols`; one more at the end. */
  readonly starts: Int32Array;
  /** How often each word occurs. */
  readonly counts: Float64Array;
}

/** Beyond so many distinct words the rarest are left out. */
const MOST_WORDS = 1_000_000;

/**
 * Numbers the characters of counted words. A character outside the alphabet ends a word, so that nothing is learned
 * over it.
 *
 * @param coverage how much of the text the alphabet must cover; the rarest characters are left out. 1: none is.
 */
export function numberCharacters(words: Iterable<[word: string, count: number]>, coverage: number): UnigramCorpus {
  const list = [...words];
  const characters = new Map<string, number>();
  let total = 0;
  for (const [word, count] of list) {
    for (const character of word) {
      characters.set(character, (characters.get(character) ?? 0) + count);
      total += count;
    }
  }
  const ranked = [...characters].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
  const alphabet: string[] = [];
  let covered = 0;
  for (const [character, count] of ranked) {
    if (covered >= coverage * total && coverage < 1) break;
    alphabet.push(character);
    covered += count;
  }
  const symbolOf = new Map(alphabet.map((character, symbol) => [character, symbol]));

  if (list.length > MOST_WORDS) {
    list.sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
    list.length = MOST_WORDS;
  }
  let length = 0;
  for (const [word] of list) length += word.length;
  const symbols = new Int32Array(length);
  const starts: number[] = [0];
  const counts: number[] = [];
  let at = 0;
  const endWord = (count: number): void => {
    if (at === starts.at(-1)) return;
    starts.push(at);
    counts.push(count);
  };
  for (const [word, count] of list) {
    for (const character of word) {
      const symbol = symbolOf.get(character);
      if (symbol === undefined) endWord(count);
      else symbols[at++] = symbol;
    }
    endWord(count);
  }
  return {
    alphabet,
    characterCounts: Float64Array.from(alphabet, (character) => characters.get(character)!),
    symbols: symbols.slice(0, at),
    starts: Int32Array.from(starts),
    counts: Float64Array.from(counts),
  };
}
