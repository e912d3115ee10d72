"""Makes test/fixtures/gguf/types.gguf with the `gguf` package of PyPI, the reference in Python.

Run:  pip install gguf numpy  &&  python scripts/gguf-reference.py

For each element type the file holds a tensor of that type and `<type>.values`, what the reference reads from it, in
float32. `source` is what the types that can be written were quantised from. The metadata has one field of each type.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value

FILE = Path(__file__).parent.parent / "test/fixtures/gguf/types.gguf"


def source() -> np.ndarray:
    """Rows of 256: usual weights, and what quantisers stumble over."""
    random = np.random.default_rng(7)
    rows = [
        random.normal(0, 0.02, 256),
        random.normal(0, 1, 256),
        random.standard_cauchy(256) * 100,
        # Whole and half steps of a scale of 1: ties.
        np.tile(np.concatenate([[127], np.arange(31) - 15.5]), 8),
        np.tile(np.concatenate([[-8], (np.arange(31) - 16) / 2]), 8),
        # Opposite values of one magnitude; the first one counts.
        np.tile([1, -1, 0.5, -0.5], 64),
        np.concatenate([np.zeros(32), np.full(32, 3.5), np.full(32, -3.5), random.normal(0, 1e-7, 160)]),
        # Below the smallest float16, down to where 1/d is nearly too large for a float32.
        random.normal(0, 1, 256) * np.repeat([1e-7, 1e-9, 1e-20, 1e-25, 1e-30, 1e-33, 1e-35, 1e-36], 32),
    ]
    return np.stack(rows).astype(np.float32)


def random_blocks(blocks: int, size: int, scales: list[int]) -> np.ndarray:
    """Blocks of random bits with usable float16 scales at the given places."""
    random = np.random.default_rng(size)
    data = random.integers(0, 256, (blocks, size), dtype=np.uint8)
    for at in scales:
        data[:, at : at + 2] = random.normal(0, 0.01, (blocks, 1)).astype(np.float16).view(np.uint8)
    return data


def main() -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(FILE, "reference")
    writer.add_uint8("scalar.u8", 200)
    writer.add_int8("scalar.i8", -100)
    writer.add_uint16("scalar.u16", 60000)
    writer.add_int16("scalar.i16", -30000)
    writer.add_uint32("scalar.u32", 4000000000)
    writer.add_int32("scalar.i32", -2000000000)
    writer.add_float32("scalar.f32", 0.1)
    writer.add_bool("scalar.bool", True)
    writer.add_string("scalar.string", "stone → 金 \ufeff")
    writer.add_uint64("scalar.u64", 2**53 - 1)
    writer.add_int64("scalar.i64", -(2**53) + 1)
    writer.add_float64("scalar.f64", 0.1)
    writer.add_array("array.string", ["", "a", "金"])
    writer.add_array("array.i32", [1, -2, 3])
    writer.add_array("array.f32", [0.5, -0.25])
    writer.add_array("array.bool", [True, False])
    writer.add_key_value("array.u64", [1, 2**40], Value.ARRAY, sub_type=Value.UINT64)

    values = source()
    writer.add_tensor("source", values)
    for type in (Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0):
        add(writer, type, gguf.quants.quantize(values, type), values.shape)
    add(writer, Type.Q4_K, random_blocks(4, 144, [0, 2]), (2, 512))
    add(writer, Type.Q6_K, random_blocks(4, 210, [208]), (2, 512))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add(writer: gguf.GGUFWriter, type: Type, data: np.ndarray, shape: tuple[int, ...]) -> None:
    stored = data.view(np.uint8).reshape(shape[0], -1)
    writer.add_tensor(type.name, stored, raw_shape=stored.shape, raw_dtype=type)
    expected = gguf.quants.dequantize(stored, type).astype(np.float32).reshape(shape)
    writer.add_tensor(f"{type.name}.values", expected)


if __name__ == "__main__":
    main()
