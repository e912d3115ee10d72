"""The vocabulary that Hugging Face's WordPieceTrainer learns from words whose counts leave it no choice.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python scripts/wordpiece-reference.py > test/fixtures/tokenizer/wordpiece-training.json

The trainer breaks ties by numbers that come from a hash table, so its runs may differ. The counts here are far apart and
the run is repeated: only a vocabulary that comes out each time is written.
"""

import json

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = (
    "furnace steady heat alchemist gold silver mercury vessel Überprüfung naïve 丹炉 stirring stirred stirs "
    "unheated reheating golden goldsmith steadily vessels"
).split()
COUNTS = {word: 3 + 7 * i * i for i, word in enumerate(WORDS)}
SIZE = 90


def train() -> list[str]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=SIZE, min_frequency=2, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator([" ".join([word] * count) for word, count in COUNTS.items()], trainer)
    return sorted(tokenizer.get_vocab())


vocabulary = train()
for _ in range(20):
    assert train() == vocabulary, "the counts tie"
print(json.dumps({"vocabularySize": SIZE, "counts": COUNTS, "vocabulary": vocabulary}, ensure_ascii=False))
