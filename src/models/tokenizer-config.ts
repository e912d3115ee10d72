import { tokenizerSettings } from '../tokenizer/file.js';
import type { Json } from '../util/json.js';
import { architectureFor } from './registry.js';
import type { SavedModel } from './save.js';

/** Texts of the tokens with a part to play in an encoder, as published tokenizers have them. */
const ENCODER_TOKENS: Readonly<Record<string, readonly string[]>> = {
  unk_token: ['[UNK]', '<unk>'],
  cls_token: ['[CLS]', '<s>'],
  sep_token: ['[SEP]', '</s>'],
  mask_token: ['[MASK]', '<mask>'],
};

/**
 * The `tokenizer_config.json` of a model: the tokenizer's own, and what the model makes of it. How long texts may be; the
 * tokens of an encoder, by which masks are filled; and which inputs the tokenizer gives. Left to the default of
 * transformers, that is wrong for one kind or the other: version 4 hands types of text to decoders, which refuse them or
 * (GPT-2) compute something else, and version 5 keeps the types of a pair from encoders.
 */
export function modelTokenizerConfig({ model, tokenizer, chatTemplate }: SavedModel): { [key: string]: Json } {
  const { kind } = architectureFor(model);
  const { positions } = model.config as { readonly positions: number };
  const roles = Object.entries(ENCODER_TOKENS).flatMap(([role, contents]) => {
    const content = contents.find((each) => tokenizer.specialTokens.has(each));
    return content === undefined ? [] : [[role, content] as const];
  });
  return {
    ...tokenizerSettings(tokenizer, chatTemplate),
    // T5 has no last position.
    ...(kind === 'encoder-decoder' ? {} : { model_max_length: positions }),
    ...(kind === 'encoder' ? Object.fromEntries(roles) : {}),
    model_input_names: ['input_ids', ...(kind === 'encoder' ? ['token_type_ids'] : []), 'attention_mask'],
  };
}
