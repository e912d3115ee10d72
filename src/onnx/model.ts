/**
 * The part of ONNX that Athanor reads and writes, as plain data. Names follow `onnx.proto3`; what is left out
 * (sub-graphs, functions, sparse and string tensors) is refused by the reader by name, never dropped.
 */

/**
 * Element types with their `TensorProto.DataType` code and the bytes of one element.
 *
 * Source: ONNX `onnx.proto3`, `TensorProto.DataType`.
 */
export const ONNX_DATA_TYPES = {
  float32: { code: 1, bytes: 4 },
  uint8: { code: 2, bytes: 1 },
  int8: { code: 3, bytes: 1 },
  uint16: { code: 4, bytes: 2 },
  int16: { code: 5, bytes: 2 },
  int32: { code: 6, bytes: 4 },
  int64: { code: 7, bytes: 8 },
  bool: { code: 9, bytes: 1 },
  float16: { code: 10, bytes: 2 },
  float64: { code: 11, bytes: 8 },
  uint32: { code: 12, bytes: 4 },
  uint64: { code: 13, bytes: 8 },
  bfloat16: { code: 16, bytes: 2 },
} as const satisfies Record<string, { readonly code: number; readonly bytes: number }>;

export type OnnxDataType = keyof typeof ONNX_DATA_TYPES;

const TYPE_OF_CODE: ReadonlyMap<number, OnnxDataType> = new Map(
  Object.entries(ONNX_DATA_TYPES).map(([type, { code }]) => [code, type as OnnxDataType]),
);

/** The type with this `TensorProto.DataType` code, or undefined where Athanor does not know it. */
export function onnxDataTypeOf(code: number): OnnxDataType | undefined {
  return TYPE_OF_CODE.get(code);
}

/** Integers are limited to the safe range of a JavaScript number; floats are kept as float32. */
export type OnnxAttribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor };

/** A constant tensor. `data` holds raw little-endian elements in row-major order, or says in which file they lie. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxDataType;
  readonly dims: readonly number[];
  readonly data: Uint8Array | ExternalData;
}

/** Bytes in another file. `location` is relative to the model's own folder; offset and length are in bytes. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** One operation. An empty name in `inputs` or `outputs` stands for an optional one that is left out. */
export interface OnnxNode {
  readonly op: string;
  /** Operator set; absent or empty for the standard one (`ai.onnx`). */
  readonly domain?: string;
  readonly name?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** A graph input or output. A dimension is a size, a symbol's name, or `''` where nothing is known of it. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxDataType;
  readonly dims: readonly (number | string)[];
  /** A sequence of such tensors, whose shapes are not said. */
  readonly sequence?: boolean;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

export interface OnnxModel {
  readonly irVersion: number;
  /** Version of each operator set by domain; the standard set has the key `''`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly graph: OnnxGraph;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** True where a tensor's bytes lie in another file. */
export function isExternal(data: OnnxTensor['data']): data is ExternalData {
  return !(data instanceof Uint8Array);
}
