import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import type { Tokenizer, TokenRoles } from './tokenizer.js';

/**
 * The tokenizer of a `tokenizer.json` whose model is Unigram: T5, XLM-RoBERTa, ALBERT, multilingual MiniLM.
 *
 * @throws {InputError} naming the place in the file, if it is damaged or uses a setting that is not supported.
 */
export function readUnigram(root: { [key: string]: Json }, _roles: TokenRoles | undefined): Tokenizer {
  throw new InputError('Unigram is not read yet', { where: 'model.type', got: String(typeof root) });
}
