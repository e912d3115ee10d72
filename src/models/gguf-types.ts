import { GGML_TYPES } from '../gguf/ggml-type.js';
import { quantize } from '../gguf/quantize.js';
import { InputError } from '../util/errors.js';

/** What a model's matrices are written as. */
export type GgufModelType = 'F32' | 'F16' | 'Q8_0' | 'Q4_0';

/** `general.file_type`: llama.cpp's number for a file of mostly this type. */
export const GGUF_FILE_TYPES: Readonly<Record<GgufModelType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7 };

/**
 * The matrix that makes logits (the embedding table, where the head is tied), in a Q4_0 file. llama.cpp's quantiser takes
 * Q6_K there, because four bits cost most in it; the next better type that is written here has eight.
 */
export const Q4_0_HEAD_TYPE = 'Q8_0' satisfies GgufModelType;

/** Tables that llama.cpp adds to vectors as they are, and its converter never packs. */
const NEVER_PACKED: ReadonlySet<string> = new Set(['position_embd.weight']);

/** What one tensor is written as. */
export interface ChosenType {
  readonly type: GgufModelType;
  /** Why it is not the type that was asked for, where that is a surprise. */
  readonly fallback?: string;
}

/**
 * The type of one tensor of a file of `wanted`: norms, biases and positions stay F32, the head of a Q4_0 file has
 * eight bits, and rows that are not whole blocks become F16.
 *
 * @param name in the GGUF file. @param shape row-major. @param isHead whether it makes the logits.
 */
export function ggufTypeOf(name: string, shape: readonly number[], wanted: GgufModelType, isHead: boolean): ChosenType {
  if (shape.length < 2 || NEVER_PACKED.has(name)) return { type: 'F32' };
  const type = isHead && wanted === 'Q4_0' ? Q4_0_HEAD_TYPE : wanted;
  const { blockSize } = GGML_TYPES[type];
  const row = shape.at(-1)!;
  if (row % blockSize === 0) return { type };
  return { type: 'F16', fallback: `its rows of ${row} are not whole blocks of ${blockSize}` };
}

/** float16's largest value; half a step beyond, numbers become infinite. */
const F16_LIMIT = 65_520;

/**
 * Elements in a tensor's type.
 *
 * @throws {InputError} naming the tensor, if a number is not finite or too large for the type.
 */
export function encodeGguf(name: string, type: GgufModelType, values: Float32Array): Uint8Array {
  if (type === 'F16') {
    const at = values.findIndex((value) => !(Math.abs(value) < F16_LIMIT));
    if (at >= 0) throw unusable(name, 'F16', `${values[at]} as element ${at}`);
  }
  try {
    return quantize(type, values);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw unusable(name, type, error.details.got ?? error.message, error);
  }
}

function unusable(name: string, type: GgufModelType, got: string, cause?: unknown): InputError {
  return new InputError(`the weights cannot be stored as ${type}`, {
    where: `tensor '${name}'`,
    expected: `finite numbers that fit into ${type}`,
    got,
    hint: 'Has training diverged? F32 can store every weight.',
    cause,
  });
}
