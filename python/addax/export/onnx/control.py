"""control: rows that run bodies, which are graphs: Scan, If and Loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from addax.export.graph import ExportedGraph, Spec
from addax.export.onnx.table import Builder, Value, lower_graph, row
from addax.export.sizes import Size


def _arguments(b: Builder, body: ExportedGraph, count: int, like: str) -> list[Value]:
    """Values for the first inputs of a body."""
    specs = [body.specs[v] for v in body.inputs[:count]]
    return [Value(b.shared.name(like), s.dtype, s.shape) for s in specs]


def _captured(b: Builder, body: ExportedGraph, inputs: tuple[Value, ...], first: int) -> list[Value]:
    """The last inputs of a body are values around it, with sizes as the body names them."""
    specs = [body.specs[v] for v in body.inputs[first:]]
    return [Value(b.name_of(x), x.dtype, s.shape, x.const, x.fill) for x, s in zip(inputs[first:], specs, strict=True)]


def _made(b: Builder, out: Any, like: Sequence[Value]) -> list[Value]:
    """The outputs of a node as a list, with the dtypes of those."""
    made = list(out) if isinstance(out, tuple) else [out]
    for x, y in zip(made, like, strict=True):
        x.dtype = b.shared.dtypes[x.name] = y.dtype
    return made


@row(any_dtype=True)
def scan(
    b: Builder, *inputs: Value, body: ExportedGraph, length: int | Size, sequences: int, carries: int, reverse: bool
) -> list[Value]:
    inside = b.body()
    given = _arguments(b, body, sequences + carries, "step")
    made = lower_graph(inside, body, [*given, *_captured(b, body, inputs, sequences + carries)], {})
    stacks = len(made) - carries
    # ONNX has carries first, and at least one sequence.
    slices, walked = given[:sequences], list(inputs[:sequences])
    if not slices:
        slices, walked = [Value(b.shared.name("step"), "int64", ())], [b.count(b.size(length))]
    closed = inside.close("scan", [*given[sequences:], *slices], [*made[stacks:], *made[:stacks]])
    out = b(
        "Scan",
        *inputs[sequences : sequences + carries],
        *walked,
        outputs=carries + stacks,
        body=closed,
        num_scan_inputs=len(slices),
        scan_input_directions=[int(reverse)] * len(slices),
        scan_output_directions=[int(reverse)] * stacks,
    )
    made = _made(b, out, closed.outputs)
    return [*made[carries:], *made[:carries]]


@row(any_dtype=True)
def cond(b: Builder, index: Value, *inputs: Value, bodies: list[ExportedGraph], out: list[Spec | None]) -> list[Value]:
    """An index out of range is the closest one. Of several bodies, all but the first are the other branch."""
    return _branches(b, index, 0, inputs, bodies)


def _branches(b: Builder, index: Value, at: int, inputs: tuple[Value, ...], bodies: list[ExportedGraph]) -> list[Value]:
    given = _captured(b, bodies[at], inputs, 0)
    if at == len(bodies) - 1:
        return [Value(b.name_of(x), x.dtype) for x in lower_graph(b, bodies[at], given, {})]
    yes, no = b.body(), b.body()
    chosen = yes.close("then", [], lower_graph(yes, bodies[at], given, {}))
    others = no.close("else", [], _branches(no, index, at + 1, inputs, bodies))
    condition = b("LessOrEqual", index, at, dtype="bool")
    out = b("If", condition, outputs=len(chosen.outputs), then_branch=chosen, else_branch=others)
    return _made(b, out, chosen.outputs)


@row(any_dtype=True)
def while_loop(b: Builder, *inputs: Value, body: ExportedGraph, maximum: int | Size) -> list[Value]:
    """The first carry says whether it goes on."""
    carries = len(body.outputs)
    inside = b.body()
    given = _arguments(b, body, carries, "carry")
    made = lower_graph(inside, body, [*given, *_captured(b, body, inputs, carries)], {})
    iteration = Value(b.shared.name("iteration"), "int64", ())
    goes_on = Value(b.shared.name("condition"), "bool", ())
    closed = inside.close("loop", [iteration, goes_on, *given], [made[0], *made])
    bounded = isinstance(maximum, Size) or maximum >= 0
    limit = b.scalar(b.size(maximum)) if bounded else b.const(np.array(np.iinfo(np.int64).max))
    out = b("Loop", limit, inputs[0], *inputs[:carries], outputs=carries, body=closed)
    return _made(b, out, closed.outputs[1:])
