import { GenerationCache, type IdList } from './encoding-buffers.js';
import { PieceTrie, unitsOf } from './piece-trie.js';

/** Words up to this length are remembered. */
const CACHED_LENGTH = 48;
const CACHE_CAPACITY = 1 << 15;
/** Buffers for longer texts are given back. */
const LONG = 1 << 16;
/** What an unknown character costs beyond the least likely token. */
const UNKNOWN_PENALTY = 10;

/** A token that text may be cut into. */
export interface ScoredPiece {
  readonly id: number;
  readonly text: string;
  /** Natural logarithm of its probability. */
  readonly score: number;
}

/** What becomes of characters that no token covers. */
export interface UnknownRule {
  /** A run of unknown characters becomes this id. */
  readonly id: number | undefined;
  /** The ids of the 256 bytes: an unknown character becomes its UTF-8 bytes instead. One of the two must be there. */
  readonly byteIds: Int32Array | undefined;
  /** The least score of the vocabulary. */
  readonly leastScore: number;
}

/**
 * Cuts text into the most probable sequence of tokens, each token independent of the others (Kudo, 2018, equation 1),
 * by Viterbi's algorithm: `best(end) = max over tokens text[start..end) of best(start) + score`. Of equally good
 * sequences the one found first wins, from left to right, as in SentencePiece. Time is linear in the text.
 */
export class UnigramModel {
  private readonly trie = new PieceTrie(0x10000);
  private readonly scores: Float64Array;
  private readonly unknown: UnknownRule;
  private readonly unknownScore: number;
  private readonly cache = new GenerationCache<Int32Array>(CACHE_CAPACITY);
  private readonly encoder = new TextEncoder();
  private best = new Float64Array(256);
  private starts = new Int32Array(256);
  private ids = new Int32Array(256);

  constructor(pieces: readonly ScoredPiece[], unknown: UnknownRule) {
    let size = 0;
    for (const { id } of pieces) size = Math.max(size, id + 1);
    this.scores = new Float64Array(size);
    for (const { id, text, score } of pieces) {
      this.trie.add(unitsOf(text), 0, text.length, id);
      this.scores[id] = score;
    }
    this.unknown = unknown;
    this.unknownScore = unknown.leastScore - UNKNOWN_PENALTY;
  }

  /** Adds the ids of a well-formed text. */
  encode(text: string, ids: IdList): void {
    if (text.length > CACHED_LENGTH) {
      this.search(text);
      this.collect(text, ids);
      if (text.length > LONG) this.reserve(256);
      return;
    }
    let known = this.cache.get(text);
    if (known === undefined) {
      this.search(text);
      known = this.collected(text);
      this.cache.set(text, known);
    }
    ids.append(known);
  }

  private reserve(length: number): void {
    this.best = new Float64Array(length);
    this.starts = new Int32Array(length);
    this.ids = new Int32Array(length);
  }

  private search(text: string): void {
    const { trie, scores, unknownScore } = this;
    const length = text.length;
    if (length >= this.best.length) this.reserve(2 * length);
    const { best, starts, ids } = this;
    const { values } = trie;
    starts.fill(-1, 0, length + 1);
    best[0] = 0;
    for (let start = 0; start < length; ) {
      const here = best[start]!;
      const isPair = (text.charCodeAt(start) & 0xfc00) === 0xd800;
      const next = start + (isPair ? 2 : 1);
      let isKnown = false;
      let node = 0;
      for (let at = start; at < length; ) {
        node = trie.child(node, text.charCodeAt(at++));
        if (node < 0) break;
        const id = values[node]!;
        if (id < 0) continue;
        if (at === next) isKnown = true;
        const score = here + scores[id]!;
        if (starts[at]! < 0 || score > best[at]!) {
          best[at] = score;
          starts[at] = start;
          ids[at] = id;
        }
      }
      if (!isKnown && (starts[next]! < 0 || here + unknownScore > best[next]!)) {
        best[next] = here + unknownScore;
        starts[next] = start;
        ids[next] = -1;
      }
      start = next;
    }
  }

  private collected(text: string): Int32Array {
    const list: number[] = [];
    this.collect(text, { push: (id) => list.push(id) });
    return Int32Array.from(list);
  }

  /** Walks the best path backwards, turns its links round, and reads it forwards. */
  private collect(text: string, into: { push(id: number): void }): void {
    const { starts, ids, unknown } = this;
    let following = -1;
    for (let end = text.length; end > 0; ) {
      const start = starts[end]!;
      starts[end] = following;
      following = end;
      end = start;
    }
    let wasUnknown = false;
    for (let start = 0, end = following; end > 0; start = end, end = starts[end]!) {
      const id = ids[end]!;
      if (id >= 0) into.push(id);
      else if (unknown.byteIds !== undefined) {
        for (const byte of this.encoder.encode(text.slice(start, end))) into.push(unknown.byteIds[byte]!);
      } else if (unknown.id !== undefined && !wasUnknown) into.push(unknown.id);
      wasUnknown = id < 0;
    }
  }
}
