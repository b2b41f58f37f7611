"""control: rows that run bodies, which are graphs: Scan, If and Loop."""

from __future__ import annotations

import numpy as np

from addax.export.graph import ExportedGraph, Spec
from addax.export.onnx.table import Builder, Value, lower_graph, row
from addax.export.sizes import Size


def _arguments(b: Builder, body: ExportedGraph, count: int, like: str) -> list[Value]:
    """Values for the first inputs of a body."""
    specs = [body.specs[v] for v in body.inputs[:count]]
    return [Value(b.shared.name(like), s.dtype, s.shape) for s in specs]


@row(any_dtype=True)
def scan(
    b: Builder, *inputs: Value, body: ExportedGraph, length: int | Size, sequences: int, carries: int, reverse: bool
) -> list[Value]:
    inside = b.body("scan")
    given = _arguments(b, body, sequences + carries, "step")
    made = lower_graph(inside, body, [*given, *inputs[sequences + carries :]], {})
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
    out = list(out) if isinstance(out, tuple) else [out]
    _name_dtypes(b, out, closed.outputs)
    return [*out[carries:], *out[:carries]]


@row(any_dtype=True)
def cond(b: Builder, index: Value, *inputs: Value, bodies: list[ExportedGraph], out: list[Spec | None]) -> list[Value]:
    """An index out of range is the closest one. Of several bodies, all but the first are the other branch."""
    return _branches(b, index, 0, inputs, bodies)


def _branches(b: Builder, index: Value, at: int, inputs: tuple[Value, ...], bodies: list[ExportedGraph]) -> list[Value]:
    if at == len(bodies) - 1:
        return lower_graph(b, bodies[at], inputs, {})
    yes, no = b.body("then"), b.body("else")
    chosen = yes.close("then", [], lower_graph(yes, bodies[at], inputs, {}))
    others = no.close("else", [], _branches(no, index, at + 1, inputs, bodies))
    condition = b("LessOrEqual", index, at, dtype="bool")
    out = b("If", condition, outputs=len(chosen.outputs), then_branch=chosen, else_branch=others)
    out = list(out) if isinstance(out, tuple) else [out]
    _name_dtypes(b, out, chosen.outputs)
    for x, y in zip(out, chosen.outputs, strict=True):
        x.shape = y.shape
    return out


@row(any_dtype=True)
def while_loop(b: Builder, *inputs: Value, body: ExportedGraph, maximum: int | Size) -> list[Value]:
    """The first carry says whether it goes on."""
    carries = len(body.outputs)
    inside = b.body("loop")
    given = _arguments(b, body, carries, "carry")
    made = lower_graph(inside, body, [*given, *inputs[carries:]], {})
    iteration = Value(b.shared.name("iteration"), "int64", ())
    goes_on = Value(b.shared.name("condition"), "bool", ())
    closed = inside.close("loop", [iteration, goes_on, *given], [made[0], *made])
    bounded = isinstance(maximum, Size) or maximum >= 0
    limit = b.scalar(b.size(maximum)) if bounded else b.const(np.array(np.iinfo(np.int64).max))
    out = b("Loop", limit, inputs[0], *inputs[:carries], outputs=carries, body=closed)
    out = list(out) if isinstance(out, tuple) else [out]
    _name_dtypes(b, out, closed.outputs[1:])
    return out


def _name_dtypes(b: Builder, made: list[Value], like: list[Value]) -> None:
    for x, y in zip(made, like, strict=True):
        x.dtype = b.shared.dtypes[x.name] = y.dtype
