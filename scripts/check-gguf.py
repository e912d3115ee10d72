#!/usr/bin/env python3
"""Holds GGUF files that Athanor wrote against the format's own Python library and against PyTorch.

    python3 -m venv /tmp/gguf-check && /tmp/gguf-check/bin/pip install torch transformers accelerate gguf
    npx tsx scripts/write-tiny-gguf.ts /tmp/tiny-gguf
    /tmp/gguf-check/bin/python scripts/check-gguf.py /tmp/tiny-gguf

For each file: `gguf` opens it and unpacks every tensor; `transformers` loads it (`gguf_file=`) and must have the very
weights that Athanor reads from it, and the same logits. Exits with 1 if a weight differs or a logit by more than 1e-4 of
the largest.
"""

import json
import sys
from pathlib import Path

try:
    import gguf
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging
except ImportError as error:
    sys.exit(f"{error}: see the head of this file")

TOLERANCE = 1e-4
logging.set_verbosity_error()
logging.disable_progress_bar()


def read(file: Path) -> tuple[str, dict[str, int]]:
    """Architecture and how many tensors there are of each type; every one is unpacked."""
    reader = gguf.GGUFReader(file)
    types: dict[str, int] = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert values.shape == tuple(reversed(tensor.shape.tolist())), tensor.name
        types[tensor.tensor_type.name] = types.get(tensor.tensor_type.name, 0) + 1
    return reader.fields["general.architecture"].contents(), types


def check(file: Path) -> bool:
    architecture, types = read(file)
    expected = json.loads(file.with_suffix(".expected.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    state = model.state_dict()
    ours = load_file(file.with_suffix("") / "model.safetensors")
    missing = sorted(name for name in ours if name not in state)
    weights = max(float((state[name] - tensor).abs().max()) for name, tensor in ours.items() if name in state)
    logits = model(torch.tensor([expected["ids"]])).logits.double().flatten()
    difference = (torch.tensor(expected["logits"], dtype=torch.float64) - logits).abs().max() / logits.abs().max()
    counts = " ".join(f"{count} {name}" for name, count in sorted(types.items()))
    print(f"{file.stem}: {architecture}, {counts}; weights off by {weights:.1e}, logits by {difference:.1e}", *missing)
    return weights == 0 and not missing and difference < TOLERANCE


if len(sys.argv) != 2:
    sys.exit(__doc__)
files = sorted(Path(sys.argv[1]).glob("*.gguf"))
results = [check(file) for file in files]
sys.exit(0 if files and all(results) else 1)
