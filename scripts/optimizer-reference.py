#!/usr/bin/env python3
"""Prints the weights that PyTorch's optimizers reach, in float64: the numbers of `src/optim/*.test.ts`.

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch
    /tmp/torch/bin/python scripts/optimizer-reference.py

Weights and gradients are those of `test/optimizer-steps.ts`: sines and cosines of the index and the step.
"""

import json
import math
import sys

try:
    import torch
except ImportError:
    sys.exit("the Python package 'torch' is not installed here: see the head of this file")

SHAPES = {"embedding.weight": (3, 2), "layers.0.weight": (2, 4), "layers.1.weight": (4, 2), "layers.0.bias": (4,)}
RATES = [0.01, 0.02, 0.03, 0.03, 0.02, 0.0, 0.005]


def weights() -> dict[str, torch.Tensor]:
    made = {}
    for k, (name, shape) in enumerate(SHAPES.items()):
        values = [math.sin(1.3 * i + k) for i in range(math.prod(shape))]
        made[name] = torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_()
    return made


def gradient(k: int, shape: tuple[int, ...], step: int) -> torch.Tensor:
    values = [math.cos(0.7 * i + 2 * k + 1.9 * step) * (0.5 + 0.1 * step) for i in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def run(optimizers, made: dict[str, torch.Tensor], before=None) -> dict[str, list[float]]:
    for step, rate in enumerate(RATES, start=1):
        for k, weight in enumerate(made.values()):
            weight.grad = gradient(k, tuple(weight.shape), step)
        if before:
            before(rate)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
    return {name: [round(x, 9) for x in weight.detach().flatten().tolist()] for name, weight in made.items()}


def groups(made: dict[str, torch.Tensor], decay: float) -> list[dict]:
    """Decay for matrices, none for vectors."""
    return [
        {"params": [w for w in made.values() if w.dim() >= 2], "weight_decay": decay},
        {"params": [w for w in made.values() if w.dim() < 2], "weight_decay": 0.0},
    ]


def adamw(betas: tuple[float, float], epsilon: float, decay: float) -> dict[str, list[float]]:
    made = weights()
    return run([torch.optim.AdamW(groups(made, decay), lr=1, betas=betas, eps=epsilon)], made)


def sgd(momentum: float, decay: float) -> dict[str, list[float]]:
    made = weights()

    # PyTorch's own weight decay goes through the momentum; ours, as AdamW's, does not.
    def shrink(rate: float) -> None:
        with torch.no_grad():
            for weight in made.values():
                if weight.dim() >= 2:
                    weight.mul_(1 - rate * decay)

    return run([torch.optim.SGD(made.values(), lr=1, momentum=momentum)], made, shrink)


def muon(decay: float) -> dict[str, list[float]]:
    """PyTorch's Muon, with its Newton-Schulz iteration in float64 where it has bfloat16."""
    from torch.optim import _muon

    def iterate(matrix, coefficients, steps, epsilon):
        a, b, c = coefficients
        x = matrix.T if matrix.size(0) > matrix.size(1) else matrix
        x = x / x.norm().clamp(min=epsilon)
        for _ in range(steps):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.T if matrix.size(0) > matrix.size(1) else x

    _muon._zeropower_via_newtonschulz = iterate
    made = weights()
    hidden = [w for name, w in made.items() if w.dim() == 2 and not name.startswith("embedding")]
    others = {name: w for name, w in made.items() if all(w is not h for h in hidden)}
    optimizers = [
        torch.optim.Muon(hidden, lr=1, weight_decay=decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups(others, 0.1), lr=1, betas=(0.9, 0.95), eps=1e-8),
    ]
    return run(optimizers, made)


def main() -> None:
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "adamw default": adamw((0.9, 0.95), 1e-8, 0.1),
                "adamw large epsilon": adamw((0.8, 0.99), 0.1, 0.5),
                "sgd": sgd(0.9, 0.0),
                "sgd decay": sgd(0.7, 0.2),
                "muon": muon(0.2),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
