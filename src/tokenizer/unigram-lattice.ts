import { PieceTrie } from './piece-trie.js';

/** A word has at most this many symbols. */
const LONGEST_WORD = 64;
/** What an unknown character costs beyond the least likely piece. */
const UNKNOWN_PENALTY = 10;
/** Below this probability doubles lose digits. */
const TOO_SMALL = 1e-280;

/** The edge of a symbol that no piece covers. */
export const UNKNOWN = -1;

/** The pieces of a Unigram model in learning; dead ones have the score -∞. */
export class UnigramLattice {
  readonly trie: PieceTrie;
  readonly scores: Float64Array;
  private readonly probabilities: Float64Array;
  private unknownScore = 0;
  private unknownProbability = 0;
  // The edges of the word at hand, in order of their starts.
  private edges = 0;
  private readonly edgeStarts: Int32Array;
  private readonly edgeEnds: Int32Array;
  private readonly edgePieces: Int32Array;
  private readonly forward = new Float64Array(LONGEST_WORD + 1);
  private readonly backward = new Float64Array(LONGEST_WORD + 1);
  private readonly bestEdge = new Int32Array(LONGEST_WORD + 1);

  /** @param count of pieces. @param longest piece. */
  constructor(symbolCount: number, count: number, longest: number) {
    this.trie = new PieceTrie(symbolCount);
    this.scores = new Float64Array(count);
    this.probabilities = new Float64Array(count);
    const most = LONGEST_WORD * (longest + 1);
    this.edgeStarts = new Int32Array(most);
    this.edgeEnds = new Int32Array(most);
    this.edgePieces = new Int32Array(most);
  }

  /** To be called when scores have changed. */
  update(): void {
    let least = Number.POSITIVE_INFINITY;
    this.scores.forEach((score, piece) => {
      if (score > Number.NEGATIVE_INFINITY && score < least) least = score;
      this.probabilities[piece] = Math.exp(score);
    });
    this.unknownScore = least - UNKNOWN_PENALTY;
    this.unknownProbability = Math.exp(this.unknownScore);
  }

  get leastScore(): number {
    return this.unknownScore + UNKNOWN_PENALTY;
  }

  private scoreOf(piece: number): number {
    return piece === UNKNOWN ? this.unknownScore : this.scores[piece]!;
  }

  private findEdges(symbols: Int32Array, start: number, end: number): void {
    const { trie, scores, edgeStarts, edgeEnds, edgePieces } = this;
    const { values } = trie;
    let edges = 0;
    for (let from = start; from < end; from++) {
      let isKnown = false;
      let node = 0;
      for (let at = from; at < end; ) {
        node = trie.child(node, symbols[at++]!);
        if (node < 0) break;
        const piece = values[node]!;
        if (piece < 0 || scores[piece] === Number.NEGATIVE_INFINITY) continue;
        if (at === from + 1) isKnown = true;
        edgeStarts[edges] = from - start;
        edgeEnds[edges] = at - start;
        edgePieces[edges++] = piece;
      }
      if (!isKnown) {
        edgeStarts[edges] = from - start;
        edgeEnds[edges] = from - start + 1;
        edgePieces[edges++] = UNKNOWN;
      }
    }
    this.edges = edges;
  }

  /**
   * Adds to `expected` how often each piece is expected in a word that occurs `count` times: over all ways to cut it,
   * by forward and backward sums (Baum and Welch).
   */
  addExpected(symbols: Int32Array, start: number, end: number, count: number, expected: Float64Array): void {
    this.findEdges(symbols, start, end);
    const { edges, edgeStarts, edgeEnds, edgePieces, forward, backward, probabilities } = this;
    const length = end - start;
    forward.fill(0, 0, length + 1);
    backward.fill(0, 0, length + 1);
    forward[0] = 1;
    backward[length] = 1;
    for (let i = 0; i < edges; i++) {
      const piece = edgePieces[i]!;
      const probability = piece === UNKNOWN ? this.unknownProbability : probabilities[piece]!;
      forward[edgeEnds[i]!]! += forward[edgeStarts[i]!]! * probability;
    }
    const whole = forward[length]!;
    if (whole < TOO_SMALL) {
      // One way to cut such a word is as good as all of them.
      this.eachOnBestPath(length, (piece) => {
        if (piece !== UNKNOWN) expected[piece]! += count;
      });
      return;
    }
    for (let i = edges - 1; i >= 0; i--) {
      const piece = edgePieces[i]!;
      const probability = piece === UNKNOWN ? this.unknownProbability : probabilities[piece]!;
      const rest = probability * backward[edgeEnds[i]!]!;
      backward[edgeStarts[i]!]! += rest;
      if (piece !== UNKNOWN) expected[piece]! += (count * forward[edgeStarts[i]!]! * rest) / whole;
    }
  }

  /** Adds to `found` how often each piece occurs in the best way to cut a word. */
  addBest(symbols: Int32Array, start: number, end: number, count: number, found: Float64Array): void {
    this.findEdges(symbols, start, end);
    this.eachOnBestPath(end - start, (piece) => {
      if (piece !== UNKNOWN) found[piece]! += count;
    });
  }

  private eachOnBestPath(length: number, onPiece: (piece: number) => void): void {
    const { edges, edgeStarts, edgeEnds, edgePieces, forward, bestEdge } = this;
    forward.fill(Number.NEGATIVE_INFINITY, 0, length + 1);
    forward[0] = 0;
    for (let i = 0; i < edges; i++) {
      const end = edgeEnds[i]!;
      const score = forward[edgeStarts[i]!]! + this.scoreOf(edgePieces[i]!);
      if (score > forward[end]!) {
        forward[end] = score;
        bestEdge[end] = i;
      }
    }
    for (let end = length; end > 0; end = edgeStarts[bestEdge[end]!]!) onPiece(edgePieces[bestEdge[end]!]!);
  }

  /**
   * What would stand for a piece if it were gone: the second best way to cut its own symbols. Undefined if even now the
   * best way cuts it; empty if there is no other way.
   */
  alternative(symbols: Int32Array, start: number, end: number): readonly number[] | undefined {
    this.findEdges(symbols, start, end);
    const { edges, edgeStarts, edgeEnds, edgePieces, forward, bestEdge } = this;
    const length = end - start;
    forward.fill(Number.NEGATIVE_INFINITY, 0, length + 1);
    forward[0] = 0;
    let wholeScore = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < edges; i++) {
      const to = edgeEnds[i]!;
      const score = forward[edgeStarts[i]!]! + this.scoreOf(edgePieces[i]!);
      if (to - edgeStarts[i]! === length) {
        wholeScore = score;
        continue;
      }
      if (score > forward[to]!) {
        forward[to] = score;
        bestEdge[to] = i;
      }
    }
    if (forward[length] === Number.NEGATIVE_INFINITY) return [];
    if (forward[length]! > wholeScore) return undefined;
    const pieces: number[] = [];
    for (let at = length; at > 0; at = edgeStarts[bestEdge[at]!]!) pieces.push(edgePieces[bestEdge[at]!]!);
    return pieces;
  }
}
