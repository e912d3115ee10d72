#!/usr/bin/env python3
"""Holds an ONNX file against the official checker, shape inference included.

    python3 -m venv /tmp/onnx-check && /tmp/onnx-check/bin/pip install onnx
    /tmp/onnx-check/bin/python scripts/check-onnx.py model.onnx

A model whose weights lie in other files (`model.onnx_data`) is checked with them. Of an export, the float32 and float16
files hold with --standard-only; those of 8 and 4 bits, and fused ones, have ONNX Runtime's own operators.

Operators outside the standard set (domain `com.microsoft`) are known to ONNX Runtime alone: the checker passes over
them, and --standard-only makes their presence an error.
"""

import argparse
import sys
from collections import Counter

try:
    import onnx
except ImportError:
    sys.exit("the Python package 'onnx' is not installed here: see the head of this file")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--standard-only", action="store_true", help="refuse operators outside the standard set")
    arguments = parser.parse_args()
    return max(check(file, arguments.standard_only) for file in arguments.files)


def check(file: str, standard_only: bool) -> int:
    try:
        # Given as a path, so that models with external data and beyond 2 GB are checked too.
        onnx.checker.check_model(file, full_check=True)
        graph = onnx.load(file, load_external_data=False).graph
    except Exception as error:  # the checker raises several unrelated kinds
        print(f"{file}: {error}", file=sys.stderr)
        return 1
    foreign = Counter(f"{node.domain}::{node.op_type}" for node in graph.node if node.domain not in ("", "ai.onnx"))
    listed = ", ".join(f"{name} x{count}" for name, count in sorted(foreign.items()))
    print(f"{file}: valid, {len(graph.node)} nodes, {len(graph.initializer)} initializers"
          + (f", outside the standard set: {listed}" if foreign else ""))
    return 1 if foreign and standard_only else 0


if __name__ == "__main__":
    sys.exit(main())
