import { AthanorError, InputError } from '../util/errors.js';
import type { Random } from '../util/random.js';
import { checkSampling, type SamplingOptions } from './sampling-options.js';
import { applyPenalties, hasPenalties } from './sampling-penalties.js';
import { BorderFinder } from './sampling-selection.js';

/** A token with its log-probability in nats. */
export interface TokenLogProbability {
  readonly token: number;
  /**
   * Under the model's own distribution: `logit − ln Σ exp(logits)` of the logits as they came, at temperature 1, before
   * penalties, biases and filters.
   */
  readonly logProbability: number;
}

/** The token that a sampler chose. */
export interface SampledToken extends TokenLogProbability {
  /** The model's most probable tokens, best first, lowest id first of equals; present where the options ask for it. */
  readonly top?: readonly TokenLogProbability[];
}

/**
 * Chooses next tokens from logits. In order: repetition, frequency and presence penalties; biases; processors;
 * temperature; top-k; top-p; min-p; then one draw from what is left, in proportion.
 *
 * Each call takes exactly one uniform number from the stream, a greedy one too, so generation resumes at
 * `random.position = start + tokens`. The draw walks the kept tokens by id, not by rank: rounding differences between
 * two computations of the same logits, which may swap two ranks, hardly ever change the text.
 *
 * Buffers are kept between calls; use one sampler a sequence at a time.
 */
export class Sampler {
  readonly options: SamplingOptions;
  private readonly random: Random;
  /** A scratch copy of the logits that penalties and hooks may change. */
  private changed = new Float32Array(0);
  private counts = new Int32Array(0);
  /** The kept tokens, by rising id, and their weights `exp((l − max) / temperature)`. */
  private ids = new Int32Array(0);
  private weights = new Float64Array(0);
  private borders = new BorderFinder(0);
  private kept = 0;
  /** The model's most probable token, and the sum of `exp(l − max)` over its logits. */
  private likeliest = 0;
  private sum = 0;

  /** @throws {InputError} if an option is out of its range. */
  constructor(options: Parameters<typeof checkSampling>[0], random: Random) {
    this.options = checkSampling(options);
    this.random = random;
  }

  /**
   * The next token.
   * @param logits `[vocabulary]`; not changed
   * @param history ids of the prompt and of everything generated so far; read by penalties and processors only
   * @param promptLength how many ids of the history are the prompt, which frequency and presence penalties pass over
   * @throws {AthanorError} if the logits hold NaN or +Infinity, or if no token is allowed.
   * @throws {InputError} if a bias names an id outside the vocabulary.
   */
  next(logits: Float32Array, history: ArrayLike<number>, promptLength = 0): SampledToken {
    this.fit(logits.length);
    const logSum = this.logSumExp(logits);
    const adjusted = this.adjust(logits, history, promptLength);
    const uniform = this.random.uniform();
    const best = adjusted === logits ? this.likeliest : argmax(adjusted);
    if (!Number.isFinite(adjusted[best])) {
      throw new AthanorError('no token is allowed here', {
        where: 'sampling',
        expected: 'a finite logit after biases and processors',
        hint: 'Relax the constraint or the biases.',
      });
    }
    const token =
      this.options.temperature === 0 ? best : this.draw(adjusted, adjusted[best]!, uniform, adjusted === logits);
    const chosen = { token, logProbability: logits[token]! - logSum };
    return this.options.topLogProbabilities > 0 ? { ...chosen, top: this.top(logits, logSum) } : chosen;
  }

  private fit(vocabulary: number): void {
    if (this.ids.length === vocabulary) return;
    this.changed = new Float32Array(vocabulary);
    this.counts = new Int32Array(vocabulary);
    this.ids = new Int32Array(vocabulary);
    this.weights = new Float64Array(vocabulary);
    this.borders = new BorderFinder(vocabulary);
  }

  /** `ln Σ exp(l)`, with the largest taken out so that nothing overflows; leaves `exp(l − max)` in the weights. */
  private logSumExp(logits: Float32Array): number {
    const { weights } = this;
    this.likeliest = argmax(logits);
    const max = logits[this.likeliest] ?? Number.NaN;
    let sum = 0;
    for (let i = 0; i < logits.length; i++) {
      const weight = Math.exp(logits[i]! - max);
      weights[i] = weight;
      sum += weight;
    }
    this.sum = sum;
    if (sum > 0) return max + Math.log(sum);
    const at = logits.findIndex((logit) => !(logit < Number.POSITIVE_INFINITY));
    if (at >= 0) throw unusableLogit(at, logits[at]!, 'as it came from the model');
    throw new AthanorError('the model allows no token: it gave no finite logit', { where: 'sampling' });
  }

  /** The logits after penalties, biases and processors: the argument itself where there are none. */
  private adjust(logits: Float32Array, history: ArrayLike<number>, promptLength: number): Float32Array {
    const { logitBias, processors } = this.options;
    const penalties = hasPenalties(this.options);
    if (!penalties && logitBias.size === 0 && processors.length === 0) return logits;
    const { changed } = this;
    changed.set(logits);
    if (penalties) applyPenalties(changed, this.options, history, promptLength, this.counts);
    for (const [token, bias] of logitBias) {
      if (token >= changed.length) {
        throw new InputError('not an id of this model', {
          where: `sampling.logitBias, token ${token}`,
          expected: `an id from 0 to ${changed.length - 1}`,
        });
      }
      changed[token]! += bias;
    }
    for (const process of processors) process(changed, history);
    for (let i = 0; i < changed.length; i++) {
      if (!(changed[i]! < Number.POSITIVE_INFINITY)) throw unusableLogit(i, changed[i]!, 'after biases and processors');
    }
    return changed;
  }

  /**
   * One token by temperature, top-k, top-p and min-p.
   * @param untouched the logits are those of the model, whose weights at temperature 1 are known already
   */
  private draw(logits: Float32Array, max: number, uniform: number, untouched: boolean): number {
    const { temperature, topK, topP, minP } = this.options;
    const { ids, weights } = this;
    const filtered = topK > 0 && topK < logits.length;
    if (filtered) this.keepTopK(logits, max, topK);
    else {
      this.kept = logits.length;
      for (let i = 0; i < logits.length; i++) ids[i] = i;
    }
    let total = this.sum;
    if (filtered || !untouched || temperature !== 1) {
      total = 0;
      for (let i = 0; i < this.kept; i++) {
        const weight = Math.exp((logits[ids[i]!]! - max) / temperature);
        weights[i] = weight;
        total += weight;
      }
    }
    if (topP < 1) {
      const { value, equals } = this.borders.bySum(weights, this.kept, topP * total);
      total = this.keepWeights(value, equals);
    }
    // The largest weight is exp(0) = 1.
    if (minP > 0) total = this.keepWeights(minP, this.kept);

    const target = uniform * total;
    let reached = 0;
    let last = 0;
    for (let i = 0; i < this.kept; i++) {
      if (weights[i] === 0) continue;
      reached += weights[i]!;
      if (reached > target) return ids[i]!;
      last = ids[i]!;
    }
    return last;
  }

  /** Leaves in `ids` the K largest logits, by rising id. */
  private keepTopK(logits: Float32Array, max: number, k: number): void {
    const { ids } = this;
    let { value, equals } = this.borders.byCount(logits, max, k);
    this.kept = 0;
    for (let i = 0; i < logits.length; i++) {
      const logit = logits[i]!;
      if (logit > value || (logit === value && equals-- > 0)) ids[this.kept++] = i;
    }
  }

  /** Drops weights below a value, and those equal to it after the first `equals`. Returns the sum of the kept ones. */
  private keepWeights(value: number, equals: number): number {
    const { ids, weights } = this;
    const { kept } = this;
    let total = 0;
    let equalsLeft = equals;
    this.kept = 0;
    for (let i = 0; i < kept; i++) {
      const weight = weights[i]!;
      if (weight > value || (weight === value && equalsLeft-- > 0)) {
        ids[this.kept] = ids[i]!;
        weights[this.kept++] = weight;
        total += weight;
      }
    }
    return total;
  }

  private top(logits: Float32Array, logSum: number): TokenLogProbability[] {
    this.keepTopK(logits, logits[this.likeliest]!, Math.min(this.options.topLogProbabilities, logits.length));
    return Array.from(this.ids.subarray(0, this.kept), (token) => ({
      token,
      logProbability: logits[token]! - logSum,
    })).sort((a, b) => b.logProbability - a.logProbability || a.token - b.token);
  }
}

function unusableLogit(token: number, logit: number, when: string): AthanorError {
  return new AthanorError(`the logit of token ${token} is ${logit} ${when}`, {
    where: 'sampling',
    expected: 'a finite number, or -Infinity for a token that must not be chosen',
  });
}

/** The place of the largest value, the first of equal ones. */
function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
