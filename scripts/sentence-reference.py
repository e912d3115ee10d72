#!/usr/bin/env python3
"""Writes test/fixtures/sentences: a tiny random sentence encoder, and the vectors that sentence-transformers gives.

    python3 -m venv /tmp/reference
    /tmp/reference/bin/pip install torch==2.15.0 transformers==5.23.0 sentence-transformers==6.2.0
    /tmp/reference/bin/python scripts/sentence-reference.py

`model/` is what `SentenceTransformer.save` writes (mean, normalised, at most 10 tokens). `expected.json` holds texts and
their vectors for every way of pooling, with and without a length of 1.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer, models
from transformers import BertConfig, BertModel, BertTokenizerFast

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "sentences"
WORDS = "the cat sat on mat dog ran far ##s a".split()
TEXTS = [
    "the cat sat on the mat",
    "a dog ran",
    "",
    "The dogs ran far far far far far far far far far far on the mat",
    "cat",
    "an unknown word",
]
WIDTH = 12
MODES = ("mean", "cls", "max")

torch.manual_seed(7)
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
tokenizer = BertTokenizerFast(vocab={token: index for index, token in enumerate(vocabulary)})
model = BertModel(
    BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        max_position_embeddings=16,
    )
)
for weight in model.parameters():
    weight.data += 0.25 * torch.randn(weight.shape)

shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
vectors = {}
with tempfile.TemporaryDirectory() as base:
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    for mode in MODES:
        for normalize in (False, True):
            parts = [models.Transformer(base, max_seq_length=10), models.Pooling(WIDTH, pooling_mode=mode)]
            encoder = SentenceTransformer(modules=parts + ([models.Normalize()] if normalize else []), device="cpu")
            name = f"{mode}, normalized" if normalize else mode
            vectors[name] = [[round(float(x), 7) for x in row] for row in encoder.encode(TEXTS)]
            if name == "mean, normalized":
                encoder.save(str(FOLDER / "model"))
(FOLDER / "model" / "README.md").unlink()
(FOLDER / "expected.json").write_text(json.dumps({"texts": TEXTS, "vectors": vectors}, indent=1) + "\n")
