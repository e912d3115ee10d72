import { CorruptFileError } from '../util/errors.js';
import { readBytesUpTo } from '../util/file-parts.js';
import { byteToken } from './byte-fallback.js';
import { mergesByScore } from './piece-merges.js';
import { SentencePieceBpe } from './sentencepiece-bpe.js';
import type { AddedToken } from './tokenizer.js';

const MAXIMUM_VOCABULARY = 1 << 20;
const MAXIMUM_PIECE_BYTES = 1024;
const MOST_BYTES = 2 ** 26;
const CONTROL_TOKENS = ['<unk>', '<s>', '</s>'];

/**
 * Reads the tokenizer of llama2.c: `int32 longestToken`, then for each token `float32 score, int32 length, bytes`, all
 * little-endian. Tokens 0, 1 and 2 are `<unk>`, `<s>` and `</s>`, 3 to 258 the bytes, the rest pieces with a plain
 * space for `▁`. Encoding merges the adjacent pair whose result has the best score.
 *
 * @param vocabularySize the file does not say it; the model's configuration does.
 * @throws {CorruptFileError} if the file does not hold that many tokens.
 */
export function loadLlama2cTokenizer(file: string, vocabularySize: number): SentencePieceBpe {
  const pieces = readPieces(file, vocabularySize);
  const addedTokens: AddedToken[] = CONTROL_TOKENS.map((content, id) => ({ id, content, special: true }));
  const vocabulary = new Map<string, number>(addedTokens.map(({ content, id }) => [content, id]));
  const scores = new Map<string, number>();
  pieces.forEach(({ text, score }, id) => {
    if (id < CONTROL_TOKENS.length) return;
    const isByte = id < CONTROL_TOKENS.length + 256;
    const token = isByte ? byteToken(id - CONTROL_TOKENS.length) : text.replaceAll(' ', '\u2581');
    if (isByte ? text !== token : vocabulary.has(token)) {
      throw new CorruptFileError(isByte ? 'the byte tokens are not in place' : 'a token is listed twice', {
        where: `${file}, token ${id}`,
        got: JSON.stringify(text.slice(0, 40)),
      });
    }
    vocabulary.set(token, id);
    if (!isByte) scores.set(token, score);
  });
  const roles = { bos: '<s>', eos: '</s>' };
  return new SentencePieceBpe({ vocabulary, merges: mergesByScore(vocabulary, scores), addedTokens, roles });
}

function readPieces(file: string, vocabularySize: number): { text: string; score: number }[] {
  const smallest = CONTROL_TOKENS.length + 256;
  if (!Number.isInteger(vocabularySize) || vocabularySize < smallest || vocabularySize > MAXIMUM_VOCABULARY) {
    throw new CorruptFileError('impossible vocabulary size', {
      where: file,
      expected: `${smallest} to ${MAXIMUM_VOCABULARY}`,
      got: String(vocabularySize),
    });
  }
  const bytes = readBytesUpTo(file, MOST_BYTES, 'a tokenizer of llama2.c');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const pieces: { text: string; score: number }[] = [];
  let at = 4;
  for (let id = 0; id < vocabularySize; id++) {
    const where = `${file}, token ${id}`;
    const truncated = (): CorruptFileError =>
      new CorruptFileError('the file ends too early', {
        where,
        expected: `${vocabularySize} tokens`,
        got: `${bytes.length} bytes`,
        hint: 'Is this the tokenizer of this model?',
      });
    if (at + 8 > bytes.length) throw truncated();
    const score = view.getFloat32(at, true);
    const length = view.getInt32(at + 4, true);
    at += 8;
    if (length < 0 || length > MAXIMUM_PIECE_BYTES || Number.isNaN(score)) {
      throw new CorruptFileError('not a token', { where, got: `length ${length}, score ${score}` });
    }
    if (at + length > bytes.length) throw truncated();
    try {
      pieces.push({ text: decoder.decode(bytes.subarray(at, at + length)), score });
    } catch (error) {
      throw new CorruptFileError('not valid UTF-8', { where, cause: error });
    }
    at += length;
  }
  if (at !== bytes.length) {
    throw new CorruptFileError('bytes are left after the last token', {
      where: file,
      got: `${bytes.length - at} bytes`,
    });
  }
  return pieces;
}
