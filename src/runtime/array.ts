import * as ort from 'onnxruntime-node';
import type { DType, TypedArray } from '../tensor/dtype.js';
import { formatShape, ShapeError } from '../tensor/shape.js';
import { type ArrayValue, type HostArray, isHostArray } from '../tensor/variable.js';
import { AthanorError } from '../util/errors.js';

/** An array in the memory of a graphics processor. */
export interface GpuArray extends ArrayValue {
  readonly gpu: ort.Tensor;
}

export function isGpuArray(value: ArrayValue): value is GpuArray {
  return 'gpu' in value;
}

/** ONNX Runtime's view of arrays in memory; kept, so that a weight is wrapped once and not at each step. */
const wrapped = new WeakMap<HostArray, ort.Tensor>();

/** The tensor to hand to ONNX Runtime; it shares the array's memory. */
export function ortTensor(value: ArrayValue): ort.Tensor {
  if (isGpuArray(value)) return value.gpu;
  if (!isHostArray(value)) throw new AthanorError('an array of an unknown kind', { got: String(value) });
  const known = wrapped.get(value);
  if (known) return known;
  const tensor = new ort.Tensor(value.dtype as 'float32', value.data as Float32Array, value.shape);
  wrapped.set(value, tensor);
  return tensor;
}

/** The array that ONNX Runtime returned. */
export function arrayOf(tensor: ort.Tensor): HostArray | GpuArray {
  const dtype = tensor.type as DType;
  const shape = tensor.dims;
  if (tensor.location !== 'cpu') return { dtype, shape, gpu: tensor };
  let data = tensor.data as unknown as TypedArray;
  // Where JavaScript has a Float16Array of its own, ONNX Runtime returns that; ours are bit patterns.
  if (dtype === 'float16' && !(data instanceof Uint16Array)) {
    const { buffer, byteOffset, length } = data as TypedArray;
    data = new Uint16Array(buffer, byteOffset, length);
  }
  const array: HostArray = { dtype, shape, data };
  wrapped.set(array, tensor);
  return array;
}

/**
 * An array from data, `array(Float32Array.of(1, 2), [2])`; the memory is shared, not copied. The element type follows
 * the data's: Uint16Array is float16 (bit patterns), Uint8Array is uint8 unless `bool` is given.
 *
 * @throws {ShapeError} if the data does not fill the shape.
 */
export function array(data: TypedArray, shape: readonly number[] = [data.length], dtype?: DType): HostArray {
  const size = shape.reduce((product, n) => product * n, 1);
  if (size !== data.length) {
    throw new ShapeError('the data does not fill the shape', {
      where: 'array',
      expected: `${size} elements for ${formatShape(shape)}`,
      got: `${data.length}`,
    });
  }
  return { dtype: dtype ?? dtypeOf(data), shape, data };
}

function dtypeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Uint16Array) return 'float16';
  return 'uint8';
}
