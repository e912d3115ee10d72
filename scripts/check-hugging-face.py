#!/usr/bin/env python3
"""Holds models that Athanor saved against the reference library for that layout: logits and gradients.

    python3 -m venv /tmp/hf-check && /tmp/hf-check/bin/pip install torch transformers
    npx tsx scripts/write-tiny-models.ts /tmp/tiny-models
    /tmp/hf-check/bin/python scripts/check-hugging-face.py /tmp/tiny-models

Prints the largest difference of each kind, relative to the largest value of its tensor; exits with 1 above 1e-4.
"""

import json
import sys
from pathlib import Path

try:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError:
    sys.exit("the Python packages 'torch' and 'transformers' are not installed here: see the head of this file")

TOLERANCE = 1e-4


def difference(ours: list, theirs: torch.Tensor) -> float:
    theirs = theirs.detach().double().flatten()
    return float((torch.tensor(ours, dtype=torch.float64) - theirs).abs().max() / theirs.abs().max())


def check(folder: Path) -> bool:
    expected = json.loads((folder.parent / f"{folder.name}.expected.json").read_text())
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    strays = {kind: sorted(names) for kind, names in info.items() if names}
    logits = model(torch.tensor(expected["ids"]).reshape(expected["shape"])).logits
    logits.square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    forward = difference(expected["logits"], logits)
    if gradients.keys() != expected["gradients"].keys():
        strays["gradients"] = sorted(gradients.keys() ^ expected["gradients"].keys())
    shared = gradients.keys() & expected["gradients"].keys()
    worst, backward = max(
        ((name, difference(expected["gradients"][name], gradients[name])) for name in shared), key=lambda pair: pair[1]
    )
    text = "the cat sat on <|endoftext|> a mat, 中文"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    kept = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    good = forward < TOLERANCE and backward < TOLERANCE and not strays and kept
    print(
        f"{'good' if good else 'BAD '}  {folder.name} ({type(model).__name__}): logits {forward:.1e}, "
        f"gradients {backward:.1e} (worst {worst}, of {len(shared)}), text {'kept' if kept else 'CHANGED'}"
        + (f", strays {strays}" if strays else "")
    )
    return good


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/config.json"))
    return 0 if folders and all([check(folder) for folder in folders]) else 1


if __name__ == "__main__":
    sys.exit(main())
