"""How well SentencePiece compresses, for src/tokenizer/unigram-training.test.ts.

    python3 -m venv /tmp/sentencepiece && /tmp/sentencepiece/bin/pip install sentencepiece==0.2.3
    /tmp/sentencepiece/bin/python scripts/unigram-quality.py INPUT [CHARACTERS] [VOCABULARY]

Learns a unigram model of VOCABULARY pieces from nine of ten lines of the first CHARACTERS of INPUT (tiny Shakespeare) and
prints tokens per byte on the others. No normalisation, bytes for rare characters.
"""

import io
import sys

import sentencepiece as spm

text = open(sys.argv[1], encoding="utf-8").read()[: int(sys.argv[2]) if len(sys.argv) > 2 else 200_000]
size = int(sys.argv[3]) if len(sys.argv) > 3 else 1500
lines = [line for line in text.split("\n") if line]
model = io.BytesIO()
spm.SentencePieceTrainer.train(
    sentence_iterator=iter([line for i, line in enumerate(lines) if i % 10]),
    model_writer=model,
    model_type="unigram",
    vocab_size=size,
    byte_fallback=True,
    normalization_rule_name="identity",
    remove_extra_whitespaces=False,
    num_threads=1,
    minloglevel=2,
)
processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
held_out = lines[::10]
tokens = sum(len(processor.encode(line)) for line in held_out)
print(tokens / sum(len(line.encode()) for line in held_out))
