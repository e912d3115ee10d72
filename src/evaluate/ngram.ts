import { InputError } from '../util/errors.js';
import { countNgrams } from './ngram-counts.js';
import { type Discounts, estimateDiscounts } from './ngram-discounts.js';
import { MISSING, type NgramTable } from './ngram-table.js';

export interface NgramConfig {
  /** The length of the longest n-gram: 3 is a trigram model, which sees two tokens of context. */
  readonly order: number;
  /** Token ids are below this. */
  readonly vocabularySize: number;
  /** The token that ends each document. Nothing before it is seen after it. Without one, the text is one document. */
  readonly boundaryId?: number;
}

/** All n-grams of one order. Node ids of order 1 are the word ids. */
interface Order {
  /** Undefined for order 1. */
  readonly table: NgramTable | undefined;
  readonly counts: Uint32Array;
  readonly discounts: Discounts;
  /** Sum of the counts of what follows, by context node of the order below; `[0]` alone for order 1. */
  readonly totals: Float64Array;
  /** The share of probability left for the shorter context, by context node. */
  readonly backoffs: Float64Array;
}

/**
 * Trains an n-gram model by interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999):
 *
 *     P_k(w | h) = max(c(h w) − D(c(h w)), 0) / Σ c(h ·) + γ(h) · P_{k-1}(w | h without its first word),   P_0 = 1 / V
 *
 * where `c` are the counts of `countNgrams`, the three discounts `D` are estimated for each order, and `γ(h)` is what the
 * discounts took away, so that every distribution sums to one. It is the yardstick for a neural model trained on the
 * same tokens. About 30 bytes a distinct n-gram.
 *
 * @param tokens the training stream, ids below `vocabularySize`.
 * @throws {InputError} for an id outside the vocabulary, or an order outside 1 to 8.
 */
export function trainNgram(tokens: ArrayLike<number>, config: NgramConfig): NgramModel {
  const { order, vocabularySize, boundaryId } = config;
  if (!Number.isInteger(order) || order < 1 || order > 8) {
    throw new InputError('no such n-gram order', {
      where: 'order',
      expected: 'an integer from 1 to 8',
      got: `${order}`,
    });
  }
  if (!Number.isInteger(vocabularySize) || vocabularySize < 1 || vocabularySize > 2 ** 20) {
    const expected = 'an integer from 1 to 1,048,576';
    throw new InputError('no such vocabulary', { where: 'vocabularySize', expected, got: `${vocabularySize}` });
  }
  if (boundaryId !== undefined) checkToken(boundaryId, vocabularySize, 'boundaryId');
  for (let i = 0; i < tokens.length; i++) checkToken(tokens[i]!, vocabularySize, 'training tokens', i);

  const counted = countNgrams(tokens, order, vocabularySize, boundaryId ?? vocabularySize);
  const orders = [summarise(undefined, counted.unigrams, 1)];
  for (const table of counted.higher) orders.push(summarise(table, table.counts, orders.at(-1)!.counts.length));
  return new NgramModel(config, orders);
}

/** Totals and back-off weights of one order, for its `contexts` context nodes. */
function summarise(table: NgramTable | undefined, counts: Uint32Array, contexts: number): Order {
  const discounts = estimateDiscounts(counts);
  const totals = new Float64Array(contexts);
  const backoffs = new Float64Array(contexts);
  for (let node = 0; node < counts.length; node++) {
    const count = counts[node]!;
    if (count === 0) continue;
    const context = table === undefined ? 0 : table.parent(node);
    totals[context]! += count;
    backoffs[context]! += discounts[Math.min(count, 3) - 1]!;
  }
  for (let context = 0; context < contexts; context++) {
    if (totals[context]! > 0) backoffs[context]! /= totals[context]!;
  }
  return { table, counts, discounts, totals, backoffs };
}

function checkToken(token: number, vocabularySize: number, where: string, index?: number): void {
  if (Number.isInteger(token) && token >= 0 && token < vocabularySize) return;
  throw new InputError('a token id outside the vocabulary', {
    where: index === undefined ? where : `${where}[${index}]`,
    expected: `an integer from 0 to ${vocabularySize - 1}`,
    got: `${token}`,
  });
}

/** A trained n-gram model; made by `trainNgram`. */
export class NgramModel {
  readonly order: number;
  readonly vocabularySize: number;
  readonly boundaryId: number | undefined;
  private readonly orders: readonly Order[];

  constructor(config: NgramConfig, orders: readonly Order[]) {
    this.order = config.order;
    this.vocabularySize = config.vocabularySize;
    this.boundaryId = config.boundaryId;
    this.orders = orders;
  }

  /** How many distinct n-grams were seen, by order; index 0 holds order 1. */
  get sizes(): number[] {
    return this.orders.map(({ counts }) => counts.reduce((seen, count) => seen + (count > 0 ? 1 : 0), 0));
  }

  /** The discounts estimated for each order; index 0 holds order 1. */
  get discounts(): Discounts[] {
    return this.orders.map(({ discounts }) => discounts);
  }

  /**
   * `ln P(token | context)`, in nats. The last `order − 1` tokens of the context count, and none before its last
   * boundary. A document starts with the context `[boundaryId]`; an empty context means that nothing is known.
   *
   * @throws {InputError} for an id outside the vocabulary.
   */
  logProbability(context: ArrayLike<number>, token: number): number {
    checkToken(token, this.vocabularySize, 'token');
    const history = new History(this.orders, this.boundaryId);
    for (let i = Math.max(0, context.length - this.order + 1); i < context.length; i++) {
      checkToken(context[i]!, this.vocabularySize, 'context', i);
      history.push(context[i]!);
    }
    return Math.log(history.probability(token));
  }

  /**
   * `−Σ ln P(token | the tokens before it)` over a whole text, in nats, boundaries counted like any other token.
   * The text starts a document; documents inside it end with the boundary that the model was trained with.
   *
   * @param options.boundaryId may repeat the boundary of the training, to be checked against it.
   * @throws {InputError} for an id outside the vocabulary, or another boundary than the model's.
   */
  nats(tokens: ArrayLike<number>, options: { readonly boundaryId?: number } = {}): number {
    if (options.boundaryId !== undefined && options.boundaryId !== this.boundaryId) {
      throw new InputError('the n-gram model was trained with another document boundary', {
        where: 'boundaryId',
        expected: `${this.boundaryId ?? 'none'}`,
        got: `${options.boundaryId}`,
      });
    }
    const history = new History(this.orders, this.boundaryId);
    history.push(this.boundaryId ?? this.vocabularySize);
    let nats = 0;
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      checkToken(token, this.vocabularySize, 'tokens', i);
      nats -= Math.log(history.probability(token));
      history.push(token);
    }
    return nats;
  }
}

/** Where a reader of a token stream stands: the nodes of the n-grams that end at the last token. */
class History {
  /** `nodes[j]`: the node of the last `j` tokens; `nodes[0]` is the empty context. */
  private readonly nodes: Int32Array;
  private depth = 0;
  private readonly orders: readonly Order[];
  private readonly boundaryId: number | undefined;

  constructor(orders: readonly Order[], boundaryId: number | undefined) {
    this.orders = orders;
    this.boundaryId = boundaryId;
    this.nodes = new Int32Array(orders.length + 1);
  }

  push(token: number): void {
    const { orders, nodes } = this;
    let depth = Math.min(this.depth + 1, orders.length - 1);
    if (token === this.boundaryId) depth = Math.min(depth, 1);
    for (let k = depth; k >= 2; k--) {
      nodes[k] = orders[k - 1]!.table!.find(nodes[k - 1]!, token);
      // A context that was never seen says nothing, nor does a longer one.
      if (nodes[k] === MISSING) depth = k - 1;
    }
    nodes[1] = token;
    this.depth = depth;
  }

  probability(token: number): number {
    const { orders, nodes, depth } = this;
    let probability = 1 / (orders[0]!.counts.length - 1);
    for (let k = 0; k <= depth; k++) {
      const { table, counts, discounts, totals, backoffs } = orders[k]!;
      const context = nodes[k]!;
      const total = totals[context]!;
      if (total === 0) break;
      const node = table === undefined ? token : table.find(context, token);
      const count = node === MISSING ? 0 : counts[node]!;
      const seen = count === 0 ? 0 : (count - discounts[Math.min(count, 3) - 1]!) / total;
      probability = seen + backoffs[context]! * probability;
    }
    return probability;
  }
}

/**
 * Bits per byte: `nats / ln 2 / bytes`, the measure that does not depend on the tokenizer.
 *
 * @param bytes the UTF-8 length of the text that the tokens spell.
 * @throws {InputError} if there are no bytes.
 */
export function bitsPerByte(nats: number, bytes: number): number {
  if (!(bytes > 0)) throw new InputError('bits per byte need a text of at least one byte', { got: `${bytes} bytes` });
  return nats / Math.LN2 / bytes;
}
