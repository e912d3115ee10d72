import { Llama } from '../src/models/llama.js';
import { initialize, weightsOf } from '../src/nn/module.js';
import { trainCharacters } from '../src/tokenizer/characters.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../src/tokenizer/chat-template.js';
import type { Tokenizer } from '../src/tokenizer/tokenizer.js';

export interface TestParts {
  readonly model: Llama;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: string;
}

const WIDTH = 304;

/** Characters of their own; all others are written as bytes. */
const CHARACTERS = 'ABCDEFabcdefghijklmnopqrstuvwxyz .';

/** A tokenizer for chats of single characters. */
export function characterTokenizer(): Promise<Tokenizer> {
  const roles = { bos: '<|endoftext|>', eos: '<|end|>', pad: '<|endoftext|>' };
  return trainCharacters([CHARACTERS], { specialTokens: CHAT_SPECIAL_TOKENS, roles });
}

/**
 * A model whose next token follows from the last one alone, as lists of ids say: in each list, every id is followed by the
 * next one. Where lists disagree the first is likelier.
 */
export async function bigramModel(
  chains: (tokenizer: Tokenizer) => readonly (readonly number[])[],
  positions = 128,
): Promise<TestParts> {
  const tokenizer = await characterTokenizer();
  const vocabularySize = tokenizer.vocabularySize;
  const model = initialize(
    new Llama({
      vocabularySize,
      width: WIDTH,
      layers: 1,
      heads: 2,
      keyHeads: 1,
      hidden: 16,
      positions,
      theta: 10_000,
      epsilon: 1e-5,
      tiedHead: false,
      queryKeyNorm: false,
    }),
    1,
  );
  for (const layer of model.layers) {
    for (const { weight } of [layer.attention.o, layer.feedForward.down]) weightsOf(weight).fill(0);
  }
  weightsOf(model.embedding.weight).fill(0);
  weightsOf(model.headWeight).fill(0);
  const embedding = weightsOf(model.embedding.weight);
  for (let id = 0; id < vocabularySize; id++) embedding[id * WIDTH + id] = 1;
  const head = weightsOf(model.headWeight);
  for (const [rank, chain] of chains(tokenizer).entries()) {
    chain.slice(1).forEach((next, i) => {
      head[next * WIDTH + chain[i]!] ||= 1 - rank / 4;
    });
  }
  return { model, tokenizer, chatTemplate: DEFAULT_CHAT_TEMPLATE };
}

/** Calls the tool `tip` with `fog` if it may, and answers `A中B` else. */
export function callingModel(positions?: number): Promise<TestParts> {
  return bigramModel((tokenizer) => {
    const ids = (text: string): number[] => Array.from(tokenizer.encode(text, { allowSpecial: true }));
    return [ids('<|assistant|><|call|>tip fog<|end|>'), ids('<|assistant|>A中B<|end|>')];
  }, positions);
}

/** A model of random weights, large enough that its distribution is far from uniform. */
export async function randomModel(positions = 128): Promise<TestParts> {
  const tokenizer = await characterTokenizer();
  const model = initialize(
    new Llama({
      vocabularySize: tokenizer.vocabularySize + 3,
      width: 32,
      layers: 2,
      heads: 4,
      keyHeads: 2,
      hidden: 48,
      positions,
      theta: 10_000,
      epsilon: 1e-5,
      tiedHead: true,
      queryKeyNorm: false,
    }),
    7,
  );
  for (const parameter of model.parameters()) {
    if (parameter.shape.length === 1) continue;
    const weights = weightsOf(parameter);
    for (let i = 0; i < weights.length; i++) weights[i]! *= 4;
  }
  return { model, tokenizer, chatTemplate: DEFAULT_CHAT_TEMPLATE };
}
