import { InputError } from '../util/errors.js';
import type { PieceMerge } from './pair-merger.js';

/** Gemma's 256,000 pieces have 600,000 merges. */
const MOST_MERGES = 2 ** 22;
/** Squares of the lengths of all pieces, for the time that it takes to cut them; Gemma's have 2^24. */
const MOST_CUTTING = 2 ** 30;

/**
 * The merges of a SentencePiece vocabulary, which has scores instead: every way to cut a piece into two pieces is a
 * merge; the better the score of the whole, the earlier.
 *
 * @param vocabulary every token to its id. @param scores of the pieces; other tokens are never merged.
 * @throws {InputError} for pieces so long, or cut in so many ways, that no tokenizer has them.
 */
export function mergesByScore(
  vocabulary: ReadonlyMap<string, number>,
  scores: ReadonlyMap<string, number>,
): PieceMerge[] {
  const distinct = [...new Set(scores.values())].sort((a, b) => b - a);
  const priorities = new Map(distinct.map((score, priority) => [score, priority]));
  const merges: PieceMerge[] = [];
  let cutting = 0;
  for (const piece of scores.keys()) cutting += piece.length ** 2;
  if (cutting > MOST_CUTTING) throw new InputError('the pieces are too long', { where: 'the vocabulary' });
  for (const [piece, score] of scores) {
    const splits: PieceMerge[] = [];
    for (let i = 1; i < piece.length; i++) {
      const [left, right] = [piece.slice(0, i), piece.slice(i)];
      if (scores.has(left) && scores.has(right)) splits.push({ left, right, priority: priorities.get(score)! });
    }
    const id = (token: string): number => vocabulary.get(token)!;
    if (merges.length + splits.length > MOST_MERGES) {
      throw new InputError('the pieces can be cut in too many ways', { where: 'the vocabulary' });
    }
    merges.push(...splits.sort((a, b) => id(a.left) - id(b.left) || id(a.right) - id(b.right)));
  }
  return merges;
}
