import type { UnigramCorpus } from './unigram-corpus.js';
import { UNKNOWN, UnigramLattice } from './unigram-lattice.js';
import { frequentSubstrings, LONGEST_SEED } from './unigram-seeds.js';

/** A piece that is expected less often than this is dropped. */
const LEAST_EXPECTED = 0.5;
/** What a pruning leaves of the pieces. */
const SHRINKING = 0.75;
/** Learning stops at so many times the wanted size; the least likely of the rest are then left out. */
const SURPLUS = 1.1;
/** Keeps the scores of characters that learning dropped apart. */
const SCORE_STEP = 0.0001;

/**
 * Learns the pieces of a Unigram model (Kudo, 2018, section 3.2), as SentencePiece does: from many frequent substrings,
 * expectation maximisation and pruning in turn, where those pieces go whose loss costs the likelihood least. The M step is that of the
 * Dirichlet process (Liang and Klein, 2007): `score = ψ(expected) − ψ(sum)`, which favours few pieces.
 */
export class UnigramLearner {
  private readonly corpus: UnigramCorpus;
  private readonly lattice: UnigramLattice;
  private readonly pieceStarts: Int32Array;
  private readonly pieceLengths: Uint8Array;
  private alive: number[];

  constructor(corpus: UnigramCorpus) {
    this.corpus = corpus;
    const { alphabet, characterCounts, symbols } = corpus;
    const seeds = frequentSubstrings(corpus);
    const count = alphabet.length + seeds.starts.length;
    this.pieceStarts = new Int32Array(count);
    this.pieceLengths = new Uint8Array(count).fill(1);
    this.pieceStarts.set(seeds.starts, alphabet.length);
    this.pieceLengths.set(seeds.lengths, alphabet.length);
    for (let i = symbols.length - 1; i >= 0; i--) this.pieceStarts[symbols[i]!] = i;
    this.lattice = new UnigramLattice(alphabet.length, count, LONGEST_SEED);
    this.alive = Array.from({ length: count }, (_, piece) => piece);
    const { scores, trie } = this.lattice;
    let sum = 0;
    for (const piece of this.alive) {
      const start = this.pieceStarts[piece]!;
      const length = this.pieceLengths[piece]!;
      trie.add(symbols, start, start + length, piece);
      const seed = piece - alphabet.length;
      scores[piece] = seed < 0 ? characterCounts[piece]! : seeds.counts[seed]! * length;
      sum += scores[piece]!;
    }
    for (const piece of this.alive) scores[piece] = Math.log(scores[piece]!) - Math.log(sum);
    this.lattice.update();
  }

  /** How many pieces there are. */
  get size(): number {
    return this.alive.length;
  }

  /** Whether the pieces are few enough to choose from. */
  isSmallEnough(wanted: number): boolean {
    return this.size <= Math.floor(wanted * SURPLUS);
  }

  private keepOnly(kept: number[]): void {
    const { scores } = this.lattice;
    const keeps = new Uint8Array(scores.length);
    for (const piece of kept) keeps[piece] = 1;
    for (const piece of this.alive) if (keeps[piece] === 0) scores[piece] = Number.NEGATIVE_INFINITY;
    this.alive = kept;
    this.lattice.update();
  }

  private eachWord(visit: (start: number, end: number, count: number) => void): void {
    const { starts, counts } = this.corpus;
    for (let word = 0; word < counts.length; word++) visit(starts[word]!, starts[word + 1]!, counts[word]!);
  }

  /** One turn of expectation maximisation. */
  maximize(): void {
    const { lattice, corpus } = this;
    const expected = new Float64Array(lattice.scores.length);
    this.eachWord((start, end, count) => lattice.addExpected(corpus.symbols, start, end, count, expected));
    const kept = this.alive.filter((piece) => expected[piece]! >= LEAST_EXPECTED);
    let sum = 0;
    for (const piece of kept) sum += expected[piece]!;
    const whole = digamma(sum);
    for (const piece of kept) lattice.scores[piece] = digamma(expected[piece]!) - whole;
    this.keepOnly(kept);
  }

  /** Drops the pieces that are missed least, a quarter of them, but not below `wanted` and the surplus. */
  prune(wanted: number): void {
    const { lattice, corpus, pieceStarts, pieceLengths } = this;
    const found = new Float64Array(lattice.scores.length);
    this.eachWord((start, end, count) => lattice.addBest(corpus.symbols, start, end, count, found));
    let sum = 0;
    for (const piece of this.alive) sum += found[piece]!;
    const kept: number[] = [];
    const candidates: { readonly piece: number; readonly loss: number }[] = [];
    for (const piece of this.alive) {
      const count = found[piece]!;
      if (count === 0) continue;
      const start = pieceStarts[piece]!;
      const alternative = lattice.alternative(corpus.symbols, start, start + pieceLengths[piece]!);
      if (alternative === undefined) continue;
      if (alternative.length === 0) {
        kept.push(piece);
        continue;
      }
      // Its occurrences go to the pieces that would stand for it.
      const whole = Math.log(sum + count * (alternative.length - 1));
      let instead = 0;
      for (const other of alternative) instead += Math.log((other === UNKNOWN ? 0 : found[other]!) + count) - whole;
      candidates.push({ piece, loss: count * (Math.log(count) - Math.log(sum) - instead) });
    }
    const target = Math.max(Math.floor(wanted * SURPLUS), Math.floor(SHRINKING * this.size));
    candidates.sort((a, b) => b.loss - a.loss || a.piece - b.piece);
    for (const { piece } of candidates) {
      if (kept.length >= target) break;
      kept.push(piece);
    }
    this.keepOnly(kept.sort((a, b) => a - b));
  }

  /** The best `wanted` pieces, every character of the alphabet among them, the most likely first. */
  pieces(wanted: number): { readonly text: string; readonly score: number }[] {
    const { alphabet } = this.corpus;
    const { scores, leastScore } = this.lattice;
    const chosen = new Map<number, number>();
    let dropped = 0;
    alphabet.forEach((_, symbol) => {
      const score = scores[symbol]!;
      chosen.set(symbol, score === Number.NEGATIVE_INFINITY ? leastScore - SCORE_STEP * dropped++ : score);
    });
    const ranked = [...this.alive].sort((a, b) => scores[b]! - scores[a]! || a - b);
    for (const piece of ranked) {
      if (chosen.size >= wanted) break;
      if (!chosen.has(piece)) chosen.set(piece, scores[piece]!);
    }
    return [...chosen]
      .sort(([a, scoreA], [b, scoreB]) => scoreB - scoreA || a - b)
      .map(([piece, score]) => ({ text: this.textOf(piece), score }));
  }

  private textOf(piece: number): string {
    const { alphabet, symbols } = this.corpus;
    const start = this.pieceStarts[piece]!;
    return Array.from(symbols.subarray(start, start + this.pieceLengths[piece]!), (symbol) => alphabet[symbol]!).join(
      '',
    );
  }
}

/** The digamma function ψ for positive x: recurrence up to 7, then the asymptotic series. */
function digamma(x: number): number {
  let result = 0;
  let at = x;
  for (; at < 7; at++) result -= 1 / at;
  const inverse = 1 / (at - 0.5) ** 2;
  const series = inverse * (1 / 24 - inverse * (7 / 960 - inverse * (31 / 8064 - (inverse * 127) / 30720)));
  return result + Math.log(at - 0.5) + series;
}
