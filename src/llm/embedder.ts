import type { Encoder } from '../models/architecture.js';
import { loadAnyModel } from '../models/load.js';
import { array } from '../runtime/array.js';
import { type CompiledFunction, compile } from '../runtime/compile.js';
import { cpu, type Device } from '../runtime/device.js';
import { div, maximum, mul } from '../tensor/ops/binary.js';
import { equal, where } from '../tensor/ops/compare.js';
import { cast } from '../tensor/ops/create.js';
import { reshape } from '../tensor/ops/layout.js';
import { max, sum } from '../tensor/ops/reduce.js';
import { slice } from '../tensor/ops/slice.js';
import { sqrt, square } from '../tensor/ops/unary.js';
import { type Dim, dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { InputError } from '../util/errors.js';
import { type Pooling, type PoolingMode, readPooling } from './pooling.js';

export interface EmbedderOptions extends Partial<Pooling> {
  readonly device?: Device;
}

export interface EmbedOptions {
  /** Most texts that are read at once; default 32, fewer where they are long. */
  readonly batch?: number;
}

/** Places of one run, tokens and padding: its scores take heads × longest text × places numbers. */
const MOST_PLACES = 4096;

/**
 * One vector out of a text's: hidden vectors `[B, T, D]` and 1 for each token, 0 for padding, `[B, T]` → `[B, D]`. As
 * sentence-transformers computes it (Reimers and Gurevych 2019).
 */
export function pool(hidden: Tensor, mask: Tensor, mode: PoolingMode): Tensor {
  const [batch, time, width] = hidden.shape as readonly [Dim, Dim, Dim];
  if (mode === 'cls') return reshape(slice(hidden, 1, 0, 1), [batch, width]);
  const column = reshape(mask, [batch, time, 1]);
  if (mode === 'max') return max(where(equal(column, 0), -1e9, hidden), { axes: [1] });
  const weights = cast(column, 'float32');
  return div(sum(mul(hidden, weights), { axes: [1] }), maximum(sum(weights, { axes: [1] }), 1e-9));
}

/** Vectors of length 1, `[B, D]`; a vector of zeros stays. */
function normalized(vectors: Tensor): Tensor {
  const length = sqrt(sum(square(vectors), { axes: [1], keepDims: true }));
  return div(vectors, maximum(length, 1e-12));
}

/** Turns texts into vectors whose nearness is that of their meanings, with an encoder that was trained for it. */
export class Embedder {
  readonly model: Encoder;
  readonly tokenizer: Tokenizer;
  /** Tokens of a text that are read. */
  readonly maxTokens: number;
  private readonly lowerCase: boolean;
  private readonly prefix: string;
  private readonly program: CompiledFunction<Tensor>;

  private constructor(model: Encoder, tokenizer: Tokenizer, options: EmbedderOptions) {
    const { pooling = 'mean', normalize = false, lowerCase = false, prefix = '', device = cpu() } = options;
    const { positions } = model.config;
    const { maxTokens = positions } = options;
    if (!Number.isInteger(maxTokens) || maxTokens < 1) {
      throw new InputError('not a number of tokens', {
        where: 'maxTokens',
        expected: '1 or more',
        got: `${maxTokens}`,
      });
    }
    this.model = model;
    this.tokenizer = tokenizer;
    this.maxTokens = Math.min(maxTokens, positions);
    this.lowerCase = lowerCase;
    this.prefix = prefix;
    const shape = [dim('B'), dim('T')];
    this.program = compile(
      (ids: Tensor, mask: Tensor): Tensor => {
        const vectors = pool(model.hidden({ ids, mask }), mask, pooling);
        return normalize ? normalized(vectors) : vectors;
      },
      // One program for texts of every number and length.
      { device, shapes: { '0': shape, '1': shape } },
    );
  }

  /**
   * @param options how vectors are made; `readPooling` gives what the model's files say. Default: the mean.
   * @throws {InputError} if `maxTokens` is no number of tokens.
   */
  static from(model: Encoder, tokenizer: Tokenizer, options: EmbedderOptions = {}): Embedder {
    return new Embedder(model, tokenizer, options);
  }

  /**
   * An encoder from its folder, with the pooling that its files ask for.
   *
   * @throws {InputError} if it is no encoder, or asks for a step that is not built. @throws {CorruptFileError}
   */
  static async load(place: string, options: EmbedderOptions = {}): Promise<Embedder> {
    const { model, tokenizer, architecture, folder } = await loadAnyModel(place);
    if (architecture.kind !== 'encoder') {
      throw new InputError('this model gives no vectors of texts', {
        where: place,
        expected: 'an encoder, such as bert',
        got: `${architecture.modelType}, a model of the kind ${architecture.kind}`,
      });
    }
    return new Embedder(model as unknown as Encoder, tokenizer, { ...readPooling(folder), ...options });
  }

  /** Numbers in a vector. */
  get width(): number {
    return this.model.config.width;
  }

  /**
   * The vector of each text, in their order. Texts of like lengths are read together; what a text gives does not depend
   * on the others. Texts longer than `maxTokens` are cut off.
   *
   * @throws {InputError} if a text has no tokens at all.
   */
  async embed(texts: readonly string[], { batch = 32 }: EmbedOptions = {}): Promise<Float32Array[]> {
    if (!Number.isInteger(batch) || batch < 1) {
      throw new InputError('not a number of texts', { where: 'batch', expected: '1 or more', got: `${batch}` });
    }
    const rows = texts.map((text, i) => this.tokens(text, i));
    const order = [...rows.keys()].sort((a, b) => rows[b]!.length - rows[a]!.length);
    const vectors = new Array<Float32Array>(rows.length);
    for (let at = 0; at < order.length; ) {
      const longest = rows[order[at]!]!.length;
      const count = Math.min(batch, Math.max(1, Math.floor(MOST_PLACES / longest)));
      const indices = order.slice(at, at + count);
      const found = await this.run(indices.map((index) => rows[index]!));
      for (const [row, index] of indices.entries()) vectors[index] = found[row]!;
      at += count;
    }
    return vectors;
  }

  /** Vectors of rows, the longest first. */
  private async run(rows: readonly Int32Array[]): Promise<Float32Array[]> {
    const length = rows[0]!.length;
    const ids = new Int32Array(rows.length * length).fill(this.tokenizer.padId ?? 0);
    const mask = new Int32Array(ids.length);
    for (const [i, row] of rows.entries()) {
      ids.set(row, i * length);
      mask.fill(1, i * length, i * length + row.length);
    }
    const shape = [rows.length, length];
    const { data } = await this.program(array(ids, shape), array(mask, shape));
    return rows.map((_, i) => (data as Float32Array).slice(i * this.width, (i + 1) * this.width));
  }

  /** The ids of a text between its special tokens, at most `maxTokens`. */
  private tokens(text: string, index: number): Int32Array {
    const prefixed = this.prefix + text;
    const given = this.lowerCase ? prefixed.toLowerCase() : prefixed;
    const whole = this.tokenizer.encode(given, { addSpecial: true });
    if (whole.length === 0)
      throw new InputError('there is nothing to read', { where: `text ${index}`, got: 'no tokens' });
    if (whole.length <= this.maxTokens) return whole;
    // The special tokens stay; the end of the text itself goes.
    const inner = this.tokenizer.encode(given);
    const added = whole.length - inner.length;
    const room = this.maxTokens - added;
    if (room < 0) return whole.slice(0, this.maxTokens);
    const before = startOf(inner, whole, added);
    const cut = new Int32Array(this.maxTokens);
    cut.set(whole.subarray(0, before + room));
    cut.set(whole.subarray(before + inner.length), before + room);
    return cut;
  }

  /** Frees the program. */
  async release(): Promise<void> {
    await this.program.release();
  }
}

/** Where ids begin in those that have `added` more around them. */
function startOf(inner: Int32Array, whole: Int32Array, added: number): number {
  for (let before = 0; before <= added; before++) {
    if (inner.every((id, i) => whole[before + i] === id)) return before;
  }
  return added;
}
