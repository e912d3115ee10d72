import type { Candidate } from './candidate.js';
import { likeliest } from './verify-outputs.js';
import { EQUAL_WITHIN, type Precision, type Verdict, worst } from './verify-verdict.js';

/** Where two continuations part. */
export interface Parting {
  readonly prompt: number;
  /** Tokens that were the same. */
  readonly at: number;
  readonly a: { readonly id: number; readonly text: string };
  readonly b: { readonly id: number; readonly text: string };
  /** How much more likely the first model finds its own token: the difference of the two logits. */
  readonly margin: number;
  /** The two tokens are as likely as each other, up to rounding in float32: either is right. */
  readonly isTie: boolean;
  /** Each wrote what its own outputs say is likeliest. If not, its way of going on step by step is not its whole pass. */
  readonly isConsistent: boolean;
}

export interface GreedyComparison {
  readonly verdict: Verdict;
  readonly prompts: number;
  /** Asked for, of each prompt. */
  readonly tokens: number;
  /** Continuations that are the same to their end. */
  readonly same: number;
  readonly partings: readonly Parting[];
}

/**
 * Compares greedy continuations. After a first token that differs nothing can be compared: there the two tokens and how
 * far apart they are is told.
 */
export async function compareGreedy(
  a: Candidate,
  b: Candidate,
  prompts: readonly (readonly number[])[],
  { tokens, precision, startId }: { readonly tokens: number; readonly precision: Precision; readonly startId: number },
): Promise<GreedyComparison> {
  const partings: Parting[] = [];
  for (const [prompt, ids] of prompts.entries()) {
    const [left, right] = [await a.greedy(ids, tokens), await b.greedy(ids, tokens)];
    let at = 0;
    while (at < left.length && left[at] === right[at]) at++;
    if (at === left.length && at === right.length) continue;
    partings.push(await partingOf(a, b, { prompt, at, ids, left, right, startId, precision }));
  }
  const verdicts = partings.map(({ isTie, isConsistent }): Verdict => {
    if (!isConsistent) return 'differs';
    if (isTie) return 'equal';
    return precision === 'float32' ? 'differs' : 'close';
  });
  return {
    verdict: worst(verdicts),
    prompts: prompts.length,
    tokens,
    same: prompts.length - partings.length,
    partings,
  };
}

interface Pair {
  readonly prompt: number;
  readonly at: number;
  readonly ids: readonly number[];
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly startId: number;
  readonly precision: Precision;
}

/** Step by step and all at once may differ by this share of the greatest logit where 16 bits or fewer are computed with. */
const SAME_MODEL_WITHIN = 0.02;

async function partingOf(a: Candidate, b: Candidate, pair: Pair): Promise<Parting> {
  const { prompt, at, left, right, precision } = pair;
  const [own, theirs] = [await logitsAt(a, pair), await logitsAt(b, pair)];
  // One that ended has no token there: what the other wrote is held against the likeliest.
  const [ownId, otherId] = [left[at] ?? likeliest(own), right[at] ?? likeliest(theirs)];
  const margin = own[ownId]! - own[otherId]!;
  const shown = (id: number): Parting['a'] => ({
    id,
    text: id < a.tokenizer.vocabularySize ? a.tokenizer.decode([id]) : '',
  });
  const hasEnded = left.length === at || right.length === at;
  const within = precision === 'float32' ? EQUAL_WITHIN : SAME_MODEL_WITHIN;
  return {
    prompt,
    at,
    a: shown(ownId),
    b: shown(otherId),
    margin,
    isTie: !hasEnded && Math.abs(margin) <= EQUAL_WITHIN * greatestOf(own),
    isConsistent: lag(own, ownId) <= within && lag(theirs, otherId) <= within,
  };
}

/** The logits of a model behind what both have written. */
async function logitsAt(model: Candidate, { ids, left, at, startId }: Pair): Promise<Float32Array> {
  const common = left.slice(0, at);
  const isPair = model.kind === 'encoder-decoder';
  const read = isPair ? [startId, ...common] : [...ids, ...common];
  const outputs = isPair ? await model.outputs(ids, read) : await model.outputs(read);
  return outputs.subarray(outputs.length - outputs.length / read.length);
}

function greatestOf(logits: Float32Array): number {
  return logits.reduce((greatest, logit) => Math.max(greatest, Math.abs(logit)), 0);
}

/** How far a token is behind the likeliest, as a share of the greatest logit. */
function lag(logits: Float32Array, id: number): number {
  const behind = logits[likeliest(logits)]! - logits[id]!;
  return behind === 0 ? 0 : behind / greatestOf(logits);
}
