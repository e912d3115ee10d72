"""Makes test/fixtures/tokenizers/*.model and sentencepiece-ids.json with SentencePiece itself.

    python3 -m venv /tmp/sentencepiece && /tmp/sentencepiece/bin/pip install sentencepiece==0.2.3
    /tmp/sentencepiece/bin/python scripts/sentencepiece-fixtures.py

Training with the same version and one thread gives the same files.
"""

import io
import json
import pathlib

import sentencepiece as spm

FOLDER = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "tokenizers"

SUBJECTS = ["The alchemist", "A patient student", "The old furnace", "Her small daughter", "Every good library", "The night watch"]
VERBS = ["keeps", "measures", "forgets", "remembers", "carries", "repairs"]
OBJECTS = ["a steady heat", "the seven metals", "1,024 numbers", "an unfinished letter", "the weather of 1987", "two hundred candles"]
ENDS = ["before the morning comes.", "while the river freezes!", "without a single word?", "because nobody else will;", "and then sleeps (at last)."]
OTHERS = [
    "Ein Ofen, der sich selbst nährt, braucht Geduld und trockenes Holz.",
    "Le fourneau qui se nourrit lui-même brûle déjà depuis l’été.",
    "炼丹炉里的火要慢慢烧，不要着急。月亮升起来的时候，水就开了。",
    "Печь горит всю ночь, и никто не спит до самого утра.",
    "while (true) { heat += 1; if (heat >= 42) break; }",
    "naïve café, coöperation, Ångström, ½ cup, №5",
]

HARD = [
    "The alchemist keeps a steady heat before the morning comes.",
    "unfurnaced remeasurements of 1,024,987 candles",
    "",
    " ",
    "   leading and   inner    spaces   ",
    "tabs\tand\nnew\r\nlines",
    "a",
    "é e\u0301 Å A\u030a \u212b ﬁ ﬂ ㎏ ① ½ ™ ﷺ",
    "ｆｕｌｌ　ｗｉｄｔｈ １２３",
    "炼丹炉里的火要慢慢烧，不要着急。",
    "煉丹爐 한국어 かな カナ ｶﾅ",
    "Печь горит всю ночь ёжик",
    "नमस्ते क्षत्रिय ไทยก็ مرحبا",
    "👩\u200d👩\u200d👧\u200d👦 🇨🇭 1\ufe0f\u20e3 𝔘𝔫𝔦",
    "zero\u200bwidth soft\u00adhyphen bom\ufeff nbsp\u00a0nel\u0085",
    "control \u0001\u0002\u007f\u0080 characters",
    "<s> </s> <unk> <pad> <0x41> <sep>",
    "a[note]b[note][note]",
    "\u2581 already \u2581\u2581marked",
    "while (true) { heat += 1; }",
    "ÀÈÌÒÙ àèìòù ñ ç ß ẞ",
    "qqqqqqqq xxxxxxxx zzzzzzzz QQQQQQQQ",
    "한글과 漢字와 emoji😀😀😀",
    "ﬃ ǆ ſ ẛ̣ \u0344 \u1100\u1161\u11a8",
    "the the the the the the the the the the the the the the the the",
]

MODELS = {
    "unigram-nfkc": {"model_type": "unigram", "vocab_size": 300, "normalization_rule_name": "nmt_nfkc"},
    "unigram-bytes": {
        "model_type": "unigram",
        "vocab_size": 520,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "pad_id": 3,
    },
    "bpe-bytes": {
        "model_type": "bpe",
        "vocab_size": 600,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
    },
    "bpe-plain": {
        "model_type": "bpe",
        "vocab_size": 350,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "control_symbols": ["<sep>"],
        "user_defined_symbols": ["[note]"],
        "bos_id": -1,
    },
}


def invented_words():
    """Words of syllables, the same in every run, so that there is something to learn."""
    syllables = ["ka", "ther", "mi", "lon", "ing", "pre", "su", "ver", "tion", "al", "or", "ne", "ble", "qui", "st", "é"]
    state = 12345
    lines = []
    for _ in range(400):
        words = []
        for _ in range(8):
            word = ""
            for _ in range(1 + state % 3):
                state = (state * 1103515245 + 12345) % 2**31
                word += syllables[(state >> 16) % len(syllables)]
            state = (state * 1103515245 + 12345) % 2**31
            words.append(word)
        lines.append(" ".join(words))
    return lines


def corpus():
    lines = [f"{s} {v} {o} {e}" for s in SUBJECTS for v in VERBS for o in OBJECTS for e in ENDS]
    return lines[::3] + OTHERS * 12 + invented_words()


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    expected = {"sentencepiece": spm.__version__, "texts": HARD, "ids": {}, "normalized": {}}
    for name, options in MODELS.items():
        model = io.BytesIO()
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus()), model_writer=model, num_threads=1, minloglevel=2, **options
        )
        (FOLDER / f"{name}.model").write_bytes(model.getvalue())
        processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
        expected["ids"][name] = [processor.encode(text) for text in HARD]
        expected["normalized"][name] = [processor.normalize(text) for text in HARD]
    text = json.dumps(expected, ensure_ascii=True, indent=None)
    (FOLDER / "sentencepiece-ids.json").write_text(text.replace('"ids"', '\n"ids"').replace("]], ", "]],\n") + "\n")


main()
