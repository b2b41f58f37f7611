"""`python -m addax inspect m.addax`: what an exported file holds, without running it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("file", help="the .addax file")
    parser.add_argument("--graph", action="store_true", help="print the graphs too")


def run(arguments: argparse.Namespace) -> int:
    """Prints the report. Exit status 1 for a file that cannot be read."""
    from rich.console import Console

    from addax import engine

    try:
        made_by, size, tensors, endpoints = engine.file_content(arguments.file)
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
        weights = sum(value.nbytes for _, value in tensors)
        console.print(f"[bold]{os.path.basename(arguments.file)}[/]: {size:,} bytes, made by {made_by}", markup=True)
        console.print(f"{len(tensors)} tensors, {weights:,} bytes\n")
        for name, states, example, graph in endpoints:
            _print_endpoint(console, engine.Model.load(arguments.file, endpoint=name), name, states, example, graph)
            if arguments.graph:
                console.print(graph, markup=False, soft_wrap=True)
        _print_tensors(console, tensors)
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _print_endpoint(console: Any, model: Any, name: str, states: list, example: list, graph: str) -> None:
    from rich.table import Table

    table = Table(title=f"endpoint {name}", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("", "name", "dtype", "shape"):
        table.add_column(column)
    for kind, ports in (("input", model.inputs), ("output", model.outputs)):
        for port, dtype, shape in ports:
            table.add_row(kind, port, dtype, _shape_text(shape))
    console.print(table)
    ops = Counter(re.findall(r"= (\w+)\(", graph))
    console.print("ops: " + ", ".join(f"{op} x{n}" if n > 1 else op for op, n in ops.most_common()), markup=False)
    if states:
        console.print("states: " + ", ".join(state for state, _ in states), markup=False)
    known = {size: 1 for _, _, shape in model.inputs for size in shape if isinstance(size, str)}
    shapes = [[known.get(d, d) for d in shape] for _, _, shape in model.inputs]
    try:
        stats = model.stats(shapes)
    except (ValueError, RuntimeError):
        console.print("with every open size 1: does not run")
    else:
        console.print(
            f"with every open size 1: {stats['flops']:,} FLOPs in {stats['steps']} steps, "
            f"{stats['arena_bytes']:,} bytes for inner values"
        )
    console.print("recorded example: " + ("yes" if example else "none") + "\n")


def _print_tensors(console: Any, tensors: list) -> None:
    from rich.table import Table

    table = Table(title="tensors", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("name", "dtype", "shape"):
        table.add_column(column)
    table.add_column("bytes", justify="right")
    for i, (name, value) in enumerate(tensors):
        table.add_row(name or f"(tensor {i})", value.dtype, _shape_text(value.shape), f"{value.nbytes:,}")
    console.print(table)


def _shape_text(shape: tuple) -> str:
    from addax.export.graph import tuple_text

    return f"({tuple_text('?' if d is None else str(d) for d in shape)})"
