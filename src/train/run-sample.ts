import { GenerationEngine } from '../generate/engine.js';
import type { Decoder } from '../models/architecture.js';
import { encodeChat } from '../tokenizer/chat-encoding.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { deviceOf, type TrainSettings } from './recipe.js';

/** Lets a model in training say something, with the weights as they stand. */
export interface Sampler {
  draw(): Promise<string>;
  release(): Promise<void>;
}

const SAMPLE_TOKENS = 64;

/** Samples what follows some ids, at temperature 0.8, the same way each time. */
function samplerOf(
  model: Decoder,
  tokenizer: Tokenizer,
  prompt: ArrayLike<number>,
  settings: TrainSettings,
  stopIds: readonly number[],
): Sampler {
  const engine = new GenerationEngine(model, { device: deviceOf(settings), batch: 1 });
  const maxTokens = Math.min(SAMPLE_TOKENS, model.config.positions - prompt.length);
  return {
    async draw() {
      const { tokens } = await engine.generate(prompt, { maxTokens, sampling: { temperature: 0.8 }, stopIds });
      return tokenizer.decode(
        tokens.map(({ token }) => token),
        { skipSpecial: true },
      );
    },
    release: () => engine.release(),
  };
}

/** Samples a text from its beginning. */
export function textSampler(model: Decoder, tokenizer: Tokenizer, settings: TrainSettings): Sampler {
  const eosId = tokenizer.eosId ?? 0;
  return samplerOf(model, tokenizer, [eosId], settings, [eosId]);
}

/** Samples an answer to a question. */
export function answerSampler(
  model: Decoder,
  tokenizer: Tokenizer,
  template: string,
  question: string,
  settings: TrainSettings,
): Sampler {
  const prompt = encodeChat(tokenizer, template, [{ role: 'user', content: question }], { addGenerationPrompt: true });
  // What closes a turn: the special tokens of the template that the tokenizer has.
  const stopIds = ['<|end|>', '<|im_end|>'].flatMap((token) => tokenizer.specialTokens.get(token) ?? []);
  const ends = tokenizer.eosId === undefined ? stopIds : [...stopIds, tokenizer.eosId];
  return samplerOf(model, tokenizer, prompt.slice(0, model.config.positions - 1), settings, ends);
}
