"""The bench's GPT, one training step, in PyTorch on the CPU: a peer to compare with.

    python3 -m venv /tmp/torch-venv && /tmp/torch-venv/bin/pip install torch      # current PyTorch; or: apt-get install python3-torch
    /tmp/torch-venv/bin/python bench/peers/torch_gpt.py 4,256,4,128,16,4096 12 2

Arguments: LAYERS,WIDTH,HEADS,TIME,BATCH,VOCABULARY STEPS THREADS [--attention A] [--optimizer O]. Prints one JSON object.
`--attention fastest` (the default) runs each kind of attention in a process of its own, so that neither raises the
other's peak memory, and prints the faster one, with the other's milliseconds under `others`.

The products of PyPI's build are Intel's MKL, which on a processor of another maker takes a slower path; with the small
library of README.md preloaded it does not, which `preload` of the result then shows. Debian's build takes whatever
libblas.so.3 is: without the package libopenblas0-pthread that is the slow reference one.

Requirements: torch>=1.13
"""
import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

WARM_UPS = 2
HAS_SDPA = hasattr(F, "scaled_dot_product_attention")


class Norm(nn.Module):
    """LayerNorm with a gain and no bias."""

    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.layer_norm(x, self.gain.shape, self.gain)


class Block(nn.Module):
    def __init__(self, width, heads, time_, sdpa):
        super().__init__()
        self.heads, self.sdpa = heads, sdpa
        self.norm1, self.norm2 = Norm(width), Norm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        future = torch.ones(time_, time_, dtype=torch.bool).triu(1)
        self.register_buffer("future", future, persistent=False)

    def attention(self, x):
        batch, time_, width = x.shape
        q, k, v = (f(x).view(batch, time_, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        if self.sdpa:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-1, -2)) * (1 / math.sqrt(width / self.heads))
            y = F.softmax(scores.masked_fill(self.future, float("-inf")), -1) @ v
        return self.o(y.transpose(1, 2).reshape(batch, time_, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.relu(self.up(self.norm2(x))).square())


class Gpt(nn.Module):
    def __init__(self, layers, width, heads, time_, vocabulary, sdpa):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(time_, width)
        self.blocks = nn.ModuleList(Block(width, heads, time_, sdpa) for _ in range(layers))
        self.norm, self.head = Norm(width), nn.Linear(width, vocabulary, bias=False)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def make_optimizer(model, kind):
    groups = [
        {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() != 2], "weight_decay": 0.0},
    ]
    how = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False}}[kind]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, **how)


def rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(shape, steps, threads, attention, optimizer_kind):
    layers, width, heads, time_, batch, vocabulary = shape
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    import_rss = rss_mb()
    model = Gpt(layers, width, heads, time_, vocabulary, attention == "sdpa")
    optimizer = make_optimizer(model, optimizer_kind)
    seconds, backward_seconds, cpu_seconds, losses = [], [], [], []
    for step in range(WARM_UPS + steps):
        ids = torch.randint(0, vocabulary, (batch, time_))
        targets = (ids * 3 + 7) % vocabulary
        begin, cpu_begin = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        loss = model(ids, targets)
        loss.backward()
        middle = time.perf_counter()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step >= WARM_UPS:
            seconds.append(time.perf_counter() - begin)
            backward_seconds.append(middle - begin)
            cpu_seconds.append(time.process_time() - cpu_begin)
    count = sum(p.numel() for p in model.parameters())
    tokens = batch * time_
    flops = 6 * (count - vocabulary * width - time_ * width) * tokens + 12 * layers * width * time_ * tokens
    median = statistics.median(seconds)
    return {
        "peer": "PyTorch",
        "version": torch.__version__,
        "attention": attention,
        "optimizer": optimizer_kind,
        "parameters": count,
        "threads": torch.get_num_threads(),
        "preload": os.path.basename(os.environ.get("LD_PRELOAD", "")) or None,
        "ms": round(median * 1e3, 1),
        "forwardBackwardMs": round(statistics.median(backward_seconds) * 1e3, 1),
        "cpuMs": round(statistics.median(cpu_seconds) * 1e3, 1),
        "tokensPerSecond": round(tokens / median),
        "gflops": round(flops / median / 1e9, 1),
        "peakRssMb": round(rss_mb()),
        "importRssMb": round(import_rss),
        "firstLoss": round(losses[0], 4),
        "lastLoss": round(losses[-1], 4),
    }


def measure_apart(arguments, attention, optimizer_kind):
    command = [sys.executable, os.path.abspath(__file__), arguments.shape, str(arguments.steps), str(arguments.threads)]
    command += ["--attention", attention, "--optimizer", optimizer_kind]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser(description="One GPT training step in PyTorch, timed.")
    parser.add_argument("shape", help="layers,width,heads,time,batch,vocabulary")
    parser.add_argument("steps", type=int, help=f"timed steps, after {WARM_UPS} that are not")
    parser.add_argument("threads", type=int)
    parser.add_argument("--attention", choices=["fastest", "plain", "sdpa"], default="fastest")
    parser.add_argument("--optimizer", choices=["auto", "fused", "foreach", "loop"], default="auto")
    arguments = parser.parse_args()
    shape = [int(n) for n in arguments.shape.split(",")]
    if len(shape) != 6 or min(shape) < 1 or arguments.steps < 1 or arguments.threads < 1:
        parser.error("expected six positive numbers, steps >= 1 and threads >= 1")
    version = tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2])
    fused = version >= (2, 4)  # the first with a fused AdamW on the CPU
    optimizer_kind = arguments.optimizer if arguments.optimizer != "auto" else "fused" if fused else "foreach"
    if arguments.attention == "fastest":
        kinds = ["plain", "sdpa"] if HAS_SDPA else ["plain"]
        results = sorted((measure_apart(arguments, kind, optimizer_kind) for kind in kinds), key=lambda r: r["ms"])
        keep = ("attention", "ms", "peakRssMb")
        result = {**results[0], "others": [{key: r[key] for key in keep} for r in results[1:]]}
    else:
        result = measure(shape, arguments.steps, arguments.threads, arguments.attention, optimizer_kind)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
