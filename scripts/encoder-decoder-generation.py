#!/usr/bin/env python3
"""Writes test/fixtures/generation/*.json: what transformers generates with the tiny T5 models of test/fixtures/models.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch==2.15.0 transformers==5.23.0
    /tmp/reference/bin/python scripts/encoder-decoder-generation.py

A file has the texts, and the greedy and beam-search answers to them, without the decoder's first id. Every search ends
answers at the stop ids of the file, which are chosen so that some answers end there and some at the longest length.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
try:
    import torch
    import transformers
except ImportError as error:
    sys.exit(f"the Python package '{error.name}' is not installed here: see the head of this file")

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
MAX_TOKENS = 24
SEARCHES = [
    {"num_beams": 2},
    {"num_beams": 3, "length_penalty": 0.0},
    {"num_beams": 4, "length_penalty": 2.0},
    {"num_beams": 3, "length_penalty": -1.5},
    {"num_beams": 4, "length_penalty": 0.6, "early_stopping": True},
    {"num_beams": 3, "length_penalty": 1.0, "early_stopping": "never"},
]


def draw_texts(vocabulary: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(11)
    return [torch.randint(2, vocabulary, (length,), generator=generator).tolist() + [1] for length in (3, 17, 9, 45, 1)]


def answers(model, texts: list[list[int]], stop_ids: list[int], **options) -> list[dict]:
    found = []
    for text in texts:
        result = model.generate(
            torch.tensor([text]),
            max_new_tokens=MAX_TOKENS,
            do_sample=False,
            eos_token_id=stop_ids,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_scores=True,
            num_return_sequences=options.get("num_beams", 1),
            **options,
        )
        hypotheses = []
        for row, sequence in enumerate(result.sequences.tolist()):
            ids = sequence[1:]
            end = next((i + 1 for i, token in enumerate(ids) if token in stop_ids), len(ids))
            hypothesis = {"ids": ids[:end]}
            if "num_beams" in options:
                hypothesis["score"] = round(result.sequences_scores[row].item(), 5)
            hypotheses.append(hypothesis)
        found.append(hypotheses)
    return found


def main() -> None:
    torch.set_num_threads(1)
    for case in ("t5", "t5-gated"):
        folder = FIXTURES / "models" / case
        model = transformers.T5ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").eval()
        texts = draw_texts(model.config.vocab_size)
        endless = [hypotheses[0]["ids"] for hypotheses in answers(model, texts, [1])]
        # Besides the usual one, the tokens that most answers come to late.
        late = lambda token: sum(token in ids and ids.index(token) >= 3 for ids in endless)
        stop_ids = [1, *sorted(range(2, model.config.vocab_size), key=late, reverse=True)[:2]]
        content = {
            "maxTokens": MAX_TOKENS,
            "stopIds": stop_ids,
            "texts": texts,
            "greedy": [hypotheses[0]["ids"] for hypotheses in answers(model, texts, stop_ids)],
            "beams": [{"options": options, "answers": answers(model, texts, stop_ids, **options)} for options in SEARCHES],
        }
        file = FIXTURES / "generation" / f"{case}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content) + "\n")
        lengths = [len(ids) for ids in content["greedy"]]
        print(f"{file.name}: greedy answers of {lengths} tokens, stop ids {stop_ids}")


if __name__ == "__main__":
    main()
