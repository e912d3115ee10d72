import { InputError } from '../util/errors.js';
import type { Candidate } from './candidate.js';
import { type ChatComparison, compareChats } from './verify-chat.js';
import { compareGreedy, type GreedyComparison } from './verify-greedy.js';
import { compareOutputs, type IdPrompt, type OutputComparison } from './verify-outputs.js';
import { PROMPT_TEXTS } from './verify-texts.js';
import { compareTokenizers, type TokenizerComparison } from './verify-tokenizer.js';
import { type Precision, type Verdict, worst } from './verify-verdict.js';

export interface VerifyOptions {
  /** The coarser precision of the two: what differences it can explain. Default `float32`: none. */
  readonly precision?: Precision;
  /** Texts beside the built-in ones, for the tokenizers and as prompts. */
  readonly texts?: readonly string[];
  /** Tokens of a greedy continuation; default 32. 0 leaves that part out. */
  readonly tokens?: number;
  /** The id that an encoder-decoder's answers begin with; default: the token that fills a batch, as in T5. */
  readonly decoderStartId?: number | undefined;
  /** Told what is being compared. */
  readonly onStep?: (step: string) => void;
}

/** What became of comparing two models. */
export interface Verification {
  /** Names of the two. */
  readonly a: string;
  readonly b: string;
  readonly kind: Candidate['kind'];
  readonly precision: Precision;
  /** The worst of the parts'. */
  readonly verdict: Verdict;
  readonly tokenizer: TokenizerComparison;
  readonly outputs: OutputComparison;
  /** Undefined for an encoder. */
  readonly greedy: GreedyComparison | undefined;
  /** Undefined where neither model has a chat template. */
  readonly chat: ChatComparison | undefined;
}

/** Tokens of the prompts, at most: the longest is past the lengths at which programs change their way of computing. */
const PROMPT_LENGTHS = [1, 7, 32, 160] as const;
const DECODER_TOKENS = 12;

/**
 * Compares two models that should be the same, as before and after an export: the ids of hard texts, logits or hidden
 * vectors at every position of prompts of several lengths, greedy continuations, and rendered chats.
 *
 * @throws {InputError} if they are models of two kinds.
 */
export async function verify(a: Candidate, b: Candidate, options: VerifyOptions = {}): Promise<Verification> {
  const { precision = 'float32', texts = [], tokens = 32, onStep = () => {} } = options;
  if (a.kind !== b.kind) {
    throw new InputError('two kinds of models cannot be compared', {
      where: b.name,
      expected: `${article(a.kind)}, as ${a.name} is`,
      got: article(b.kind),
    });
  }
  onStep('tokenizer');
  const tokenizer = compareTokenizers(a.tokenizer, b.tokenizer, texts);
  onStep('outputs');
  const prompts = promptsOf(a, b, texts);
  const startId = options.decoderStartId ?? a.tokenizer.padId ?? 0;
  const given = a.kind === 'encoder-decoder' ? prompts.map((ids) => answered(ids, startId)) : asGiven(prompts);
  const outputs = await compareOutputs(a, b, given, precision);
  let greedy: GreedyComparison | undefined;
  if (a.kind !== 'encoder' && tokens > 0) {
    onStep('greedy continuations');
    const room = Math.min(a.positions, b.positions) + 1;
    const isFitting = (ids: readonly number[]): boolean => a.kind === 'encoder-decoder' || ids.length + tokens <= room;
    const beginnings = prompts.filter(isFitting);
    const most = beginnings.length > 0 ? tokens : Math.max(1, room - prompts[0]!.length);
    const used = beginnings.length > 0 ? beginnings : prompts.slice(0, 1);
    greedy = await compareGreedy(a, b, used, { tokens: most, precision, startId });
  }
  onStep('chats');
  const chat = compareChats(a, b);
  const verdict = worst([tokenizer.verdict, outputs.verdict, greedy?.verdict, chat?.verdict]);
  return { a: a.name, b: b.name, kind: a.kind, precision, verdict, tokenizer, outputs, greedy, chat };
}

const article = (kind: Candidate['kind']): string => `${kind === 'decoder' ? 'a' : 'an'} ${kind}`;

const asGiven = (prompts: readonly (readonly number[])[]): IdPrompt[] => prompts.map((ids) => ({ ids }));

/** A text for an encoder-decoder, and the beginning of an answer: the text's own ids, which are as good as any. */
function answered(ids: readonly number[], startId: number): IdPrompt {
  return { ids, decoderIds: [startId, ...ids.slice(0, DECODER_TOKENS)] };
}

/** Ids that both models can read, of several lengths. */
function promptsOf(a: Candidate, b: Candidate, texts: readonly string[]): number[][] {
  const positions = Math.min(a.positions, b.positions);
  const known = Math.min(a.vocabularySize, b.vocabularySize);
  const encode = (text: string): number[] => {
    const ids = Array.from(a.tokenizer.encode(text, { addSpecial: true }));
    const opening = a.kind === 'decoder' ? a.tokenizer.bosId : undefined;
    if (opening !== undefined && ids[0] !== opening) ids.unshift(opening);
    return ids.filter((id) => id < known);
  };
  const prompts = [...PROMPT_TEXTS, ...texts.filter((text) => text !== '').slice(0, 8)].map(encode);
  const longest = prompts.flat();
  const cut = PROMPT_LENGTHS.map((length) => longest.slice(0, length));
  const usable = [...cut, ...prompts].map((ids) => ids.slice(0, positions)).filter((ids) => ids.length > 0);
  const different = new Map(usable.map((ids) => [ids.join(' '), ids]));
  const found = [...different.values()].sort((left, right) => left.length - right.length);
  return found.length > 0 ? found : [[0]];
}
