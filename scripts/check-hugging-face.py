#!/usr/bin/env python3
"""Holds model folders that Athanor exported against the library that their layout comes from, PyTorch's transformers.

    python3 -m venv /tmp/hf-check && /tmp/hf-check/bin/pip install torch==2.15.0 transformers==5.23.0
    npx tsx scripts/write-tiny-models.ts /tmp/tiny-models
    /tmp/hf-check/bin/python scripts/check-hugging-face.py /tmp/tiny-models [NAME ...]

It holds with transformers 4.57.3, too, whose defaults differ: try both.

Of each folder, opened with AutoModelFor… and AutoTokenizer and no more than the folder:

- no tensor is missing or too many, and each is exactly the original's, rounded to the type of the file;
- outputs and the gradients of every tensor, relative to the largest value of each, within 1e-4;
- the tokens that `generate(**tokenizer(text))` goes on with, or answers with; the words that fill masks;
- the ids of hard texts, with and without special tokens around them, and what they are decoded to;
- chats, as text and as ids.

Prints a line a model; exits with 1 on any difference.
"""

import json
import os
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
try:
    import torch
    import transformers
    from safetensors.torch import load_file
except ImportError as error:
    sys.exit(f"the Python package '{error.name}' is not installed here: see the head of this file")

TOLERANCE = 1e-4
# A gradient may be 0 but for rounding (a bias of keys): then it is held against this share of the largest gradient.
FLOOR = 1e-2


class Faults(list):
    def equal(self, what: str, ours, theirs) -> None:
        if ours != theirs:
            self.append(f"{what}: ours {str(ours)[:160]!r}, theirs {str(theirs)[:160]!r}")


def difference(ours: torch.Tensor, theirs: torch.Tensor, floor: float = 0.0) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    ours, theirs = ours.double(), theirs.detach().double()
    return float((ours - theirs).abs().max()) / max(float(theirs.abs().max()), floor)


def group(arrays: dict[str, torch.Tensor], kind: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{kind}."): array for name, array in arrays.items() if name.startswith(f"{kind}.")}


def open_model(folder: Path, expected: dict, faults: Faults):
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    faults.equal("type of the weights", expected["dtype"], str(config.dtype).removeprefix("torch."))
    # Nothing in config.json says that a bare BERT has no pooler: whoever opens it does, or gets a random one.
    bare = expected["class"] == "AutoModel" and not expected["hasPooler"]
    options = {"add_pooling_layer": False} if bare else {}
    model, info = getattr(transformers, expected["class"]).from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, local_files_only=True, **options
    )
    for kind, found in info.items():
        if found:
            faults.append(f"{kind}: {sorted(map(str, found))}")
    for module in model.modules():
        # PyTorch's training loop gives the row of the padding token no gradient; the function has one.
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None
    return model.eval()


def check_files(folder: Path, expected: dict, weights: dict[str, torch.Tensor], faults: Faults) -> None:
    """The tensors of the files are the original's, rounded; a sharded model has several files."""
    files = sorted(folder.glob("*.safetensors"))
    faults.equal("several files", expected["isSharded"], len(files) > 1)
    stored = {name: tensor for file in files for name, tensor in load_file(file).items()}
    faults.equal("tensors of the files", sorted(weights), sorted(stored))
    for name in weights.keys() & stored.keys():
        rounded = weights[name].to(getattr(torch, expected["dtype"]))
        if stored[name].dtype != rounded.dtype or not torch.equal(stored[name], rounded):
            faults.append(f"{name}: not the original's numbers")


def check_numbers(model, expected: dict, arrays: dict[str, torch.Tensor], faults: Faults) -> str:
    inputs = {name: array.long() for name, array in group(arrays, "input").items()}
    result = model(**inputs)
    ours = group(arrays, "output")
    names = ("logits", "last_hidden_state", "pooler_output")
    outputs = {name: result[name] for name in names if result.get(name) is not None}
    faults.equal("outputs", sorted(ours), sorted(outputs))
    outputs = {name: outputs[name] for name in outputs if name in ours}
    sum(output.square().mean() for output in outputs.values()).backward()
    forward = max(difference(ours[name], output) for name, output in outputs.items())

    theirs = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    ours = group(arrays, "gradient")
    for copy, name in expected["copies"].items():
        # Which of the two names is used depends on the version.
        ours.pop(copy if name in theirs else name)
    faults.equal("tensors with gradients", sorted(ours), sorted(theirs))
    floor = FLOOR * max(float(gradient.abs().max()) for gradient in ours.values())
    shared = ours.keys() & theirs.keys()
    backward, worst = max((difference(ours[name], theirs[name], floor), name) for name in shared)
    if not forward < TOLERANCE:
        faults.append(f"outputs differ by {forward:.1e}")
    if not backward < TOLERANCE:
        faults.append(f"gradients differ by {backward:.1e}, most in {worst}")
    return f"outputs {forward:.0e}, {len(shared)} gradients {backward:.0e}"


def check_generation(model, tokenizer, expected: dict, faults: Faults) -> str:
    tokens = 0
    for prompt in expected["prompts"]:
        text, ids, generated = prompt["text"], prompt["ids"], prompt["generated"]
        inputs = tokenizer(text, return_tensors="pt")
        if text == "":
            inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        faults.equal(f"prompt {text!r}", ids, inputs["input_ids"][0].tolist())
        limit = 256 if expected["story"] is not None else 32
        answer = model.generate(**inputs, max_new_tokens=limit, do_sample=False)[0].tolist()
        # An answer of its own begins with the token that starts the decoder.
        answer = answer[1:] if model.config.is_encoder_decoder else answer[len(ids) :]
        faults.equal(f"tokens after {text!r}", generated, answer)
        if expected["story"] is not None:
            faults.equal("story", expected["story"], tokenizer.decode(answer, skip_special_tokens=True).strip())
        tokens += len(answer)
    if expected["filled"] is not None:
        fill = transformers.pipeline("fill-mask", model=model, tokenizer=tokenizer)
        places = fill(expected["filled"]["text"], top_k=3)
        faults.equal("filled masks", expected["filled"]["ids"], [[word["token"] for word in place] for place in places])
        return ", masks filled"
    return f", {tokens} greedy tokens" if tokens else ""


def check_texts(tokenizer, expected: dict, faults: Faults) -> str:
    faults.equal("inputs that the tokenizer gives", expected["inputs"], sorted(tokenizer("a")))
    for case in expected["texts"]:
        text = case["text"]
        faults.equal(f"ids of {text!r}", case["plain"], tokenizer(text, add_special_tokens=False)["input_ids"])
        special = tokenizer(text)["input_ids"]
        faults.equal(f"ids of {text!r} with special tokens", case["special"], special)
        decoded = tokenizer.decode(case["special"])
        if expected["dropsLeadingSpace"] and tokenizer.bos_token is not None:
            # SentencePiece's space before a text is no part of it; the library leaves it where a token opens the text.
            decoded = decoded.replace(f"{tokenizer.bos_token} ", tokenizer.bos_token, 1)
        faults.equal(f"decoded {text!r}", case["decoded"], decoded)
        plain = tokenizer.decode(case["special"], skip_special_tokens=True)
        faults.equal(f"decoded {text!r} without special tokens", case["decodedPlain"], plain)
    return f", {len(expected['texts'])} texts"


def check_chats(tokenizer, expected: dict, faults: Faults) -> str:
    rendered = 0
    for chat in expected["chats"]:
        options = {"tools": chat["tools"], "add_generation_prompt": True}
        try:
            text = tokenizer.apply_chat_template(chat["messages"], tokenize=False, **options)
        except Exception as error:  # templates raise errors of their own
            text = None
            if chat["text"] is not None:
                faults.append(f"chat '{chat['name']}' is refused: {error}")
        faults.equal(f"chat '{chat['name']}'", chat["text"], text)
        if chat["ids"] is not None and text is not None:
            ids = tokenizer.apply_chat_template(chat["messages"], tokenize=True, return_dict=False, **options)
            faults.equal(f"ids of chat '{chat['name']}'", chat["ids"], ids)
        rendered += text is not None
    return f", {rendered} of {len(expected['chats'])} chats rendered" if expected["chats"] else ""


def check(folder: Path) -> bool:
    expected = json.loads((folder.parent / f"{folder.name}.expected.json").read_text())
    arrays = load_file(folder.parent / f"{folder.name}.expected.safetensors")
    faults = Faults()
    told = ""
    try:
        check_files(folder, expected, group(arrays, "weight"), faults)
        model = open_model(folder, expected, faults)
        told = f"{type(model).__name__}, {expected['dtype']}: " + check_numbers(model, expected, arrays, faults)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        told += f", {type(tokenizer).__name__}" + check_texts(tokenizer, expected, faults)
        told += check_chats(tokenizer, expected, faults)
        told += check_generation(model, tokenizer, expected, faults)
    except Exception as error:  # one model that cannot be opened must not hide the others
        faults.append(f"{type(error).__name__}: {error}")
    print(f"{'BAD ' if faults else 'good'}  {folder.name}: {told}", flush=True)
    for fault in faults[:8]:
        print(f"      {fault}")
    if len(faults) > 8:
        print(f"      … {len(faults) - 8} more")
    return not faults


def main() -> int:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    folders = sorted(file.parent for file in Path(sys.argv[1]).glob("*/config.json"))
    folders = [folder for folder in folders if len(sys.argv) == 2 or folder.name in sys.argv[2:]]
    good = [check(folder) for folder in folders]
    print(f"{sum(good)} of {len(good)} folders, torch {torch.__version__}, transformers {transformers.__version__}")
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
