import { InputError } from '../util/errors.js';

/** The metadata of a GGUF file, as far as a tokenizer looks at it. */
export type TokenizerMetadata = ReadonlyMap<string, { readonly value: unknown }>;

/** A field of the metadata that a tokenizer writes. */
export type TokenizerField =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'u32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'array'; readonly items: 'string'; readonly value: readonly string[] }
  | { readonly type: 'array'; readonly items: 'i32'; readonly value: Int32Array }
  | { readonly type: 'array'; readonly items: 'f32'; readonly value: Float32Array };

/** The fields that make up a tokenizer. */
export const TOKENIZER_KEYS = {
  model: 'tokenizer.ggml.model',
  pre: 'tokenizer.ggml.pre',
  tokens: 'tokenizer.ggml.tokens',
  scores: 'tokenizer.ggml.scores',
  types: 'tokenizer.ggml.token_type',
  merges: 'tokenizer.ggml.merges',
  bos: 'tokenizer.ggml.bos_token_id',
  eos: 'tokenizer.ggml.eos_token_id',
  pad: 'tokenizer.ggml.padding_token_id',
  unknown: 'tokenizer.ggml.unknown_token_id',
  addsBos: 'tokenizer.ggml.add_bos_token',
  addsEos: 'tokenizer.ggml.add_eos_token',
  addsSpace: 'tokenizer.ggml.add_space_prefix',
  removesSpaces: 'tokenizer.ggml.remove_extra_whitespaces',
  chatTemplate: 'tokenizer.chat_template',
  /** Ours: whether text is normalised to NFC, where that differs from what the name of the cut implies. */
  nfc: 'athanor.tokenizer.nfc',
} as const;

/** What `tokenizer.ggml.token_type` says of each token. */
export const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, added: 4, unused: 5, byte: 6 } as const;

/** Reads fields of a file. Each method throws an `InputError` that names the field if it is of another kind. */
export class FieldReader {
  private readonly metadata: TokenizerMetadata;
  private readonly file: string;

  constructor(metadata: TokenizerMetadata, file: string) {
    this.metadata = metadata;
    this.file = file;
  }

  /** Where a field stands, for errors. */
  where(key: string): string {
    return `${this.file}, ${key}`;
  }

  text(key: string): string | undefined {
    return this.optional(key, 'a text', (value) => typeof value === 'string');
  }

  flag(key: string): boolean | undefined {
    return this.optional(key, 'true or false', (value) => typeof value === 'boolean');
  }

  id(key: string, bound: number): number | undefined {
    return this.optional(
      key,
      `a whole number from 0 to ${bound - 1}`,
      (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < bound,
    );
  }

  texts(key: string): readonly string[] {
    const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string');
    return this.required(key, this.optional(key, 'an array of texts', isTexts));
  }

  numbers(key: string, length: number): ArrayLike<number> {
    const isNumbers = (value: unknown): boolean =>
      (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) &&
      (value as ArrayLike<unknown>).length === length &&
      Array.prototype.every.call(value, (one) => typeof one === 'number' && !Number.isNaN(one));
    return this.required(key, this.optional(key, `an array of ${length} numbers, one a token`, isNumbers));
  }

  private optional<T>(key: string, expected: string, isRight: (value: unknown) => boolean): T | undefined {
    const value = this.metadata.get(key)?.value;
    if (value === undefined || isRight(value)) return value as T | undefined;
    const got = typeof value === 'object' ? `an array of ${(value as ArrayLike<unknown>).length}` : String(value);
    throw new InputError('not what a tokenizer has here', { where: this.where(key), expected, got: got.slice(0, 80) });
  }

  private required<T>(key: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new InputError('the file has no complete tokenizer', { where: this.file, expected: `a field ${key}` });
  }
}
