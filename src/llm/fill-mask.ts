import type { Bert } from '../models/bert.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu, type Device } from '../runtime/device.js';
import { gather } from '../tensor/ops/gather.js';
import { reshape } from '../tensor/ops/layout.js';
import { softmax } from '../tensor/ops/softmax.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';

/** A word for a place. */
export interface FilledToken {
  readonly id: number;
  readonly text: string;
  readonly probability: number;
}

/** What tokenizers call the token that stands for a word to be guessed. */
const MASK_TOKENS = ['[MASK]', '<mask>'] as const;

export interface FillMaskOptions {
  /** How many words for each place, likeliest first; default 5. */
  readonly top?: number;
  readonly device?: Device;
}

/**
 * The likeliest tokens for each `[MASK]` of a text, in the text's order. Special tokens written in the text count as
 * such.
 *
 * @throws {InputError} if the model has no masked-word head, or the text has nothing to fill or is too long.
 */
export async function fillMask(
  model: Bert,
  tokenizer: Tokenizer,
  text: string,
  { top = 5, device = cpu() }: FillMaskOptions = {},
): Promise<readonly (readonly FilledToken[])[]> {
  if (model.config.head !== 'maskedWords') {
    throw new InputError('the model does not fill masks', {
      where: 'fillMask',
      expected: 'BertForMaskedLM',
      got: `a BERT whose head is ${model.config.head}`,
    });
  }
  const name = MASK_TOKENS.find((token) => tokenizer.specialTokens.has(token));
  const ids = tokenizer.encode(text, { addSpecial: true, allowSpecial: true });
  const maskId = name === undefined ? undefined : tokenizer.specialTokens.get(name);
  const places = [...ids.keys()].filter((at) => ids[at] === maskId);
  if (places.length === 0) {
    throw new InputError('there is nothing to fill', {
      where: 'fillMask',
      expected: name === undefined ? 'a tokenizer that has a mask token' : `${name} in the text`,
      got: JSON.stringify(text.slice(0, 80)),
    });
  }
  const { width, vocabularySize } = model.config;
  const program = compile(
    (tokens: Tensor, wanted: Tensor): Tensor => {
      const hidden = reshape(model.hidden({ ids: tokens }), [ids.length, width]);
      return softmax(model.logits(gather(hidden, wanted)));
    },
    { device },
  );
  try {
    const { data } = await program(array(ids, [1, ids.length]), array(Int32Array.from(places)));
    return places.map((_, i) => {
      const row = (data as Float32Array).subarray(i * vocabularySize, (i + 1) * vocabularySize);
      // A vocabulary may be padded past the tokenizer's ids, which then stand for nothing.
      const known = [...row.subarray(0, tokenizer.vocabularySize).keys()];
      const best = known.sort((a, b) => row[b]! - row[a]! || a - b).slice(0, top);
      return best.map((id) => ({ id, text: tokenizer.decode([id]), probability: row[id]! }));
    });
  } finally {
    await program.release();
  }
}
