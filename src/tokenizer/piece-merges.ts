import type { PieceMerge } from './pair-merger.js';

/**
 * The merges of a SentencePiece vocabulary, which has scores instead: every way to cut a piece into two pieces is a
 * merge; the better the score of the whole, the earlier.
 *
 * @param vocabulary every token to its id. @param scores of the pieces; other tokens are never merged.
 */
export function mergesByScore(
  vocabulary: ReadonlyMap<string, number>,
  scores: ReadonlyMap<string, number>,
): PieceMerge[] {
  const distinct = [...new Set(scores.values())].sort((a, b) => b - a);
  const priorities = new Map(distinct.map((score, priority) => [score, priority]));
  const merges: PieceMerge[] = [];
  for (const [piece, score] of scores) {
    const splits: PieceMerge[] = [];
    for (let i = 1; i < piece.length; i++) {
      const [left, right] = [piece.slice(0, i), piece.slice(i)];
      if (scores.has(left) && scores.has(right)) splits.push({ left, right, priority: priorities.get(score)! });
    }
    const id = (token: string): number => vocabulary.get(token)!;
    merges.push(...splits.sort((a, b) => id(a.left) - id(b.left) || id(a.right) - id(b.right)));
  }
  return merges;
}
