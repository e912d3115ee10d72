#!/usr/bin/env python3
"""Writes test/fixtures/models: tiny random models of PyTorch's reference implementation, and what they compute.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch==2.15.0 transformers==5.23.0
    /tmp/reference/bin/python scripts/reference-models.py [case ...]

Weights and inputs are drawn from a generator that is seeded by the names of the case and of the tensor, on one thread,
so that a second run with the same libraries gives the same files. A folder holds

- config.json and model.safetensors, as `save_pretrained` writes them;
- config-4.json, the same configuration as transformers 4 wrote it, where that differs;
- expected.safetensors: `input.*`, `output.*`, and `gradient.<name in model.safetensors>` of every weight, for
  `loss = Σ over the outputs of mean(output²)`.
"""

import copy
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
try:
    import torch
    import transformers
    from safetensors import safe_open
    from safetensors.torch import save_file
except ImportError as error:
    sys.exit(f"the Python package '{error.name}' is not installed here: see the head of this file")

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "models"
VOCABULARY = 53
# Large enough that another value is seen in the outputs.
EPSILON = 3e-3


def generator(*names: str) -> torch.Generator:
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:6], "little"))


def draw_weights(model: torch.nn.Module, case: str) -> None:
    """Values of a trained model's size: none is 0 or 1, so that a term that is left out is seen."""
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator(case, name))
        if weight.dim() >= 2:
            weight.data = 0.25 * noise
        elif name.endswith("bias"):
            weight.data = 0.15 * noise
        else:
            weight.data = 1 + 0.2 * noise
    for module in model.modules():
        # PyTorch's training loop gives the row of the padding token no gradient; the function has one.
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None


def draw_ids(case: str, name: str, *shape: int, vocabulary: int = VOCABULARY) -> torch.Tensor:
    return torch.randint(3, vocabulary, shape, generator=generator(case, name))


def mask_of(*lengths: int) -> torch.Tensor:
    return torch.tensor([[int(i < length) for i in range(max(lengths))] for length in lengths])


def evaluate(model, inputs: dict) -> dict[str, torch.Tensor]:
    result = model(**inputs, use_cache=False) if "use_cache" in vars(model.config) else model(**inputs)
    outputs = {name: result[name] for name in ("logits", "last_hidden_state", "pooler_output") if name in result}
    return {name: output for name, output in outputs.items() if output is not None}


def old_spelling(config: dict) -> dict:
    """A config.json as transformers 4 wrote it."""
    old = copy.deepcopy(config)
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.46.0"
    if "rope_parameters" in old:
        rope = old.pop("rope_parameters")
        old["rope_theta"] = rope.pop("rope_theta")
        old["rope_scaling"] = None if rope["rope_type"] == "default" else rope
        # The oldest schemes were there before the key got its name.
        if rope["rope_type"] in ("linear", "dynamic"):
            rope["type"] = rope.pop("rope_type")
    if old["model_type"].startswith("qwen"):
        old.pop("layer_types")
        # Saved when it was still told beside the switch; 5 saves null where the switch is off.
        old["sliding_window"] = old["sliding_window"] or 4096
    if old["model_type"] in ("t5", "mt5"):
        old["tie_word_embeddings"] = old.pop("scale_decoder_outputs", False)
    return old


def write_case(case: str, model, inputs: dict, saved=None, **options) -> None:
    """`saved`: the part of the model that is written, where it is not the whole; `options` those of its class."""
    folder = FOLDER / case
    shutil.rmtree(folder, ignore_errors=True)
    model.eval()
    outputs = evaluate(model, inputs)
    sum(output.square().mean() for output in outputs.values()).backward()
    part = model if saved is None else saved
    part.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if saved is not None:
        model.config.save_pretrained(folder)

    expected = {f"input.{name}": value.long().contiguous() for name, value in inputs.items()}
    expected |= {f"output.{name}": value.detach().contiguous() for name, value in outputs.items()}
    with safe_open(folder / "model.safetensors", "pt") as file:
        for name in file.keys():
            weight = part.get_parameter(name)
            assert torch.equal(file.get_tensor(name), weight), name
            assert weight.grad is not None and torch.isfinite(weight.grad).all(), f"{case}: {name} has no gradient"
            expected[f"gradient.{name}"] = weight.grad.contiguous()
    # A tied weight is one tensor under two names: each gets its own copy.
    save_file({name: value.clone() for name, value in expected.items()}, folder / "expected.safetensors")

    config = json.loads((folder / "config.json").read_text())
    old = old_spelling(config)
    (folder / "config-4.json").write_text(json.dumps(old, indent=2, sort_keys=True) + "\n")
    again = type(model).from_pretrained(
        folder,
        config=type(model.config).from_pretrained(folder / "config-4.json"),
        attn_implementation="eager",
        **options,
    ).eval()
    for name, value in evaluate(again, inputs).items():
        assert torch.equal(value, outputs[name]), f"{case}: config-4.json means another model"
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{case:28} {size / 1000:6.1f} kB, {sum(p.numel() for p in model.parameters())} weights")


def make(case: str, kind, config, **options):
    config._attn_implementation = "eager"
    model = kind(config, **options)
    draw_weights(model, case)
    return model


def gpt2(case: str, **changes) -> None:
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=20, n_embd=12, n_layer=2, n_head=3, bos_token_id=1, eos_token_id=2, **changes
    )
    model = make(case, transformers.GPT2LMHeadModel, config)
    # The oldest files hold the model without its head, and no prefix.
    saved = model.transformer if case == "gpt2-bare" else None
    write_case(case, model, {"input_ids": draw_ids(case, "ids", 2, 13)}, saved)


def llama_like(case: str, family: str, ids: tuple[int, int] = (2, 13), **changes) -> None:
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 18,
        "intermediate_size": 17,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "max_position_embeddings": 32,
        "rms_norm_eps": EPSILON / 3,
        "bos_token_id": 1,
        "eos_token_id": 2,
    } | changes
    config = getattr(transformers, f"{family}Config")(**settings)
    model = make(case, getattr(transformers, f"{family}ForCausalLM"), config)
    write_case(case, model, {"input_ids": draw_ids(case, "ids", *ids, vocabulary=config.vocab_size)})


def rope(case: str, ids: tuple[int, int] = (1, 79), **parameters) -> None:
    """Eight frequencies a head, and positions far beyond the original length, 32."""
    changes = {"head_dim": 16, "hidden_size": 14, "num_attention_heads": 2, "intermediate_size": 9, "vocab_size": 41}
    changes |= {"tie_word_embeddings": True, "max_position_embeddings": 96}
    if "max_position_embeddings" in parameters:
        changes["max_position_embeddings"] = parameters.pop("max_position_embeddings")
    llama_like(case, "Llama", ids, rope_parameters=parameters, **changes)


def bert(case: str, kind, **options) -> None:
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=18,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=19,
        max_position_embeddings=19,
        type_vocab_size=2,
        layer_norm_eps=EPSILON,
        **({"num_labels": 3} if kind is transformers.BertForSequenceClassification else {}),
    )
    model = make(case, kind, config, **options)
    mask = mask_of(14, 9, 1)
    ids = draw_ids(case, "ids", *mask.shape) * mask
    types = (torch.arange(mask.shape[1])[None] >= 5).long() * mask
    write_case(case, model, {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}, **options)


def t5(case: str, family: str, padded: bool, untied: bool = False, **changes) -> None:
    settings = {
        "vocab_size": VOCABULARY,
        "d_model": 16,
        "d_kv": 6,
        "d_ff": 17,
        "num_layers": 2,
        "num_decoder_layers": 1,
        "num_heads": 3,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 16,
        "decoder_start_token_id": 0,
        "layer_norm_epsilon": EPSILON,
    } | changes
    config = getattr(transformers, f"{family}Config")(**settings)
    model = getattr(transformers, f"{family}ForConditionalGeneration")(config)
    if untied:
        # The library ties every T5 that it makes, but takes a head of its own from a file that has one.
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    model.set_attn_implementation("eager")
    draw_weights(model, case)
    mask = mask_of(41, 27) if padded else mask_of(41)
    inputs = {"input_ids": draw_ids(case, "ids", *mask.shape) * mask}
    if padded:
        inputs["attention_mask"] = mask
    inputs["decoder_input_ids"] = draw_ids(case, "decoder", mask.shape[0], 23)
    write_case(case, model, inputs)


CASES = {
    "gpt2": lambda case: gpt2(case),
    "gpt2-untied": lambda case: gpt2(
        case, n_inner=31, tie_word_embeddings=False, activation_function="gelu"
    ),
    "gpt2-bare": lambda case: gpt2(case, layer_norm_epsilon=EPSILON),
    "llama": lambda case: llama_like(
        case, "Llama", hidden_size=16, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=EPSILON
    ),
    "llama-biases": lambda case: llama_like(
        case, "Llama", tie_word_embeddings=True, attention_bias=True, mlp_bias=True
    ),
    "llama-head-width": lambda case: llama_like(case, "Llama", head_dim=10),
    "llama-rope-linear": lambda case: rope(case, rope_type="linear", factor=3.0, rope_theta=10000.0),
    "llama-rope-dynamic": lambda case: rope(
        case, (2, 23), rope_type="dynamic", factor=2.0, rope_theta=10000.0, max_position_embeddings=32
    ),
    "llama-rope-yarn": lambda case: rope(
        case, rope_type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=10000.0
    ),
    "llama-rope-yarn-settings": lambda case: rope(
        case,
        rope_type="yarn",
        factor=4.0,
        original_max_position_embeddings=64,
        rope_theta=5000.0,
        beta_fast=3.0,
        beta_slow=0.5,
        mscale=0.7,
        mscale_all_dim=1.3,
        truncate=False,
    ),
    "llama-rope-yarn-factor": lambda case: rope(
        case, rope_type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=10000.0, attention_factor=1.25
    ),
    "llama-rope-llama3": lambda case: rope(
        case,
        rope_type="llama3",
        factor=8.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=32,
        rope_theta=500.0,
    ),
    "mistral": lambda case: llama_like(case, "Mistral", sliding_window=None, head_dim=8),
    "mistral-window": lambda case: llama_like(case, "Mistral", sliding_window=5),
    "qwen2": lambda case: llama_like(case, "Qwen2", tie_word_embeddings=True),
    "qwen2-window": lambda case: llama_like(
        case, "Qwen2", use_sliding_window=True, sliding_window=4, max_window_layers=1
    ),
    "qwen3": lambda case: llama_like(case, "Qwen3", head_dim=8, tie_word_embeddings=True),
    "qwen3-window": lambda case: llama_like(
        case, "Qwen3", head_dim=4, attention_bias=True, use_sliding_window=True, sliding_window=6, max_window_layers=1
    ),
    "bert": lambda case: bert(case, transformers.BertModel),
    "bert-no-pooler": lambda case: bert(case, transformers.BertModel, add_pooling_layer=False),
    "bert-masked-lm": lambda case: bert(case, transformers.BertForMaskedLM),
    "bert-classes": lambda case: bert(case, transformers.BertForSequenceClassification),
    "t5": lambda case: t5(case, "T5", padded=False),
    "t5-gated": lambda case: t5(
        case, "T5", padded=True, untied=True, feed_forward_proj="gated-gelu", tie_word_embeddings=False
    ),
    "mt5": lambda case: t5(case, "MT5", padded=True, untied=True, num_layers=1),
}


def main() -> None:
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    names = sys.argv[1:] or list(CASES)
    for name in names:
        if name not in CASES:
            sys.exit(f"there is no case '{name}': {', '.join(CASES)}")
        CASES[name](name)


if __name__ == "__main__":
    main()
