import { InputError } from '../util/errors.js';
import type { FinishReason } from './engine-options.js';

export interface BeamOptions {
  /** How many answers are kept in view at each step; 1 or more. */
  readonly beams: number;
  /** An answer of n tokens scores `Σ ln p / n^lengthPenalty`: above 0 favours long ones. Default 1. */
  readonly lengthPenalty?: number;
  /**
   * When to end once there are as many whole answers as beams: `true` at once; `false` (default) when the best open one, at
   * its present length, is worse than all of them; `'never'` when it would be worse at any length.
   */
  readonly earlyStopping?: boolean | 'never';
  /** Ids that end an answer, and are part of it. */
  readonly stopIds?: Iterable<number>;
  /** Ids that no answer may hold. */
  readonly forbidden?: Iterable<number>;
}

/** An answer that a beam search found. */
export interface Hypothesis {
  readonly ids: readonly number[];
  /** `Σ ln p / n^lengthPenalty`. */
  readonly score: number;
  readonly finish: FinishReason;
}

interface Beam {
  readonly ids: readonly number[];
  /** `Σ ln p`. */
  readonly score: number;
}

/** The next token of an open answer. */
interface Candidate {
  readonly beam: number;
  readonly token: number;
  readonly score: number;
}

/** What the model shall compute next: for each row, which row it goes on from, and its newest token. */
export interface BeamStep {
  readonly parents: readonly number[];
  readonly tokens: readonly number[];
}

/**
 * Beam search: of all continuations of the answers in view, the best go on (Graves 2012; Sutskever et al. 2014). Whole
 * answers are set aside and compared by their length-penalised score; the rules are those of transformers 5, so that the
 * same answers come out. It sees logits alone and knows no model.
 */
export class BeamSearch {
  private readonly options: Required<Pick<BeamOptions, 'beams' | 'lengthPenalty' | 'earlyStopping'>>;
  private readonly maxTokens: number;
  private readonly stopIds: ReadonlySet<number>;
  private readonly forbidden: ReadonlySet<number>;
  private open: readonly Beam[];
  private closed: readonly Hypothesis[] = [];

  /** @throws {InputError} naming the option. */
  constructor(options: BeamOptions, maxTokens: number) {
    const { beams, lengthPenalty = 1, earlyStopping = false, stopIds = [], forbidden = [] } = options;
    if (!Number.isInteger(beams) || beams < 1) {
      throw new InputError('not a number of beams', { where: 'beams', expected: '1 or more', got: `${beams}` });
    }
    if (!Number.isFinite(lengthPenalty)) {
      throw new InputError('not usable', {
        where: 'lengthPenalty',
        expected: 'a finite number',
        got: `${lengthPenalty}`,
      });
    }
    this.options = { beams, lengthPenalty, earlyStopping };
    this.maxTokens = maxTokens;
    this.stopIds = new Set(stopIds);
    this.forbidden = new Set(forbidden);
    this.open = [{ ids: [], score: 0 }];
  }

  /** How many rows the model computes. */
  get rows(): number {
    return this.options.beams;
  }

  /**
   * Takes the logits of the next token, `[beams, vocabulary]`; the first time all rows are the same.
   * @returns what to compute next, or undefined when the search is over.
   */
  advance(logits: Float32Array): BeamStep | undefined {
    const { beams, earlyStopping } = this.options;
    const length = this.open[0]!.ids.length + 1;
    const candidates = this.best(logits, Math.max(2, 1 + this.stopIds.size) * beams);
    const ends = ({ token }: Candidate): boolean => length >= this.maxTokens || this.stopIds.has(token);
    const wasFull = this.isFull;
    if (!(wasFull && earlyStopping === true)) this.close(candidates.slice(0, beams).filter(ends), length);
    const going = candidates.filter((candidate) => !ends(candidate)).slice(0, beams);
    if (going.length === 0 || (this.isFull && (earlyStopping === true || !this.mayImprove(going[0]!.score, length)))) {
      this.open = [];
      return undefined;
    }
    const parents = going.map(({ beam }) => beam);
    const tokens = going.map(({ token }) => token);
    this.open = going.map(({ beam, token, score }) => ({ ids: [...this.open[beam]!.ids, token], score }));
    // With fewer continuations than beams the last row is computed several times, and looked at once.
    while (parents.length < beams) {
      parents.push(parents.at(-1)!);
      tokens.push(tokens.at(-1)!);
    }
    return { parents, tokens };
  }

  /** The whole answers, best first; if there are none yet, those in the making. */
  get hypotheses(): readonly Hypothesis[] {
    if (this.closed.length > 0) return this.closed;
    return this.open.map(({ ids, score }) => ({
      ids,
      score: ids.length === 0 ? score : this.penalised(score, ids.length),
      finish: 'aborted',
    }));
  }

  private get isFull(): boolean {
    return this.closed.length >= this.options.beams;
  }

  private penalised(score: number, length: number): number {
    return score / length ** this.options.lengthPenalty;
  }

  private close(candidates: readonly Candidate[], length: number): void {
    const whole = candidates.map(
      ({ beam, token, score }): Hypothesis => ({
        ids: [...this.open[beam]!.ids, token],
        score: this.penalised(score, length),
        finish: this.stopIds.has(token) ? 'stop' : 'length',
      }),
    );
    this.closed = [...this.closed, ...whole].sort((a, b) => b.score - a.score).slice(0, this.options.beams);
  }

  /** Whether an open answer could still be better than the worst of the whole ones. */
  private mayImprove(score: number, length: number): boolean {
    const { lengthPenalty, earlyStopping } = this.options;
    const reached = earlyStopping === 'never' && lengthPenalty > 0 ? this.maxTokens : length;
    return this.penalised(score, reached) > this.closed.at(-1)!.score;
  }

  /** The best continuations of all open answers, best first. */
  private best(logits: Float32Array, count: number): readonly Candidate[] {
    const vocabulary = logits.length / this.options.beams;
    const found: Candidate[] = [];
    for (const [beam, { score }] of this.open.entries()) {
      const row = logits.subarray(beam * vocabulary, (beam + 1) * vocabulary);
      const base = score - logSumExp(row);
      for (let token = 0; token < vocabulary; token++) {
        const total = base + row[token]!;
        if (found.length === count && !(total > found[count - 1]!.score)) continue;
        if (this.forbidden.has(token) || Number.isNaN(total)) continue;
        let at = found.length;
        while (at > 0 && total > found[at - 1]!.score) at--;
        found.splice(at, 0, { beam, token, score: total });
        if (found.length > count) found.pop();
      }
    }
    return found;
  }
}

function logSumExp(row: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of row) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - largest);
  return largest + Math.log(sum);
}
