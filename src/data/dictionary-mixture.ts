import type { ChatMessage } from '../tokenizer/chat-template.js';
import { InputError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { arithmeticChat } from './arithmetic.js';
import { DictionaryChats } from './dictionary-chats.js';
import type { WordNet } from './wordnet.js';

/** One maker a kind of chat. */
const MAKERS = {
  lookup: (chats, random) => chats.lookup(random),
  inventedLookup: (chats, random) => chats.inventedLookup(random),
  notFound: (chats, random) => chats.notFound(random),
  memory: (chats, random) => chats.memory(random),
  smallTalk: (chats, random) => chats.smallTalk(random),
  additionSteps: (_, random) => arithmeticChat(random, { operator: '+', steps: true }),
  addition: (_, random) => arithmeticChat(random, { operator: '+', steps: false }),
  subtractionSteps: (_, random) => arithmeticChat(random, { operator: '-', steps: true }),
  subtraction: (_, random) => arithmeticChat(random, { operator: '-', steps: false }),
} satisfies Record<string, (chats: DictionaryChats, random: Random) => ChatMessage[]>;

export type DictionaryChatKind = keyof typeof MAKERS;

/** Weights of the kinds of chats; they need not add up to 1. */
export type DictionaryMixture = Readonly<Partial<Record<DictionaryChatKind, number>>>;

/** The default weights. */
export const DICTIONARY_MIXTURE: Readonly<Record<DictionaryChatKind, number>> = {
  lookup: 0.42,
  inventedLookup: 0.16,
  notFound: 0.03,
  memory: 0.08,
  smallTalk: 0.03,
  additionSteps: 0.17,
  addition: 0.05,
  subtractionSteps: 0.04,
  subtraction: 0.02,
};

/** How often a chat begins with small talk. */
const OPENING_SHARE = 0.06;

export interface DictionaryExamplesOptions {
  readonly wordnet: WordNet;
  readonly heldOutWords: Iterable<string>;
  readonly seed: number;
  /** Only the kinds named here are made; `DICTIONARY_MIXTURE` by default. */
  readonly mixture?: DictionaryMixture;
}

/** An endless sequence of chats with random access: example `i` depends on the options and `i` alone. */
export interface DictionaryExamples extends Iterable<ChatMessage[]> {
  at(index: number): ChatMessage[];
  /** Which kind of chat `at(index)` is. */
  kindAt(index: number): DictionaryChatKind;
}

/**
 * The chats that the dictionary assistant is tuned on.
 * @throws {InputError} for a weight that is unknown, negative or not a number, or when all are zero.
 */
export function dictionaryExamples(options: DictionaryExamplesOptions): DictionaryExamples {
  const weights = checkedWeights(options.mixture ?? DICTIONARY_MIXTURE);
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  const chats = new DictionaryChats(options.wordnet, options.heldOutWords);
  const pickKind = (random: Random): DictionaryChatKind => {
    let left = random.uniform() * total;
    for (const [kind, weight] of weights) {
      left -= weight;
      if (left < 0) return kind;
    }
    return weights[0]![0];
  };
  const at = (index: number): ChatMessage[] => {
    const random = new Random(options.seed, index);
    const kind = pickKind(random);
    const opened = random.uniform() < OPENING_SHARE && kind !== 'memory' && kind !== 'smallTalk';
    return [...(opened ? chats.smallTalk(random) : []), ...MAKERS[kind](chats, random)];
  };
  return {
    at,
    kindAt: (index) => pickKind(new Random(options.seed, index)),
    *[Symbol.iterator]() {
      for (let i = 0; ; i++) yield at(i);
    },
  };
}

function checkedWeights(mixture: DictionaryMixture): [DictionaryChatKind, number][] {
  for (const [kind, weight] of Object.entries(mixture)) {
    if (!(kind in MAKERS)) {
      throw new InputError('unknown kind of chat in the mixture', {
        expected: Object.keys(MAKERS).join(', '),
        got: kind,
      });
    }
    if (!(Number.isFinite(weight) && weight >= 0)) {
      throw new InputError('a weight of the mixture must be a number from 0 up', { where: kind, got: String(weight) });
    }
  }
  const weights = (Object.keys(MAKERS) as DictionaryChatKind[])
    .map((kind): [DictionaryChatKind, number] => [kind, mixture[kind] ?? 0])
    .filter(([, weight]) => weight > 0);
  if (weights.length === 0) throw new InputError('the mixture of chats is empty');
  return weights;
}
