import type { Document } from '../data/document.js';
import { openSource, type SourceOptions } from '../data/source.js';
import { splitDocuments } from '../data/split.js';
import { packDocuments, type TokenStore } from '../data/token-store.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';

export interface SplitText {
  readonly training: Document[];
  readonly heldOut: Document[];
}

/** Reads a source whole and divides it, by hashes of the texts, the same way each time. @throws {InputError} */
export async function readSplitText(
  data: string,
  split: { readonly heldOutFraction: number; readonly seed: number },
  options: SourceOptions = {},
): Promise<SplitText> {
  const source = await openSource(data, options);
  const documents: Document[] = [];
  for await (const document of source.documents()) documents.push(document);
  if (documents.length === 0) {
    throw new InputError('the data holds no text', { where: data, hint: 'Is it the right file or folder?' });
  }
  return splitDocuments(documents, split);
}

export interface PackedText {
  readonly training: TokenStore;
  readonly heldOut: TokenStore;
}

/** Encodes both parts. */
export async function packSplitText(
  { training, heldOut }: SplitText,
  tokenizer: Tokenizer,
  onProgress?: (textBytes: number) => void,
): Promise<PackedText> {
  return {
    training: await packDocuments(training, tokenizer, {
      ...(onProgress ? { onProgress: ({ textBytes }) => onProgress(textBytes) } : {}),
    }),
    heldOut: await packDocuments(heldOut, tokenizer),
  };
}
