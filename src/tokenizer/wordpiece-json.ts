import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { idAt, mustBe, objectAt, textAt } from './json-fields.js';
import { readNormalizer } from './normalizer.js';
import { readPostProcessor } from './post-processor.js';
import { readPreTokenizer, stepsOf } from './pre-tokenizer.js';
import type { TokenRoles } from './tokenizer.js';
import { readAddedTokens, readVocabulary } from './tokenizer-json.js';
import { WordPiece } from './wordpiece.js';

/** Published files say 100. The time for a word grows with the cube of it. */
const LONGEST_WORD = 1000;

/**
 * The tokenizer of a `tokenizer.json` whose model is WordPiece (BERT, MiniLM and other sentence encoders).
 *
 * @throws {InputError} naming the place in the file, if it is damaged or uses a setting that is not supported.
 */
export function readWordPiece(root: { [key: string]: Json }, roles: TokenRoles | undefined): WordPiece {
  const model = objectAt(root.model, 'model');
  const vocabulary = readVocabulary(model.vocab);
  const addedTokens = readAddedTokens(root, vocabulary);
  const longest = model.max_input_chars_per_word ?? 100;
  return new WordPiece({
    vocabulary,
    addedTokens,
    roles,
    normalizer: readNormalizer(root.normalizer),
    cuts: stepsOf(root.pre_tokenizer).map((step, i) => readPreTokenizer(step, `pre_tokenizer[${i}]`)),
    postProcessor: readPostProcessor(root.post_processor, vocabulary),
    unknownToken: textAt(model.unk_token ?? '[UNK]', 'model.unk_token'),
    prefix: textAt(model.continuing_subword_prefix ?? '##', 'model.continuing_subword_prefix'),
    longestWord: idAt(longest, 'model.max_input_chars_per_word', LONGEST_WORD + 1),
    decoder: readDecoder(root.decoder),
  });
}

function readDecoder(value: Json | undefined): { readonly prefix: string; readonly cleanup: boolean } | undefined {
  if (value === undefined || value === null) return undefined;
  const part = objectAt(value, 'decoder');
  if (part.type !== 'WordPiece') {
    throw new InputError('this decoder is not supported with WordPiece', {
      where: 'decoder.type',
      expected: '"WordPiece"',
      got: JSON.stringify(part.type ?? null),
    });
  }
  mustBe(part.cleanup, [undefined, true, false], 'decoder.cleanup');
  return { prefix: textAt(part.prefix ?? '##', 'decoder.prefix'), cleanup: part.cleanup !== false };
}
